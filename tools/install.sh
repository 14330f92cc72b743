#!/usr/bin/env bash
# Install whatever is missing on this machine: R and its packages, Python and its
# environment, then this package. More to install is asked for by name:
#   tools/install.sh           to run flows
#   tools/install.sh demo      with what the tutorials need
#   tools/install.sh test      with what the tests need
#   tools/install.sh document  with what the documentation needs
set -euo pipefail
cd "$(dirname "$0")/.."

required=(Imports)
optional=()
extras=()
for purpose in "$@"; do
  case $purpose in
    demo) required+=(Config/Needs/demo) ;;
    test) required+=(Config/Needs/test); optional+=(Suggests); extras+=(test) ;;
    document) required+=(Config/Needs/document) ;;
    *) echo "metaflow: nothing is known to be needed for: $purpose" >&2; exit 2 ;;
  esac
done

# Two makes at once, say of two people or two tests, install one after the other.
if [ -z "${METAFLOW_INSTALL_LOCKED:-}" ] && command -v flock >/dev/null; then
  export METAFLOW_INSTALL_LOCKED=1
  exec flock "${TMPDIR:-/tmp}/metaflow-install-$(id -u).lock" tools/install.sh "$@"
fi

have() { command -v "$1" >/dev/null; }

base=()
have Rscript || base+=(r-base-core)
have /usr/bin/python3 || base+=(python3)
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || base+=(python3-venv)
[ ${#base[@]} -eq 0 ] || tools/apt.sh "${base[@]}"
# reticulate loads Python into R's process as a shared library.
if have dpkg-query; then
  tools/apt.sh "lib$(basename "$(readlink -f /usr/bin/python3)")"
fi

tools/r-packages.sh "${required[@]}" --optional "${optional[@]}"
tools/venv.sh "${extras[@]}"
tools/r-install.sh
