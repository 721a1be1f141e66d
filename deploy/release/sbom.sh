#!/usr/bin/env bash
# sbom.sh TARGET: writes what the programs for a target are made of into `dist`, in CycloneDX.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tool cargo-cyclonedx 0.5.9
mkdir -p dist
PATH=$PWD/target/tools/bin:$PATH
cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$1" --override-filename sbom
here=$PWD
# As cargo writes it, and not as this shell does.
case $1 in *-windows-*) here=/$(pwd -W) ;; esac
for package in ivs-apply:. ivs-apply-operator:operator; do
  # Names of packages in place of the folder that they were built in.
  sed "s|path+file://$here|pkg:cargo/ivs-apply|g; s|?download_url=file://\.*||g" "${package#*:}/sbom.json" >"dist/${package%:*}-v$version-$1.cdx.json"
  rm "${package#*:}/sbom.json"
done
