#!/usr/bin/env bash
# A real API server for the tests of the operator, compiled from Debian's packages: no root, nothing installed. All of it lies
# in `target/kubernetes`; the first `get` takes minutes, later ones answer at once.
#
#   server.sh get [newest]      kube-apiserver 1.20 and etcd of Debian 12, pinned by checksum; with `newest` the
#                               apiextensions-apiserver of Debian unstable, which knows custom resources only. Prints the folder.
#   server.sh up DIR [newest]   starts them on free loopback ports and waits until they answer; prints DIR/kubeconfig
#   server.sh down DIR          ends exactly those processes
#
# IVS_APPLY_KUBERNETES names a folder that has kube-apiserver and etcd already: then nothing is fetched.
set -euo pipefail

kubernetes='1.20.5+really1.20.2-1.1+deb12u1'
packages=(golang-1.19-go=1.19.8-2 golang-1.19-src=1.19.8-2 golang-github-modern-go-reflect2-dev=1.0.2-2 etcd-server=3.4.23-4+b4)
checksums='b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc  kubernetes_1.20.5+really1.20.2.orig.tar.gz
545123039b6c79e75cf2d86528781a825424cf33ce9d3f4513d772d7144cd531  golang-1.19-go_1.19.8-2_amd64.deb
2dfa82fe4f08f4e0193c532e561af4c91871f5235608f04f2bb8d57bb288df5a  golang-1.19-src_1.19.8-2_all.deb
af150a5172cf4c19bb321a53e67103e7fb18d07c1baa1e816a235155265d3948  golang-github-modern-go-reflect2-dev_1.0.2-2_all.deb
3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d  etcd-server_3.4.23-4+b4_amd64.deb'

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

cache=$(cd "$(dirname "$0")/../.." && pwd)/target/kubernetes
stable=${IVS_APPLY_KUBERNETES:-$cache/1.20.2}
newest=$cache/newest

