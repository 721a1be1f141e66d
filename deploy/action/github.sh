# shellcheck shell=bash
# Requests to GitHub's REST API, with the token in TOKEN.

# The files of the answer to the last request and of its status, which is 000 if there was no answer. A variable would not
# leave the subshell of a pipe.
answer=$(mktemp "${RUNNER_TEMP:?}/ivs-apply-answer.XXXXXX")
status=$answer.status

# github METHOD PATH: sends a request; other methods than GET send standard input.
github() {
  local words=(
    --silent --show-error --max-time 60 --output "$answer" --write-out '%{http_code}'
    --request "$1" --header 'accept: application/vnd.github+json' --header 'x-github-api-version: 2022-11-28'
  )
  # A POST is not repeated: what it creates could exist twice.
  if [ "$1" != POST ]; then words+=(--retry 2); fi
  if [ "$1" != GET ]; then words+=(--header 'content-type: application/json' --data-binary @-); fi
  # The token is not an argument: other users of the machine can see these.
  curl "${words[@]}" --config <(printf 'header = "authorization: Bearer %s"\n' "$TOKEN") \
    "${GITHUB_API_URL:?}$2" >"$status" || true
}

# Whether the last request was carried out.
carried_out() { [[ "$(<"$status")" == 2?? ]]; }

# What GitHub said about the last request.
reason() {
  local message
  message=$(jq --raw-output '.message // empty' "$answer" 2>/dev/null) || message=
  printf 'status %s%s' "$(<"$status")" "${message:+: $message}"
}

# find_own PATH KEY: prints the value of KEY of the first item in the list at PATH whose body starts with the marker and
# that this token's user has written. Others can write the marker too, and could change the text afterwards.
find_own() {
  local path=$1 key=$2 login='' page=1 found count
  # The token of a workflow may not ask this; what it writes is a bot's.
  github GET /user
  if carried_out; then login=$(jq --raw-output .login "$answer"); fi
  while :; do
    github GET "$path$([[ $path == *\?* ]] && echo '&' || echo '?')per_page=100&page=$page"
    carried_out || return 1
    found=$(jq --raw-output --arg marker "$marker" --arg login "$login" --arg key "$key" '
      first(.[]
        | select((.body // "") | startswith($marker))
        | select(has("pull_request") | not)
        | select(if $login == "" then .user.type == "Bot" else .user.login == $login end)
        | .[$key]) // empty' "$answer")
    count=$(jq length "$answer")
    if [ -n "$found" ] || [ "$count" -lt 100 ]; then break; fi
    page=$((page + 1))
  done
  printf '%s' "$found"
}

# The first line of the Markdown, which the next run finds its comment or its issue by.
read_marker() {
  marker=
  IFS= read -r marker <"${MARKDOWN_FILE:?}" || true
  [[ "$marker" == '<!-- ivs-apply:'*' -->' ]]
}

# The address of this run of the workflow.
run_url() {
  printf '%s/%s/actions/runs/%s' "${GITHUB_SERVER_URL:?}" "${GITHUB_REPOSITORY:?}" "${GITHUB_RUN_ID:?}"
}

# as_body FOOTER: the Markdown as a JSON object for GitHub, which takes 65,536 characters.
as_body() {
  jq --raw-input --slurp --arg footer "$1" '
    (. + "\n" + $footer + "\n") as $whole
    | if ($whole | length) <= 65536 then $whole
      else split("\n")[0] + "\n\nThe result is longer than GitHub allows here; the log of the run has it.\n\n"
        + $footer + "\n"
      end
    | {body: .}' "$MARKDOWN_FILE"
}
