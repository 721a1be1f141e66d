#!/usr/bin/env bash
# pack.sh TARGET: packs the built program with completions, manual pages, schemas, licence and changelog into `dist`.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target=$1
name=$(name "$target")
folder=dist/$name
built=target/$target/release
rm -rf "$folder" target/release-files
mkdir -p "$folder/completions" "$folder/man"

case $target in
  *-windows-*) program=ivs-apply.exe ;;
  *) program=ivs-apply ;;
esac
cp "$built/$program" "$folder"
cp README.md CHANGELOG.md LICENSE "$folder"
mkdir "$folder/schemas"
cp schemas/*.json "$folder/schemas"
program=$folder/$program

"$program" completions bash >"$folder/completions/ivs-apply.bash"
"$program" completions zsh >"$folder/completions/_ivs-apply"
"$program" completions fish >"$folder/completions/ivs-apply.fish"

# manual COMMAND…: the page of a command, and those of the commands that it lists.
manual() {
  local page inner
  page=$folder/man/$(IFS=- && printf '%s' "ivs-apply${*:+-$*}").1
  "$program" man "$@" >"$page"
  while read -r inner; do
    [ "$inner" = help ] || manual "$@" "$inner"
  done < <(
    # The name of each is a line such as `ivs\-apply\-fleet\-list(1)`.
    prefix=$(basename "$page" .1)-
    sed -n 's/\\//g; s/^\(ivs-apply-[a-z-]*\)(1)\r\{0,1\}$/\1/p' "$page" | sed "s/^$prefix//"
  )
}
manual
[ "$(find "$folder/man" -name '*.1' | wc -l)" -gt 20 ] || fail "manual pages are missing"

# deb.sh takes them from here, where no name has the version.
mkdir -p target/release-files
cp -R "$folder/completions" "$folder/man" target/release-files

if [ "${program##*.}" = exe ]; then
  (cd dist && 7z a -bso0 "$name.zip" "$name")
elif tar --version | grep -q GNU; then
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C dist -cf - "$name" |
    gzip --no-name -9 >"dist/$name.tar.gz"
else
  tar -C dist -czf "dist/$name.tar.gz" "$name"
fi
rm -rf "$folder"
