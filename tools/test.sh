#!/usr/bin/env bash
# Run the tests, Python's and R's, and fail when any of them fails.
#   tools/test.sh fast   all but the slow ones
#   tools/test.sh slow   tests/slow, and what is marked slow elsewhere
# Ends with the runners' own closing lines; the last one is R's "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-fast} in
  fast) python_marks='not slow'; python_folders=(tests/python tests/cross); r_folders=(tests/testthat tests/cross) ;;
  slow) python_marks='slow'; python_folders=(tests/python tests/cross tests/slow); r_folders=(tests/slow) ;;
  *) echo "metaflow: tools/test.sh takes fast or slow, not: $1" >&2; exit 2 ;;
esac

tools/install.sh demo test

venv=${METAFLOW_VENV:-$HOME/.virtualenvs/r-metaflow}
# The R package looks in the usual place by itself; it is told only of another one.
[ -z "${METAFLOW_VENV:-}" ] || export METAFLOW_PYTHON=$venv/bin/python

status=0

existing=()
for folder in "${python_folders[@]}"; do
  [ ! -d "$folder" ] || existing+=("$folder")
done
pytest_status=0
"$venv/bin/python" -m pytest -q -m "$python_marks" "${existing[@]}" </dev/null || pytest_status=$?
# 5 says that no test was selected, which is no failure for the slow ones.
if [ $pytest_status -eq 5 ] && [ "${1:-fast}" = slow ]; then pytest_status=0; fi
[ $pytest_status -eq 0 ] || status=1

Rscript tools/test-r.R "${r_folders[@]}" </dev/null || status=1

exit $status
