#!/usr/bin/env bash
# notes.sh: prints what CHANGELOG.md says of this version.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

awk -v section="[$version]" '
  /^## / { inside = ($2 == section); next }
  /^\[[^]]*\]: / { next }
  inside
' CHANGELOG.md
