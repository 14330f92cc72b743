"""Python processes that run a piece of the core, to race or to be killed."""

import os
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
