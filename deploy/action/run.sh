#!/usr/bin/env bash
# Runs ivs-apply once. The program writes the outputs, the summary and the annotations by itself; the Markdown is kept in a
# file for the next steps.
set -euo pipefail
# shellcheck source=deploy/action/messages.sh
. "$(dirname "${BASH_SOURCE[0]}")/messages.sh"
# The next steps run the program themselves.
if [ "${INPUT_COMMAND:-}" = install ]; then exit; fi
need xargs

plan=${INPUT_PLAN_FILE:-}
words=("${INPUT_COMMAND:-}" --format markdown)
case "${words[0]}" in
  validate | drift) [ -z "$plan" ] || fail "the input \`plan-file\` is for \`plan\` and \`apply\`, not for \`${words[0]}\`" ;;
  plan) if [ -n "$plan" ]; then words+=(--out="$plan"); fi ;;
  apply) ;;
  *) fail "the input \`command\` is install, validate, plan, apply or drift, not \`${words[0]}\`" ;;
esac
if [ -n "${INPUT_STACK:-}" ]; then words+=(--stack="$INPUT_STACK"); fi
while IFS= read -r file; do
  file=${file#"${file%%[![:space:]]*}"}
  file=${file%"${file##*[![:space:]]}"}
  if [ -n "$file" ]; then words+=(--filename="$file"); fi
done <<<"${INPUT_FILES:-}"
if [[ "${INPUT_ARGUMENTS:-}" == *[![:space:]]* ]]; then
  # `xargs` groups by quotes as a shell does, and expands nothing.
  arguments=$(xargs printf '%s\n' <<<"$INPUT_ARGUMENTS") ||
    fail "the quotes in the input \`arguments\` do not match: \`$INPUT_ARGUMENTS\`"
  while IFS= read -r word; do words+=("$word"); done <<<"$arguments"
fi
if [ "${words[0]}" = apply ] && [ -n "$plan" ]; then words+=(-- "$plan"); fi

markdown=$(mktemp "${RUNNER_TEMP:?}/ivs-apply-markdown.XXXXXX")
code=0
ivs-apply "${words[@]}" >"$markdown" || code=$?
# No line of the result is a command to the runner.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '::stop-commands::%s\n' "$token"
cat "$markdown"
printf '\n::%s::\n' "$token"
# The program writes the exit code too, unless it was killed.
printf '%s\n' "markdown-file=$markdown" "exit-code=$code" >>"${GITHUB_OUTPUT:?}"
exit "$code"
