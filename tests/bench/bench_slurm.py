"""A wide foreach on Slurm beside the same as a bare array job of Rscript, and how long a task takes to begin there; on a
cluster of this machine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import HERE, Folder, Row, alternate

sys.path.insert(0, str(HERE.parent / "slow"))

HOW = "make bench ROWS=slurm"
R_ALONE = "Rscript --vanilla -e 1"
BARE = """#!/bin/bash
#SBATCH --array=0-199
#SBATCH --output=/dev/null
exec Rscript --vanilla -e 'Sys.sleep(0.2)'
"""


def rows() -> list[Row]:
    tools = HERE.parents[1] / "tools" / "apt.sh"
    packages = ("slurmctld", "slurmd", "slurm-client", "munge", "slurm-wlm-basic-plugins")
    subprocess.run([str(tools), *packages], check=True)
    # As many CPUs as the machine has, which each job then gets; and four times as many, where what a job costs in CPU
    # time is all that counts.
    flow, bare, bootstraps, starts = on_cluster(cpus=1)
    crowded_flow, crowded_bare, *_ = on_cluster(cpus=4)
    name = "foreach of 200 x 0.2 s on Slurm, whole job"
    floor = "bare sbatch --array of Rscript"
    return [
        Row(f"{name}, 2 nodes x 1 CPU", flow, "s", bare, floor, "ratio <= 1.3", HOW),
        Row(f"{name}, 2 nodes x 4 CPUs that the machine has not", crowded_flow, "s", crowded_bare, floor, "", HOW),
        Row("from the script of a job to the first line of its step", bootstraps, "s", starts, R_ALONE, "<= 3 s", HOW),
    ]


def on_cluster(cpus: int) -> tuple[list[float], ...]:
    """(seconds of the flow, of the bare array; of the task runner, of R alone) on two nodes with so many CPUs each."""
    from slurm_cluster import SlurmCluster

    with tempfile.TemporaryDirectory(prefix="metaflow-bench-slurm-") as place, Folder() as folder:
        cluster = SlurmCluster(Path(place), cpus=cpus)
        try:
            flow, bare = alternate(lambda: folder.flow("slurm", **cluster.environment)[0], lambda: array(cluster))
            return flow, bare, *bootstrap(folder, cluster)
        finally:
            cluster.close()


def bootstrap(folder, cluster) -> tuple[list[float], list[float]]:
    """(what the task runner takes in each of five jobs, one after the other; what R alone takes to start)"""
    _, output = folder.flow("bootstrap", "run", "--max-workers", "1", **cluster.environment)
    found = [float(line.split("seconds:")[1]) for line in output.splitlines() if "seconds:" in line]
    return found, [folder.run("Rscript", "--vanilla", "-e", "1")[0] for _ in found]


def array(cluster) -> float:
    """Seconds from the submission to the end of the last element."""
    began = time.perf_counter()
    script = cluster.folder / "bare.sh"
    script.write_text(BARE)
    job = cluster.ask("sbatch", "--parsable", str(script)).strip()
    while cluster.ask("squeue", "-h", "-j", job, "-t", "PENDING,RUNNING,COMPLETING").strip():
        time.sleep(0.2)
    return time.perf_counter() - began
