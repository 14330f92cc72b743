"""Images for the stand-ins of clusters: a folder of programs that looks like one, and a real one for podman.

A task of the backend suite notes down what it does in the folder of its flow, so the `Rscript` of the folder goes there.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_TASK = """#!/bin/sh
export FLOW_FOLDER="$(dirname "${{1%%/flows/*}}")" PYTHONPATH={core} PYTHONDONTWRITEBYTECODE=1
exec {python} -m metaflow_core.runners.task "$@"
"""


def image_folder(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    rscript = shutil.which("Rscript")
    for name, text in (
        ("metaflow-task", _TASK.format(core=shlex.quote(str(ROOT / "python")), python=shlex.quote(sys.executable))),
        ("Rscript", f'#!/bin/sh\ncd "$FLOW_FOLDER" && exec {rscript} "$@"\n'),
    ):
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    return str(folder)


def r_environment() -> dict[str, str]:
    """What an image with R in it sets: where its packages are."""
    return {name: os.environ[name] for name in ("R_LIBS", "R_LIBS_USER", "TZ", "LANG") if name in os.environ}


_BASE = "localhost/metaflow-r-base"
_DEBIAN = (
    "ca-certificates,python3,python3-venv,r-base-core,r-cran-reticulate,r-cran-r6,r-cran-magrittr,r-cran-jsonlite,"
    "r-cran-cli,r-cran-processx,r-cran-globals"
)


class PodmanImage:
    """The image of inst/templates/Dockerfile with the package of this tree, on a Debian that has R. That one is made
    once, which takes some minutes, and kept. Needs to be root."""

    name = "localhost/metaflow-r:test"

    def __init__(self, folder: Path) -> None:
        self._settings = {**os.environ, "CONTAINERS_CONF": str(Path(__file__).with_name("podman.conf"))}
        if self._podman("image", "exists", _BASE, check=False).returncode != 0:
            self._make_base(folder)
        context = folder / "context"
        shutil.copytree(ROOT / "inst" / "templates", context, ignore=shutil.ignore_patterns("flow"))
        self._run(str(ROOT / "tools" / "r-build.sh"), str(context))
        given = [word for item in (f"BASE={_BASE}", "PYTHON_PACKAGES=") for word in ("--build-arg", item)]
        self._podman("build", "--network=host", "--isolation=chroot", *given, "--tag", self.name, str(context))

    def _make_base(self, folder: Path) -> None:
        self._run(str(ROOT / "tools" / "apt.sh"), "debootstrap", "runc")
        tree = folder / "tree"
        self._run("debootstrap", "--variant=minbase", f"--include={_DEBIAN}", "bookworm", str(tree))
        self._run("sh", "-c", 'tar -C "$0" -c . | podman import - "$1"', str(tree), _BASE)
        shutil.rmtree(tree)

    def _podman(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        return self._run("podman", *words, check=check)

    def _run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=self._settings)
        assert not check or done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def run_container(self, pod, container, env, log):
        """For KubernetesServer: the container of a pod as a real one, with its volumes, variables and limits."""
        paths = {mount["mountPath"] for mount in container.get("volumeMounts") or ()}
        own = {name: value for name, value in env.items() if name not in ("PATH", "HOME")}
        words = ["podman", "run", "--rm", "--network=host", "--name", pod["metadata"]["name"]]
        words += [word for path in sorted(paths) for word in ("--volume", f"{path}:{path}")]
        words += [word for item in own.items() for word in ("--env", "=".join(item))]
        limit = (container["resources"].get("limits") or {}).get("memory")
        if limit:
            words.append(f"--memory={limit.lower()}")
        user = (container.get("securityContext") or {}).get("runAsUser")
        if user is not None:
            words.append(f"--user={user}")
        words += ["--entrypoint", json.dumps(container["command"]), container["image"]]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._settings, start_new_session=True
        )
