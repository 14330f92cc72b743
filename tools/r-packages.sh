#!/usr/bin/env bash
# Install what the named fields of DESCRIPTION ask for and R's library does not have:
# from the distribution, or else from the repositories that R is set up with.
#   tools/r-packages.sh Imports Config/Needs/demo
#   tools/r-packages.sh Imports --optional Suggests    going on without is fine for these
set -euo pipefail
cd "$(dirname "$0")/.."

required=()
optional=()
while [ $# -gt 0 ] && [ "$1" != --optional ]; do
  required+=("$1")
  shift
done
[ $# -eq 0 ] || optional=("${@:2}")

missing() { Rscript tools/r-missing.R "$@" | sed -n 's/^missing: //p'; }

from_distribution() {
  local debian=()
  for package in "$@"; do
    debian+=("r-cran-${package,,}")
  done
  tools/apt.sh --available "${debian[@]}"
}

from_r_repositories() {
  echo "The distribution does not have them, installing from R's repositories: $*"
  tools/apt.sh r-base-dev || return 1
  Rscript tools/r-add.R "$@" </dev/null
}

wanted=$(missing "${required[@]}" "${optional[@]}")
[ -n "$wanted" ] || exit 0
if command -v apt-get >/dev/null; then
  from_distribution $wanted
  wanted=$(missing "${required[@]}" "${optional[@]}")
  [ -n "$wanted" ] || exit 0
fi
from_r_repositories $wanted || true

lacking=$(missing "${required[@]}")
if [ -n "$lacking" ]; then
  echo "metaflow: these R packages are needed and could not be installed: $lacking" >&2
  echo "  Install them into the library of $(command -v Rscript), then run make again." >&2
  exit 1
fi
lacking=$(missing "${optional[@]}")
[ -z "$lacking" ] || echo "Going on without these R packages, which only some tests use: $lacking"
