"""Starting: small flows as whole processes against R's own start, and against R + reticulate + Python."""

from __future__ import annotations

from timing import PYTHON, Folder, Row, alternate


def rows() -> list[Row]:
    with Folder() as folder:
        reticulate = f'Sys.setenv(RETICULATE_PYTHON = "{PYTHON}"); library(reticulate); invisible(py_config())'
        r, bridge, library, hello, branch = alternate(
            lambda: folder.run("Rscript", "--vanilla", "-e", "1")[0],
            lambda: folder.run("Rscript", "--vanilla", "-e", reticulate)[0],
            lambda: folder.run("Rscript", "--vanilla", "-e", "library(metaflow)")[0],
            lambda: folder.flow("hello")[0],
            lambda: folder.flow("branch")[0],
        )
        core = [
            float(folder.run(PYTHON, "-c", _IMPORT)[1]) for _ in range(5)
        ]
    how = "make bench ROWS=start"
    return [
        Row("hello flow, 2 steps, against bare R", hello, "s", r, "Rscript --vanilla -e 1", "", how),
        Row("branch flow, 5 steps, against bare R", branch, "s", r, "Rscript --vanilla -e 1", "", how),
        Row("branch flow, 5 steps", branch, "s", bridge, "R + reticulate + Python", "<= 1.5 s, ratio <= 1.25", how),
        Row("library(metaflow)", library, "s", r, "Rscript --vanilla -e 1", "<= 60 ms over R", how),
        Row("import metaflow_core.bridge", core, "s", [], "", "<= 0.06 s", how),
    ]


_IMPORT = """
import sys, time
from importlib.util import find_spec
import subprocess
path = subprocess.run(["Rscript", "-e", "cat(system.file('python', package = 'metaflow'))"], capture_output=True, text=True).stdout
sys.path.insert(0, path)
began = time.perf_counter()
import metaflow_core.bridge
print(time.perf_counter() - began)
assert not {"boto3", "pyarrow", "numpy", "pandas", "cloudpickle"} & set(sys.modules)
"""
