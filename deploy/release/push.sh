#!/usr/bin/env bash
# push.sh REGISTRY: copies the images in `dist/images` to a registry such as ghcr.io/owner, under the version, and prints
# `registry=…`
# in small letters and `NAME=DIGEST` of each. Signs in with REGISTRY_USER and REGISTRY_TOKEN where they are set.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Names of images have no capitals.
registry=${1,,}
printf 'registry=%s\n' "$registry"
if [ -n "${REGISTRY_TOKEN:-}" ]; then
  printf '%s' "$REGISTRY_TOKEN" | skopeo login --username "${REGISTRY_USER:?}" --password-stdin "${registry%%/*}" >&2
fi
for layout in dist/images/*/; do
  layout=${layout%/}
  name=$(basename "$layout")
  skopeo copy --quiet --all --preserve-digests --digestfile "$layout.digest" "oci:$layout:$version" \
    ${SKOPEO_FLAGS:+"$SKOPEO_FLAGS"} "docker://$registry/$name:$version"
  printf '%s=%s\n' "$name" "$(<"$layout.digest")"
done
