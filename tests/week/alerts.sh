#!/usr/bin/env bash
# Prints the alerts of examples/monitoring that fire once the metrics of a file have stayed as they are for two hours:
# `alerts.sh FILE`. Prometheus itself decides: the file becomes a test of the rules that expects no alert, and what
# `promtool` found instead is printed.
set -euo pipefail
rules=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/monitoring" && pwd)/alerts.yaml
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{
  printf 'rule_files: ["%s"]\nevaluation_interval: 1m\ntests:\n' "$rules"
  printf -- '- interval: 1m\n  input_series:\n'
  sed -n "s/^\(ivs_apply_[a-z_]*{.*}\) \([0-9.]*\)\$/  - { series: '\1', values: '\2x130' }/p" "$1"
  printf '  alert_rule_test:\n'
  sed -n 's/^ *- alert: \(.*\)$/  - { eval_time: 2h, alertname: \1, exp_alerts: [] }/p' "$rules"
} >"$folder/test.yaml"
if promtool test rules "$folder/test.yaml" >"$folder/told" 2>&1; then
  echo 'No alert fires'
  exit
fi
# Anything else that it says is a mistake of this script.
if ! grep -q 'got:\[' "$folder/told"; then
  cat "$folder/told" >&2
  exit 1
fi
sed -n -e 's/^ *Labels:{.*alertname="\([A-Za-z]*\)".*severity="\([a-z]*\)".*$/\1 (\2)/p' \
  -e 's/^ *Annotations:{summary="\(.*\)"}$/  \1/p' "$folder/told"
