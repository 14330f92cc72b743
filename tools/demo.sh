#!/usr/bin/env bash
# Run the flagship flow in a scratch folder, then read its model back and predict.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install.sh demo
[ -z "${METAFLOW_VENV:-}" ] || export METAFLOW_PYTHON=$METAFLOW_VENV/bin/python

tutorial=$PWD/inst/tutorials/02-tune-gbm
scratch=$(mktemp -d "${TMPDIR:-/tmp}/metaflow-demo-XXXXXX")
cp "$tutorial"/*.R "$scratch"
cd "$scratch"

echo "\$ cd $scratch"
echo "\$ Rscript flow.R run"
Rscript flow.R run
echo
echo "\$ R"
Rscript -e 'source("predict.R", echo = TRUE, spaced = FALSE, max.deparse.length = Inf, keep.source = TRUE)'
echo
echo "The flow, its report and everything it stored stay in $scratch"
