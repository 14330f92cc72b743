#!/usr/bin/env bash
# Install what the named fields of DESCRIPTION ask for (Imports when none is
# named) and R's library does not have, from the distribution.
#   tools/r-packages.sh Imports Config/Needs/demo
set -euo pipefail
cd "$(dirname "$0")/.."

missing() { Rscript tools/r-missing.R "$@" | sed -n 's/^missing: //p'; }

wanted=$(missing "$@")
[ -n "$wanted" ] || exit 0

debian=()
for package in $wanted; do
  debian+=("r-cran-${package,,}")
done
if ! tools/apt.sh "${debian[@]}"; then
  echo "  In R, this installs them too: install.packages(c(\"${wanted// /\", \"}\"))" >&2
  exit 1
fi

still=$(missing "$@")
if [ -n "$still" ]; then
  echo "metaflow: R does not see the packages just installed: $still" >&2
  echo "  Is another R first on the PATH? Rscript is $(command -v Rscript)" >&2
  exit 1
fi
