"""A worker for tests of the task runner: it speaks the protocol of R/worker.R and leaves what R leaves.

What a task does beyond that is in the file "do-<step>" of its working folder, if there is one: "error" (the step calls
stop), "die" (a signal), "sleep" (for ever), "print" (to its log), "wait" (until the file "go" is there). It ends
with whoever started it, as all processes of a container do.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

PARENT = os.getppid()


def send(message):
    os.write(1, (json.dumps(message) + "\n").encode())


def perform(order):
    from scripted_backend import fail, leave, succeed

    with open("ran", "a") as file:
        file.write(f"{order['position']} attempt {order['attempt']}\n")
    script = Path(f"do-{order['step']}")
    what = script.read_text().strip() if script.exists() else ""
    with open(os.path.join(order["dir"], "stdout.log"), "w") as log:
        log.write(f"hello from {order['position']}\n" if what == "print" else "")
    if what == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    while what == "sleep" or what == "wait" and not os.path.exists("go"):
        if os.getppid() != PARENT:
            sys.exit(1)
        time.sleep(0.02)
    leave(order, fail(order) if what == "error" else succeed(order, count=3, choice="yes"))
    send({"t": "end", "task": order["task"]})


for line in iter(sys.stdin.readline, ""):
    order = json.loads(line)
    if order["op"] == "init":
        assert os.path.isfile(order["code"])
        send({"t": "ready", "pid": os.getpid()})
    else:
        perform({**order, **json.loads(order["echo"])})
        break
