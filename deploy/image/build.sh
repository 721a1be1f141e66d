#!/usr/bin/env bash
# build.sh ARCHITECTURE=FOLDER…: makes the images of ivs-apply and of its operator as OCI layouts in `dist/images`, from the
# programs in a folder for each architecture (amd64, arm64). Without a daemon; needs Python.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../release/common.sh"

source=$(sed -n 's/^repository = "\(.*\)"$/\1/p' Cargo.toml)
# The authorities that Debian and Ubuntu trust.
bundle=${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}

# image NAME DESCRIPTION PROGRAM… -- ARCHITECTURE=FOLDER…
image() {
  local name=$1 description=$2 programs=() platforms=() folder
  shift 2
  while [ "$1" != -- ]; do
    programs+=("$1")
    shift
  done
  shift
  for folder; do
    platforms+=(--platform "${folder%%=*}=$(printf ",${folder#*=}/%s" "${programs[@]}" | cut -c 2-)")
  done
  rm -rf "dist/images/$name"
  python3 deploy/image/image.py "dist/images/$name" "$name" --description "$description" --version "$version" \
    --revision "$(git rev-parse HEAD)" --source "$source" --ca "$bundle" --license LICENSE "${platforms[@]}"
}

image ivs-apply "Declarative reconciler for Amazon IVS" ivs-apply -- "$@"
image ivs-apply-operator "Kubernetes operator that runs ivs-apply for each Target of a cluster" \
  ivs-apply-operator ivs-apply -- "$@"
