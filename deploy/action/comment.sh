#!/usr/bin/env bash
# Writes the result into the pull request: into the comment that an earlier run has written, or into a new one. What goes
# wrong here is a warning, since the command itself has been carried out.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=deploy/action/messages.sh
. "$folder/messages.sh"
# shellcheck source=deploy/action/github.sh
. "$folder/github.sh"
need curl jq

# give_up WHAT
give_up() {
  warn "$1 ($(reason)). A pull request from a fork has a token that cannot write; else the job needs \`permissions: pull-requests: write\`. The summary of the run shows the result"
  exit
}

if ! read_marker; then
  warn "there is no result to comment with; the log of the run has the reason"
  exit
fi

repository=/repos/${GITHUB_REPOSITORY:?}
event=${GITHUB_EVENT_PATH:?}
number=$(jq --raw-output '.pull_request.number // (if .issue.pull_request then .issue.number else empty end)' "$event")
commit=$(jq --raw-output '.pull_request.head.sha // empty' "$event")
commit=${commit:-${GITHUB_SHA:?}}
if [ -z "$number" ]; then
  # After a merge: the pull request that the commit came from.
  github GET "$repository/commits/$commit/pulls"
  carried_out || give_up 'the pull request of the commit was not found'
  number=$(jq --raw-output '.[0].number // empty' "$answer")
fi
if [ -z "$number" ]; then
  echo "The commit $commit belongs to no pull request: there is no comment to write."
  exit
fi

footer="<sub>Commit $commit, [run]($(run_url))</sub>"
comment=$(find_own "$repository/issues/$number/comments" id) || give_up 'the comments of the pull request cannot be read'
if [ -n "$comment" ]; then
  as_body "$footer" | github PATCH "$repository/issues/comments/$comment"
else
  as_body "$footer" | github POST "$repository/issues/$number/comments"
fi
carried_out || give_up 'the result was not written into the pull request'
jq --raw-output '"The result is in \(.html_url)"' "$answer"
