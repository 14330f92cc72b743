#!/usr/bin/env bash
# Measure what matters, each number beside its floor, in one run.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install.sh test
[ -z "${METAFLOW_VENV:-}" ] || export METAFLOW_PYTHON=$METAFLOW_VENV/bin/python

exec "${METAFLOW_VENV:-$HOME/.virtualenvs/r-metaflow}/bin/python" tests/bench/run.py "$@"
