# shellcheck shell=bash
# What the scripts of a release share: the folder they run in, the version, the names of files and the tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# Files in archives and images have the time of the commit, so that the same commit gives the same bytes.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
fi
export SOURCE_DATE_EPOCH

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  exit 1
}

# name TARGET: what the archive of a target is called, without its ending; also used by action.yml and Cargo.toml (binstall).
name() {
  printf 'ivs-apply-v%s-%s' "$version" "$1"
}

# tool NAME VERSION: a tool of cargo's, installed once below `target`.
tool() {
  [ -x "target/tools/bin/$1" ] || cargo install --quiet --locked --root target/tools "$1" --version "$2"
}

# as_root COMMAND…: chroot and dpkg need root.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
