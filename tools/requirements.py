"""Print the requirements of pyproject.toml that this Python does not meet, one a line.

The extras to look at are the arguments: ``python tools/requirements.py test``.
Run it with the virtual environment's Python: it uses nothing beyond that and pip.
"""

import sys
from importlib import metadata
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

try:
    import tomllib
except ImportError:  # before Python 3.11, pip carries the same parser
    from pip._vendor import tomli as tomllib


def declared(extras):
    path = Path(__file__).resolve().parent.parent / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    lines = list(project.get("dependencies", []))
    for extra in extras:
        lines += project.get("optional-dependencies", {}).get(extra, [])
    return [Requirement(line) for line in lines]


def met(requirement):
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


if __name__ == "__main__":
    for requirement in declared(sys.argv[1:]):
        if not met(requirement):
            print(requirement)
