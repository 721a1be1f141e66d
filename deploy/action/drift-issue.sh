#!/usr/bin/env bash
# Keeps one open issue for a stack while it has drifted, and closes it when it has not any more. What goes wrong here is a
# warning: a run that finds drift fails anyway.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=deploy/action/messages.sh
. "$folder/messages.sh"
# shellcheck source=deploy/action/github.sh
. "$folder/github.sh"
need curl jq

# give_up WHAT
give_up() {
  warn "$1 ($(reason)). The job needs \`permissions: issues: write\`, and the repository has to have issues"
  exit
}

case "${EXIT_CODE:?}" in
  0 | 2) ;;
  *)
    warn "the drift of the stack is unknown, so its issue stays as it is; the log of the run has the reason"
    exit
    ;;
esac
if ! read_marker; then
  warn "there is no result for the issue; the log of the run has the reason"
  exit
fi

issues=/repos/${GITHUB_REPOSITORY:?}/issues
issue=$(find_own "$issues?state=open" number) || give_up 'the issues of the repository cannot be read'
if [ "$EXIT_CODE" -eq 2 ]; then
  stack=${marker#'<!-- ivs-apply:drift:'}
  stack=${stack%' -->'}
  body=$(as_body "<sub>Last checked by [this run]($(run_url))</sub>")
  if [ -n "$issue" ]; then
    github PATCH "$issues/$issue" <<<"$body"
  else
    jq --arg title "Drift in stack $stack" '{title: $title} + .' <<<"$body" | github POST "$issues"
  fi
  carried_out || give_up "the issue of stack \`$stack\` was not written"
  jq --raw-output '"The drift is in \(.html_url)"' "$answer"
elif [ -n "$issue" ]; then
  jq --null-input --arg body "There is no drift any more, says [this run]($(run_url))." '{body: $body}' |
    github POST "$issues/$issue/comments"
  github PATCH "$issues/$issue" <<<'{"state": "closed", "state_reason": "completed"}'
  carried_out || give_up "issue $issue was not closed"
  echo "Issue $issue is closed: there is no drift any more."
fi
