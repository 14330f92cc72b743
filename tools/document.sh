#!/usr/bin/env bash
# Write NAMESPACE and man/ from the roxygen comments in R/, and R's copy of the table of decorators.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHONPATH=python python3 -m metaflow_core.decorators >inst/decorators.json
tools/r-packages.sh Imports Config/Needs/document
Rscript -e 'roxygen2::roxygenise(".")'
