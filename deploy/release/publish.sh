#!/usr/bin/env bash
# publish.sh TAG: creates the release with the files in `dist` and what the changelog says of the version.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

deploy/release/check-version.sh "$1"
# A download that is not whole is not published.
(cd dist && sha256sum --check --strict --quiet SHA256SUMS)
shopt -s nullglob
deploy/release/notes.sh | gh release create "$1" --verify-tag --title "$1" --notes-file - dist/SHA256SUMS dist/ivs-apply.rb \
  dist/*.tar.gz dist/*.zip dist/*.deb dist/*.cdx.json
