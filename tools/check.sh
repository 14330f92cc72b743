#!/usr/bin/env bash
# R CMD check of the built package, as CRAN does it but without a network.
# Fails on errors and warnings; notes are shown.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install.sh test
[ -z "${METAFLOW_VENV:-}" ] || export METAFLOW_PYTHON=$METAFLOW_VENV/bin/python

# What asks the network: incoming checks, the clock, the URLs.
export _R_CHECK_CRAN_INCOMING_=false
export _R_CHECK_CRAN_INCOMING_REMOTE_=false
export _R_CHECK_SYSTEM_CLOCK_=0
export R_DEFAULT_INTERNET_TIMEOUT=5
export _R_CHECK_FORCE_SUGGESTS_=false
# Settings of a virtual machine's file system, not of this package.
export _R_CHECK_FUTURE_FILE_TIMESTAMPS_=false

options=(--as-cran)
command -v pdflatex >/dev/null || options+=(--no-manual)

version=$(sed -n 's/^Version: //p' DESCRIPTION)
rm -rf .build/check
tools/r-build.sh .build/check
cd .build/check
R CMD check "${options[@]}" "metaflow_$version.tar.gz" </dev/null || true

log=metaflow.Rcheck/00check.log
if [ ! -f "$log" ] || grep -qE '^Status:.*(ERROR|WARNING)' "$log" || ! grep -q '^Status:' "$log"; then
  find metaflow.Rcheck -name '*.fail' -exec tail -n 40 {} + >&2
  echo "metaflow: R CMD check found errors or warnings" >&2
  exit 1
fi
