#!/usr/bin/env bash
# try-archive.sh TARGET: unpacks the archive of a target and runs its program: on Linux in an empty root (try.sh), elsewhere as it is.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

name=$(name "$1")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
case $1 in
  *-linux-*)
    tar -xzf "dist/$name.tar.gz" -C "$place"
    deploy/release/try.sh "$place" "/$name/ivs-apply"
    ;;
  *)
    if [ -e "dist/$name.zip" ]; then
      7z x -bso0 "-o$place" "dist/$name.zip"
    else
      tar -xzf "dist/$name.tar.gz" -C "$place"
    fi
    program=$place/$name/ivs-apply
    [ "$("$program" --version)" = "ivs-apply $version" ]
    "$program" apply --emulator="$place/account.json" --yes -f examples/quickstart
    "$program" plan --detailed-exitcode --emulator="$place/account.json" -f examples/quickstart
    ;;
esac
for file in LICENSE CHANGELOG.md README.md completions/_ivs-apply schemas/emulator.json man/ivs-apply-fleet-plan.1; do
  [ -s "$place/$name/$file" ] || fail "the archive has no $file"
done
