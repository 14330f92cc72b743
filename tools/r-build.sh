#!/usr/bin/env bash
# Build the source package into the folder named.
# Only what belongs to the package is looked at: R CMD build by itself first copies
# the whole tree, with whatever runs and tests have left in it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT

parts=()
for part in DESCRIPTION NAMESPACE NEWS.md README.md R inst man src vignettes tests/testthat.R tests/testthat; do
  [ ! -e "$part" ] || parts+=("$part")
done
# With the real Python files where the sources have a link.
mkdir "$staged/metaflow"
tar -ch --exclude=__pycache__ "${parts[@]}" | tar -x -C "$staged/metaflow"

mkdir -p "$target"
cd "$target"
R CMD build --no-build-vignettes "$staged/metaflow" </dev/null
