#!/usr/bin/env bash
# Run the tests, Python's and R's, and fail when any of them fails.
#   tools/test.sh fast   all but the slow ones
#   tools/test.sh slow   tests/slow, and what is marked slow elsewhere
# Ends with the runners' own closing lines; the last one is R's "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

speed=${1:-fast}
case $speed in
  fast) python_marks='not slow'; python_folders=(tests/python tests/cross); r_folders=(tests/testthat tests/cross) ;;
  slow) python_marks='slow'; python_folders=(tests/python tests/cross tests/slow); r_folders=(tests/slow) ;;
  *) echo "metaflow: tools/test.sh takes fast or slow, not: $speed" >&2; exit 2 ;;
esac

tools/install.sh test
# Servers that tests start for themselves, on loopback.
if command -v dpkg-query >/dev/null; then tools/apt.sh postgresql; fi
# Fork safety is tested with a BLAS that has threads.
if [ "$speed" = slow ] && command -v dpkg-query >/dev/null; then
  tools/apt.sh libopenblas0-pthread
  # A real Slurm, with and without accounts (tests/slow/slurm_cluster.py).
  tools/apt.sh slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins slurmdbd slurm-wlm-mysql-plugin mariadb-server
  tools/apt.sh environment-modules
fi

venv=${METAFLOW_VENV:-$HOME/.virtualenvs/r-metaflow}
# The R package looks in the usual place by itself; it is told only of another one.
[ -z "${METAFLOW_VENV:-}" ] || export METAFLOW_PYTHON=$venv/bin/python

existing() {
  for folder in "$@"; do
    [ ! -d "$folder" ] || echo "$folder"
  done
}

status=0

# Both runners at once: each leaves a core idle most of the time. R's output comes after pytest's.
r_existing=$(existing "${r_folders[@]}")
r_output=$(mktemp)
trap 'rm -f "$r_output"' EXIT
r_process=
if [ -n "$r_existing" ]; then
  Rscript tools/test-r.R $r_existing </dev/null >"$r_output" 2>&1 &
  r_process=$!
fi

pytest_status=0
"$venv/bin/python" -m pytest -q -m "$python_marks" $(existing "${python_folders[@]}") </dev/null || pytest_status=$?
# 5 says that no test was selected, which is no failure for the slow ones.
if [ $pytest_status -eq 5 ] && [ "$speed" = slow ]; then pytest_status=0; fi
[ $pytest_status -eq 0 ] || status=1

if [ -n "$r_process" ]; then
  wait "$r_process" || status=1
  cat "$r_output"
fi

exit $status