# An empty folder with an apt of its own for one release of Debian, whatever the machine is set up for.
workshop() {
  [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || fail 'needs Debian or Ubuntu on amd64; elsewhere set IVS_APPLY_KUBERNETES'
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  cd "$work"
  mkdir -p apt/lists/partial apt/archives/partial root out
  : >apt/status
  local mirror
  mirror=$(apt-cache policy | grep -oE 'https?://[^ ]+/debian ' | sed -n '1s/ //p')
  [ -n "$mirror" ] || fail 'no mirror of Debian is configured here'
  local from="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main"
  printf 'deb %s\ndeb-src %s\n' "$from" "$from" >apt/sources.list
  apt=(-qq -o "Dir::State=$work/apt" -o "Dir::State::status=$work/apt/status" -o "Dir::Cache=$work/apt"
    -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get "${apt[@]}" update
}

unpack() {
  local package
  for package in *.deb; do dpkg-deb -x "$package" root; done
}

go_is() {
  unset GOFLAGS GOPROXY
  export GOROOT=$1 GOPATH=$2 GOCACHE=$work/gocache GOTOOLCHAIN=local GO111MODULE=off CGO_ENABLED=0
}

make_stable() {
  [ -z "${IVS_APPLY_KUBERNETES:-}" ] || fail "there is no kube-apiserver and no etcd in $stable"
  workshop bookworm
  apt-get "${apt[@]}" source --download-only "kubernetes=$kubernetes"
  apt-get "${apt[@]}" download "${packages[@]}"
  sha256sum --quiet -c <<<"$checksums" || fail 'a package has another checksum than is written here'
  unpack
  # Older than modules: its path is its import path.
  local source=$work/gopath/src/k8s.io/kubernetes
  mkdir -p "$source"
  tar -xzf kubernetes_*.orig.tar.gz -C "$source" --strip-components=1
  # The vendored reflect2 1.0.1, compiled by Go 1.18 or later, crashes on the first custom resource.
  rm -rf "$source/vendor/github.com/modern-go/reflect2"
  cp -r root/usr/share/gocode/src/github.com/modern-go/reflect2 "$source/vendor/github.com/modern-go/"
  (
    cd "$source"
    go_is "$work/root/usr/lib/go-1.19" "$work/gopath"
    # The one generated file that the source package lacks.
    "$GOROOT/bin/go" build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    local kinds
    kinds=$(grep -Rl --include='*.go' '^// +k8s:openapi-gen=' pkg cmd vendor/k8s.io/ |
      grep -v -e code-generator -e sample-apiserver -e _test.go | xargs -n1 dirname | LC_ALL=C sort -u | sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
    "$work/openapi-gen" --logtostderr -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r /dev/null \
      -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi -i "$kinds"
    local flags='-s -w' package
    for package in component-base/version client-go/pkg/version; do
      package="-X k8s.io/kubernetes/vendor/k8s.io/$package"
      flags="$flags $package.gitMajor=1 $package.gitMinor=20 $package.gitVersion=v1.20.2 $package.gitTreeState=clean"
    done
    # The old cloud providers and the Docker shim are half of the compile time.
    "$GOROOT/bin/go" build -trimpath -tags providerless,dockerless -ldflags "$flags" -o "$work/out/kube-apiserver" ./cmd/kube-apiserver
    cp LICENSE "$work/out/LICENSE.kubernetes"
  )
  cp root/usr/bin/etcd out/
  mv -T out "$stable"
}

make_newest() {
  workshop sid
  local names
  mapfile -t names < <(apt-get "${apt[@]}" -s --no-install-recommends install golang-k8s-apiextensions-apiserver-dev golang-go etcd-server |
    awk '/^Inst (golang|etcd-server)/ { print $2 }')
  # apt checks the signature of Debian; there are no checksums here since unstable moves.
  apt-get "${apt[@]}" download "${names[@]}"
  unpack
  (
    go_is "$(echo "$work"/root/usr/lib/go-1.*)" "$work/root/usr/share/gocode"
    "$GOROOT/bin/go" build -trimpath -ldflags '-s -w' -o "$work/out/apiextensions-apiserver" k8s.io/apiextensions-apiserver
  )
  cp root/usr/bin/etcd out/
  mv -T out "$newest"
}

get() {
  local folder=${!1} program=kube-apiserver
  [ "$1" = stable ] || program=apiextensions-apiserver
  if [ ! -x "$folder/$program" ] || [ ! -x "$folder/etcd" ]; then
    mkdir -p "$cache"
    # Two that ask at once compile once.
    (
      exec 9>"$cache/lock"
      flock 9
      [ -x "$folder/$program" ] || "make_$1"
    ) >"$cache/$1.log" 2>&1 || { tail -n 20 "$cache/$1.log" >&2 && fail "the API server was not built; all of it is in $cache/$1.log"; }
  fi
  printf '%s\n' "$folder"
}

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Starts a program in the background, notes its id, writes what it says to a log.
start() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 &
  echo $! >>"$dir/pids"
  disown
}

start_etcd() {
  local peer
  store=http://127.0.0.1:$(port) peer=http://127.0.0.1:$(port)
  start "$2.log" "$1/etcd" --data-dir "$2" --unsafe-no-fsync --log-level error --listen-client-urls "$store" \
    --advertise-client-urls "$store" --listen-peer-urls "$peer"
}

# Waits for a server and writes the configuration for it.
await() {
  local port=$1 certificate=$2 path=$3 config=$4 pid
  for _ in $(seq 1 300); do
    if [ -e "$certificate" ] && curl -fsS --cacert "$certificate" -H "Authorization: Bearer $token" "https://127.0.0.1:$port$path" >/dev/null 2>&1; then
      (
        umask 077
        cat >"$config" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", certificate-authority: "$certificate"}}]
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: test, context: {cluster: test, user: admin, namespace: default}}]
current-context: test
EOF
      )
      return
    fi
    while read -r pid; do
      kill -0 "$pid" 2>/dev/null || { tail -n 3 "$dir"/*.log >&2 && down "$dir" && fail 'a server ended while it started'; }
    done <"$dir/pids"
    sleep 0.2
  done
  down "$dir"
  fail "no answer after 60 s; what the servers said is in $dir"
}

up() {
  local programs port
  programs=$(get stable)
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  [ ! -e "$dir/pids" ] || fail "$dir is up, or was not taken down"
  : >"$dir/pids"
  token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
  (
    umask 077
    echo "$token,admin,admin,system:masters" >"$dir/tokens.csv"
    openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
  )
  openssl rsa -in "$dir/sa.key" -pubout -out "$dir/sa.pub" 2>/dev/null
  start_etcd "$programs" "$dir/etcd"
  port=$(port)
  start "$dir/apiserver.log" "$programs/kube-apiserver" --etcd-servers "$store" --bind-address 127.0.0.1 --secure-port "$port" \
    --cert-dir "$dir" --service-cluster-ip-range 10.0.0.0/24 --service-account-issuer https://kubernetes.default.svc \
    --api-audiences kubernetes --service-account-signing-key-file "$dir/sa.key" --service-account-key-file "$dir/sa.pub" \
    --token-auth-file "$dir/tokens.csv" --authorization-mode RBAC --disable-admission-plugins ServiceAccount
  await "$port" "$dir/apiserver.crt" /api/v1/namespaces/default "$dir/kubeconfig"
  [ "${2:-}" = newest ] || return 0

  # It asks the other one who may do what.
  programs=$(get newest)
  start_etcd "$programs" "$dir/etcd.newest"
  port=$(port)
  start "$dir/newest.log" "$programs/apiextensions-apiserver" --etcd-servers "$store" --bind-address 127.0.0.1 --secure-port "$port" \
    --cert-dir "$dir/newest" --kubeconfig "$dir/kubeconfig" --authentication-kubeconfig "$dir/kubeconfig" \
    --authorization-kubeconfig "$dir/kubeconfig" --enable-priority-and-fairness=false --disable-admission-plugins \
    ValidatingAdmissionPolicy,MutatingAdmissionPolicy,MutatingAdmissionWebhook,ValidatingAdmissionWebhook
  await "$port" "$dir/newest/apiserver.crt" /apis/apiextensions.k8s.io/v1/customresourcedefinitions "$dir/kubeconfig.newest"
}

down() {
  local pid
  [ -e "$1/pids" ] || return 0
  # Nothing in there is worth an orderly end, which takes kube-apiserver 20 s.
  while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done <"$1/pids"
  while read -r pid; do while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done <"$1/pids"
  rm -f "$1/pids"
}

case ${1:-} in
get) get "${2:-stable}" ;;
up)
  up "${2:?a folder}" "${3:-}"
  printf '%s\n' "$dir/kubeconfig"
  ;;
down) down "${2:?a folder}" ;;
*)
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
