#!/usr/bin/env bash
# Install the package into R's library, unless the very same sources, built by the
# very same R, are installed there already. The installed package remembers what it
# was made of in its own folder, so nothing can be stale or fooled by another tree.
set -euo pipefail
cd "$(dirname "$0")/.."

source_digest() {
  {
    Rscript --version 2>&1
    find DESCRIPTION NAMESPACE R man inst python tools/r-install.sh tools/r-build.sh \
      -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d ' ' -f 1
}

library_folder() {
  Rscript -e 'source("tools/r-library.R"); cat("library: ", library_folder(), "\n", sep = "")' | sed -n 's/^library: //p'
}

digest=$(source_digest)
library=$(library_folder)
stamp=$library/metaflow/SOURCE_DIGEST
[ "$(cat "$stamp" 2>/dev/null)" != "$digest" ] || exit 0

version=$(sed -n 's/^Version: //p' DESCRIPTION)
echo "Installing metaflow $version into $library"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
quietly() {
  "$@" >"$build/log" 2>&1 </dev/null || { cat "$build/log" >&2; exit 1; }
}
quietly tools/r-build.sh "$build"
mkdir -p "$library"
quietly R CMD INSTALL --library="$library" "$build/metaflow_$version.tar.gz"
# The library is often not writable for those who use it: compile for them now.
"${METAFLOW_VENV:-$HOME/.virtualenvs/r-metaflow}/bin/python" -m compileall -q "$library/metaflow/python" || true
echo "$digest" >"$stamp"
