"""A worker process that speaks the protocol of R/worker.R, for tests of the local backend. Run as a program.

An order's "do" says what to do with the task: end, vanish, die (by a signal), exit (with a status), quit (the worker
ends without a word), sleep (for ever), children (start some, then sleep), daemon (start one that lives on in a session
of its own and holds the pipe, then sleep), shell daemon (the same by a shell). What the worker was told goes to the
file "told" of its order.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

SLEEP = [sys.executable, "-c", "import os, time; open(f'pid-{os.getpid()}', 'w').close(); time.sleep(600)"]


def send(message, pieces=1):
    data = (json.dumps(message) + "\n").encode()
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        os.write(1, data[start : start + size])
        time.sleep(0.02 if pieces > 1 else 0)


def perform(order):
    what = order["do"]
    with open(f"ran-{order['task']}", "a") as file:
        file.write(f"{os.getpid()}\n")
    if what == "end":
        send({"t": "end", "task": order["task"], "finished": True}, order.get("pieces", 1))
    elif what == "vanish":
        if order.get("background"):
            pid = subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL).pid
            while not os.path.exists(f"pid-{pid}"):
                time.sleep(0.01)
        send({"t": "end", "task": order["task"], "finished": False})
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "exit":
        os._exit(order["status"])
    elif what == "env":
        with open(f"told-{order['task']}", "w") as file:
            json.dump({"environment": dict(os.environ), "cwd": os.getcwd(), "init": INIT}, file)
        send({"t": "end", "task": order["task"]})
    elif what == "length":
        with open(f"told-{order['task']}", "w") as file:
            file.write(str(len(order["payload"])))
        send({"t": "end", "task": order["task"]})
    else:
        if what == "children":
            subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL)
            subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL, start_new_session=True)
        if what == "shell daemon":
            program = " ".join(shlex.quote(word) for word in SLEEP)
            subprocess.run(f"setsid {program} >/dev/null &", shell=True, check=True)
        if what == "daemon" and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                with open(f"daemon-{os.getpid()}", "w"):
                    time.sleep(600)
            os._exit(0)
        time.sleep(600)


INIT = {}
for line in iter(sys.stdin.readline, ""):
    order = json.loads(line)
    if order["op"] == "init":
        INIT.update(order)
        start = order.get("start", "ready")
        if start == "end":
            sys.exit(7)
        time.sleep(order.get("slowly", 0))
        if start != "silent":
            send(
                {"t": "broken", "message": "no such package"}
                if start == "broken"
                else {"t": "ready", "pid": os.getpid()}
            )
    else:
        perform(order)
        if len(sys.argv) > 1 and sys.argv[1] == "fresh":
            break
