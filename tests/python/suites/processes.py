"""Python processes that run a piece of the core, to race or to be killed."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[3] / "python"


def script(body):
    """`body` with the core on its path."""
    return f"import sys\nsys.path.insert(0, {str(PYTHON)!r})\n" + textwrap.dedent(body)


def in_processes(count, body, *args):
    """Run `body` in `count` processes at once; what each printed. The number of the process is its last argument."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script(body), *map(str, args), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    outputs = [process.communicate(timeout=120) for process in running]
    for process, (_out, err) in zip(running, outputs):
        assert process.returncode == 0, err
    return [out for out, _err in outputs]


def copies_that_are_killed(source, target, stops):
    """Copy a datastore to another place as often as there are `stops`; each time kill -9 when it gets to that run."""
    body = """
        from metaflow_core.settings import load_settings
        from metaflow_core.store import transfer
        from metaflow_core.store.open import open_store
        stores = [open_store(load_settings(arguments={"datastore_root": root})) for root in sys.argv[1:]]
        real = transfer._Copy._run
        def run(self, flow, run):
            print(run, flush=True)
            real(self, flow, run)
        transfer._Copy._run = run
        transfer.copy_store(*stores)
    """
    for stop in stops:
        command = [sys.executable, "-c", script(body), source, target]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while process.stdout.readline().strip() not in (stop, ""):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def as_nobody(action):
    """Perform `action` in a child process that is not root, so that permissions count; it must not raise."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            action()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def make_read_only(root):
    """Nobody but the superuser may change anything below `root`, not even who made it."""
    for folder, _, names in os.walk(root):
        os.chmod(folder, 0o555)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o444)


def remove_tree(root):
    """Also of what was made read-only."""
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o700)
    shutil.rmtree(root)
