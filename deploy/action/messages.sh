# shellcheck shell=bash
# Messages as annotations of GitHub Actions.

# annotation LEVEL TEXT
annotation() {
  local text=${2//'%'/'%25'}
  text=${text//$'\r'/'%0D'}
  text=${text//$'\n'/'%0A'}
  printf '::%s title=ivs-apply::%s\n' "$1" "$text"
}

warn() { annotation warning "$1"; }

fail() {
  annotation error "$1"
  exit 1
}

# need PROGRAM…: fails if one of them is not installed on the runner.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || fail "\`$program\` is not installed on this runner"
  done
}
