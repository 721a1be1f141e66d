#!/usr/bin/env bash
# Installs a release of ivs-apply for the next steps of the job, if its archive has the right checksum.
set -euo pipefail
# shellcheck source=deploy/action/messages.sh
. "$(dirname "${BASH_SOURCE[0]}")/messages.sh"

if [ "${INPUT_VERSION:-}" = path ]; then
  command -v ivs-apply >/dev/null ||
    fail "\`ivs-apply\` is not on PATH; set the input \`version\` to install a release"
  ivs-apply --version
  exit
fi
need curl tar awk

version=${INPUT_VERSION:-}
version=${version#v}
if [ -z "$version" ]; then
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "${GITHUB_ACTION_PATH:?}/Cargo.toml" | head -n 1)
fi
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$ ]] ||
  fail "\`$version\` is not a version such as 0.2.0"

case "${RUNNER_OS:?}-${RUNNER_ARCH:?}" in
  Linux-X64) target=x86_64-unknown-linux-musl ;;
  Linux-ARM64) target=aarch64-unknown-linux-musl ;;
  macOS-X64) target=x86_64-apple-darwin ;;
  macOS-ARM64) target=aarch64-apple-darwin ;;
  *) fail "no release of ivs-apply runs on $RUNNER_OS with $RUNNER_ARCH" ;;
esac
# The names of .github/workflows/release.yml.
name=ivs-apply-v$version-$target
releases=${INPUT_RELEASES:-}
if [ -z "$releases" ]; then
  releases=${GITHUB_SERVER_URL:?}/${REPOSITORY:?}/releases/download
fi

# download FILE: prints where the file of the release is now.
download() {
  local url=$releases/v$version/$1 file
  file=$(mktemp "${RUNNER_TEMP:?}/ivs-apply-download.XXXXXX")
  curl --silent --show-error --fail --location --retry 3 --max-time 300 --output "$file" "$url" ||
    fail "\`$url\` could not be downloaded; set the input \`releases\` where a mirror has the archives" >&2
  printf '%s' "$file"
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

archive=$RUNNER_TEMP/$name.tar.gz
if [ ! -e "$archive" ]; then
  file=$(download "$name.tar.gz")
  mv "$file" "$archive"
fi
expected=$(printf '%s' "${INPUT_CHECKSUM:-}" | tr '[:upper:]' '[:lower:]')
if [ -z "$expected" ]; then
  sums=$(download SHA256SUMS)
  expected=$(awk -v name="$name.tar.gz" '$2 == name || $2 == "*" name { print $1 }' "$sums")
  [ -n "$expected" ] || fail "SHA256SUMS of version $version does not name \`$name.tar.gz\`"
fi
actual=$(sha256 "$archive")
if [ "$actual" != "$expected" ]; then
  rm -f "$archive"
  fail "\`$name.tar.gz\` has the SHA-256 checksum $actual instead of $expected; nothing was installed"
fi

tar -xzf "$archive" -C "$RUNNER_TEMP"
printf '%s\n' "$RUNNER_TEMP/$name" >>"${GITHUB_PATH:?}"
"$RUNNER_TEMP/$name/ivs-apply" --version
