#!/usr/bin/env bash
# Make the Python virtual environment that the R package looks for, and install
# into it what pyproject.toml declares, with the extras named as arguments.
#   tools/venv.sh          the declared dependencies; going on without them is fine
#   tools/venv.sh test     with the extra "test"; fails when it cannot be had
#
# The environment is made from the distribution's Python, because reticulate
# needs a shared libpython, which a Python built by pyenv mostly does not have.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${METAFLOW_VENV:-$HOME/.virtualenvs/r-metaflow}
python=$venv/bin/python

if ! "$python" -c '' 2>/dev/null; then
  base=/usr/bin/python3
  [ -x "$base" ] || base=$(command -v python3)
  echo "Making the Python environment $venv"
  "$base" -m venv --clear "$venv"
fi

lines=$("$python" tools/requirements.py "$@")
[ -n "$lines" ] || exit 0
mapfile -t missing <<<"$lines"

echo "Installing into the Python environment: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
get() {
  "$python" -m pip install --quiet --disable-pip-version-check --no-input --timeout 20 --retries 1 "$@" \
    >"$log" 2>&1 </dev/null
}
# A distribution's pip of 2023 goes back through every release of boto3 (22 GB of them) where today's
# finds the newest of each in seconds. Where none can be had, the old one does it.
"$python" -c 'import pip; assert int(pip.__version__.split(".")[0]) >= 24' 2>/dev/null || get --upgrade pip || true
if get "${missing[@]}"; then
  exit 0
fi
if [ $# -eq 0 ]; then
  echo "pip could not install them; going on, since only some features need them: ${missing[*]}"
  exit 0
fi
tail -n 5 "$log" >&2
echo "metaflow: pip could not install: ${missing[*]}" >&2
exit 1
