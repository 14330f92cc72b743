"""Python processes that run a piece of the core, to race or to be killed."""

import subprocess
import sys
import textwrap
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
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]
    outputs = [process.communicate(timeout=120) for process in running]
    for process, (_out, err) in zip(running, outputs):
        assert process.returncode == 0, err
    return [out for out, _err in outputs]
