#!/usr/bin/env bash
# ruff over the Python code where ruff is installed, and the syntax of scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

bash -n .ci/run tools/*.sh
Rscript -e 'for (file in list.files(c("R", "tools", "tests", "inst/tutorials"), "[.]R$", recursive = TRUE, full.names = TRUE)) parse(file)'

venv=${METAFLOW_VENV:-$HOME/.virtualenvs/r-metaflow}
if [ -x "$venv/bin/ruff" ]; then
  "$venv/bin/ruff" check --output-format concise python tests tools
elif command -v ruff >/dev/null; then
  ruff check --output-format concise python tests tools
else
  echo "ruff is not installed; $venv/bin/pip install ruff adds it"
fi

# A function of R/ that is defined in two files: the one of the last file would win, silently.
twice=$(grep -hoE '^[A-Za-z_.][A-Za-z0-9_.]* <- function' R/*.R | sort | uniq -d)
[ -z "$twice" ] || { echo "metaflow: defined twice in R/: $twice" >&2; exit 1; }
