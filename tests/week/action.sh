#!/usr/bin/env bash
# Acts a job of GitHub Actions with the action of this repository: `action.sh COMMAND [INPUT=VALUE]…`, run where the job has
# checked out the repository. Runs the scripts of deploy/action with what a runner gives them, and prints what GitHub shows:
# the annotations, and where the result is. Ends as the job ends.
#
# From the environment: the credentials of AWS, GITHUB_API_URL, TOKEN, and PULL_REQUEST, the number of the pull request
# whose commit is checked out.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../deploy/action" && pwd)
INPUT_COMMAND=$1
shift
for input in "$@"; do
  name=${input%%=*}
  name=${name^^}
  export "INPUT_${name//-/_}=${input#*=}"
done
export INPUT_COMMAND

RUNNER_TEMP=$(mktemp -d)
trap 'rm -rf "$RUNNER_TEMP"' EXIT
export RUNNER_TEMP
export GITHUB_ACTIONS=true GITHUB_WORKSPACE=$PWD GITHUB_RUN_ID=1
export GITHUB_SERVER_URL=https://github.com GITHUB_REPOSITORY=company/video
export GITHUB_OUTPUT=$RUNNER_TEMP/output GITHUB_STEP_SUMMARY=$RUNNER_TEMP/summary GITHUB_EVENT_PATH=$RUNNER_TEMP/event
GITHUB_SHA=$(git rev-parse HEAD)
export GITHUB_SHA
touch "$GITHUB_OUTPUT" "$GITHUB_STEP_SUMMARY"
jq --null-input --arg number "${PULL_REQUEST:-}" --arg sha "$GITHUB_SHA" \
  'if $number == "" then {} else {pull_request: {number: ($number | tonumber), head: {sha: $sha}}} end' >"$GITHUB_EVENT_PATH"

code=0
bash "$scripts/run.sh" >"$RUNNER_TEMP/log" 2>&1 || code=$?
# GitHub shows these beside the lines of the manifests.
grep -E '^::(error|warning|notice) ' "$RUNNER_TEMP/log" || true

output() { sed -n "s/^$1=//p" "$GITHUB_OUTPUT" | tail -n 1; }
MARKDOWN_FILE=$(output markdown-file)
EXIT_CODE=$(output exit-code)
export MARKDOWN_FILE EXIT_CODE
if [ "${INPUT_COMMENT:-}" = true ]; then bash "$scripts/comment.sh"; fi
if [ "${INPUT_DRIFT_ISSUE:-}" = true ]; then bash "$scripts/drift-issue.sh"; fi
exit "$code"
