#!/usr/bin/env bash
# formula.sh [SHA256SUMS]: prints the formula for Homebrew, with the checksums of the released archives.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sums=${1:-dist/SHA256SUMS}
repository=$(sed -n 's/^repository = "\(.*\)"$/\1/p' Cargo.toml)
formula=$(<deploy/homebrew/ivs-apply.rb.in)
for target in {x86_64,aarch64}-{apple-darwin,unknown-linux-musl}; do
  sum=$(awk -v file="$(name "$target").tar.gz" '$2 == file { print $1 }' "$sums")
  [[ $sum =~ ^[0-9a-f]{64}$ ]] || fail "$sums has no checksum of $(name "$target").tar.gz"
  formula=${formula//@$target@/$sum}
done
formula=${formula//@RELEASES@/$repository/releases/download/v$version}
formula=${formula//@REPOSITORY@/$repository}
printf '%s\n' "${formula//@VERSION@/$version}"
