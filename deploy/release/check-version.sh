#!/usr/bin/env bash
# check-version.sh [TAG]: the packages, the lock file, the changelog, the examples and the tag name one version; with a tag, nothing
# in the changelog is unreleased.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tag=${1:-v$version}
[ "$tag" = "v$version" ] || fail "the tag is $tag and Cargo.toml has $version"
grep -qx "version = \"$version\"" operator/Cargo.toml || fail "operator/Cargo.toml has another version than $version"
for package in ivs-apply ivs-apply-operator; do
  grep -A 1 -x "name = \"$package\"" Cargo.lock | grep -qx "version = \"$version\"" ||
    fail "Cargo.lock has another version of $package than $version"
done
section="^## \\[${version//./\\.}\\] - [0-9]{4}-[0-9]{2}-[0-9]{2}\$"
grep -qE "$section" CHANGELOG.md || fail "CHANGELOG.md has no section \`## [$version] - YYYY-MM-DD\`"
grep -qE "^\\[${version//./\\.}\\]: " CHANGELOG.md || fail "CHANGELOG.md has no link for [$version]"
# What is tagged is released: the notes have to name it.
if [ $# -gt 0 ] && [ -n "$(deploy/release/notes.sh Unreleased | tr -d '[:space:]')" ]; then
  fail "CHANGELOG.md has entries below \`## [Unreleased]\`: move them to \`## [$version]\`"
fi
[ -n "$(deploy/release/notes.sh)" ] || fail "the section $version of CHANGELOG.md is empty"
for file in deploy/jobs/kustomization.yaml deploy/operator/kustomization.yaml; do
  grep -qE "newTag: \"?${version//./\\.}\"?\$" "$file" || fail "$file has another newTag than $version"
done
grep -qE "image: ghcr\\.io/[^/]+/ivs-apply:${version//./\\.}\$" examples/emulator/compose.yaml ||
  fail "examples/emulator/compose.yaml has another image than $version"
# A release knows where it comes from.
if [ -n "${GITHUB_REPOSITORY:-}" ]; then
  grep -qxF "repository = \"$GITHUB_SERVER_URL/$GITHUB_REPOSITORY\"" Cargo.toml ||
    fail "the \`repository\` of Cargo.toml is not $GITHUB_SERVER_URL/$GITHUB_REPOSITORY"
  if grep -q '^maintainer = .*@example\.com' Cargo.toml; then fail "the maintainer of the Debian package in Cargo.toml is nobody's address"; fi
fi
