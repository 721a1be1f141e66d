#!/usr/bin/env bash
# deb.sh TARGET: packs what build.sh and pack.sh made into a package for Debian and Ubuntu, in `dist`.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tool cargo-deb 3.8.0
mkdir -p dist
PATH=$PWD/target/tools/bin:$PATH
cargo deb --quiet --locked --no-build --no-strip --package ivs-apply --target "$1" --output dist
