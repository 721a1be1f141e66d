#!/usr/bin/env bash
# notes.sh [SECTION]: prints what CHANGELOG.md says of this version, or of another section.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

awk -v section="[${1:-$version}]" '
  /^## / { inside = ($2 == section); next }
  /^\[[^]]*\]: / { next }
  inside
' CHANGELOG.md
