#!/usr/bin/env bash
# Write NAMESPACE and man/ from the roxygen comments in R/.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/r-packages.sh Imports Config/Needs/document
Rscript -e 'roxygen2::roxygenise(".")'
