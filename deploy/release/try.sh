#!/usr/bin/env bash
# try.sh FOLDER [PROGRAM]: runs a released program as the user 65532 in an otherwise empty root, for example one with an unpacked
# archive, package or image. FOLDER becomes the root; PROGRAM is the path in it (/ivs-apply). Says nothing if all goes well.
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

root=$(cd "$1" && pwd)
program=${2:-/ivs-apply}
place=$(mktemp -d)
processes=()
ended() {
  for process in "${processes[@]}"; do as_root kill "$process" 2>/dev/null || true; done
  rm -rf "$place"
}
trap ended EXIT

# The only folder that the program can write into.
as_root mkdir -p "$root/tried"
as_root cp -R examples/quickstart "$root/tried"
as_root chown -R 65532:65532 "$root/tried"
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)

# What the program is started by, such as a network of its own.
starter=()

# inside [VARIABLE=VALUE…] COMMAND…: runs in the root, with these variables and no others. There is no `env` in the root, so that
# they are set before it is entered.
inside() {
  local variables=()
  while [[ $1 == [A-Z]*=* ]]; do
    variables+=("$1")
    shift
  done
  as_root "${starter[@]}" env -i "${variables[@]}" "$chroot" --userspec=65532:65532 "$root" "$@" 2>&1
}

# expect CODE TEXT COMMAND…: it ends with this code and says this.
expect() {
  local wanted=$1 text=$2 code=0 said
  shift 2
  said=$(inside "$@") || code=$?
  if [ "$code" != "$wanted" ] || [[ $said != *"$text"* ]]; then
    fail "exit code $code instead of $wanted, or not \`$text\`: $*
$said"
  fi
}

expect 0 "ivs-apply $version" "$program" --version
for shell in bash zsh fish; do expect 0 ivs-apply "$program" completions "$shell"; done
expect 0 '.TH ivs-apply' "$program" man
expect 0 "Applied: 3 done" "$program" apply --emulator=/tried/account.json --yes -f /tried/quickstart
expect 0 "No changes" "$program" plan --detailed-exitcode --emulator=/tried/account.json -f /tried/quickstart

# The emulator behind TLS, with a certificate of an authority of our own.
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo -n)
"${sudo[@]}" env -i "$chroot" --userspec=65532:65532 "$root" "$program" emulator --listen 127.0.0.1:0 --state /tried/account.json \
  >"$place/emulator" 2>&1 &
processes+=($!)
for _ in $(seq 100); do
  [ -s "$place/emulator" ] && break
  sleep 0.1
done
backend=$(sed -n 's/.*http:\/\/127\.0\.0\.1:\([0-9]*\).*/\1/p' "$place/emulator" | head -n 1)
[ -n "$backend" ] || fail "the emulator did not start: $(cat "$place/emulator")"
(
  cd "$place"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.key -out authority.pem \
    -addext basicConstraints=critical,CA:TRUE
  openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
  printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >server.ext
  openssl x509 -req -days 2 -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -extfile server.ext -out server.pem
) >"$place/openssl" 2>&1 || fail "$(cat "$place/openssl")"
python3 deploy/release/tls.py "$place/server.pem" "$place/server.key" "$backend" >"$place/port" &
processes+=($!)
for _ in $(seq 100); do
  [ -s "$place/port" ] && break
  sleep 0.1
done
port=$(<"$place/port")

signed_in=(AWS_REGION=us-west-2 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_EC2_METADATA_DISABLED=true)
behind_tls=("${signed_in[@]}" "AWS_ENDPOINT_URL=https://127.0.0.1:$port")
plan=("$program" plan --detailed-exitcode -f /tried/quickstart)
bundle=$root/etc/ssl/certs/ca-certificates.crt
if [ -e "$bundle" ]; then
  # The bundle of the image, which does not know the authority.
  expect 1 "certificate" "${behind_tls[@]}" "${plan[@]}"
else
  # Without any certificate the error says so, at an endpoint of our own and at AWS's, which a network without any host keeps away.
  expect 1 "no CA certificate was found" "${behind_tls[@]}" "${plan[@]}"
  starter=(unshare --net)
  expect 1 "no CA certificate was found" "${signed_in[@]}" "${plan[@]}"
  starter=()
  bundle=/etc/ssl/certs/ca-certificates.crt
fi
cat "$bundle" "$place/authority.pem" >"$place/bundle.pem"
as_root cp "$place/bundle.pem" "$root/tried/bundle.pem"
expect 0 "No changes" "${behind_tls[@]}" SSL_CERT_FILE=/tried/bundle.pem "${plan[@]}"
expect 0 "No changes" "${behind_tls[@]}" AWS_CA_BUNDLE=/tried/bundle.pem "${plan[@]}"
expect 1 "no CA certificate was found" "${behind_tls[@]}" AWS_CA_BUNDLE=/tried/none.pem "${plan[@]}"
as_root rm -rf "$root/tried"
