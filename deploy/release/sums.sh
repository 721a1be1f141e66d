#!/usr/bin/env bash
# sums.sh: writes the checksums of the files in `dist`.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd dist
shopt -s nullglob
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum -- "$@"; else shasum -a 256 -- "$@"; fi
}
files=(*.tar.gz *.zip *.deb *.cdx.json)
[ ${#files[@]} -gt 0 ] || fail "there is nothing in dist"
sha256 "${files[@]}" >SHA256SUMS
