#!/usr/bin/env bash
# check-version.sh [TAG]: the packages, the lock file, the changelog, the examples and the tag name one version.
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
[ -n "$(deploy/release/notes.sh)" ] || fail "the section $version of CHANGELOG.md is empty"
for file in deploy/jobs/kustomization.yaml deploy/operator/kustomization.yaml; do
  grep -qE "newTag: \"?${version//./\\.}\"?\$" "$file" || fail "$file has another newTag than $version"
done
# A release knows where it comes from.
if [ -n "${GITHUB_REPOSITORY:-}" ]; then
  grep -qxF "repository = \"$GITHUB_SERVER_URL/$GITHUB_REPOSITORY\"" Cargo.toml ||
    fail "the \`repository\` of Cargo.toml is not $GITHUB_SERVER_URL/$GITHUB_REPOSITORY"
fi
