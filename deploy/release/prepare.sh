#!/usr/bin/env bash
# prepare.sh TARGET: installs what building a release for a target needs, on a runner.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rustup show active-toolchain || rustup toolchain install
rustup target add "$1"
case $1 in
  *-linux-musl)
    as_root apt-get update
    as_root apt-get install -y --no-install-recommends musl-tools linux-libc-dev
    ;;
esac
