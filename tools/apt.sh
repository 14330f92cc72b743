#!/usr/bin/env bash
# Install the Debian packages named as arguments, as far as they are missing.
# Silent and quick when nothing is; needs root or sudo only when something is.
#   tools/apt.sh make python3
#   tools/apt.sh --available r-cran-cli r-cran-gbm    leaves out what the distribution does not have
set -euo pipefail

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

available() {
  [[ $(LC_ALL=C apt-cache policy "$1") =~ Candidate:\ [^\(] ]]
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "metaflow: root is needed to run: $*" >&2
    echo "  Run this as root, or install sudo." >&2
    return 1
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=900 -o Dpkg::Use-Pty=0 "$@"
}

only_available=
if [ "${1:-}" = --available ]; then
  only_available=yes
  shift
fi

missing=()
for package in "$@"; do
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "metaflow: these packages are missing, and this system has no apt-get: ${missing[*]}" >&2
  echo "  Install what they stand for by hand, then run make again." >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A stale or absent package list is the usual state of a fresh machine; without
# a network the update fails, and the packages may still be in the local cache.
apt_get update >"$log" 2>&1 </dev/null || true

if [ -n "$only_available" ]; then
  found=()
  for package in "${missing[@]}"; do
    ! available "$package" || found+=("$package")
  done
  [ ${#found[@]} -gt 0 ] || exit 0
  missing=("${found[@]}")
fi

echo "Installing from the distribution: ${missing[*]}"
if ! apt_get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  echo "metaflow: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
