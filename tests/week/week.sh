#!/usr/bin/env bash
# The acted week. `tests/it/week.rs` runs it and compares what it prints with `docs/tutorial.md`, which is made from it: lines
# that begin with `#:` are the text, the others the commands. By hand: `bash tests/week/week.sh`, in the root of a clone, once
# the small GitHub of the first section is there.
set -euo pipefail

#: # A week with ivs-apply
#:
#: From the first manifest to a night on which somebody changed a channel by hand: a team keeps its channels in Git, and a
#: show is on air on Wednesday. No AWS account is needed. The account is that of the emulator, and its clock is set, so that
#: the week takes two minutes.
#:
#: Each command can be typed as it stands here, in Bash. The program's answers are below them. The test `week` runs the same
#: commands and compares the answers; in both, these replace what differs from run to run: ids of AWS are `<id>`, commits are
#: `<commit>`, and seconds of times of day are `00`.
#:
#: ## Before Monday
#:
#: You need Linux, a clone of this repository, Rust, a C compiler, `git` (which knows your name and address), `curl`, `jq`,
#: `tmux`, and `promtool` of Prometheus. In the clone, this builds the program:
#:
#: ```sh
#: cargo build --locked
#: ```
#:
#: Pull requests need a GitHub. The tests have a small one that knows comments and issues. Start it in a second terminal, in
#: the clone; it stays until Ctrl-C:
#:
#: ```sh
#: GITHUB_PORT=4600 cargo test --locked --test it small_github -- --ignored --nocapture
#: ```
#:
#: In the first terminal, still in the clone, start the emulated account, and make a folder for the week:

clone=$PWD
export PATH="$clone/target/debug:$PATH"
export AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
export AWS_ENDPOINT_URL=http://127.0.0.1:4599
export GITHUB_API_URL=http://127.0.0.1:4600/api TOKEN=ghs_token
mkdir ~/shows
cd ~/shows
ivs-apply emulator --listen 127.0.0.1:4599 --account 123456789012 > /dev/null &
emulator=$!
until curl -s "$AWS_ENDPOINT_URL/_emulator/clock" > /dev/null; do sleep 0.1; done

#: Two functions for later: `control` asks the emulator for what happens outside of the program, such as a stream that starts
#: ([emulator.md](emulator.md)), and `at` sets its clock.

control() { curl -sS --fail-with-body -o /dev/null "$AWS_ENDPOINT_URL/_emulator/$1" "${@:2}"; }
at() {
  control clock -d '{"stopped": true}'
  now=$(curl -s "$AWS_ENDPOINT_URL/_emulator/clock" | jq .nowMillis)
  control clock -d "{\"advanceSeconds\": $(jq -n "(\"$1\" | fromdate) - $now / 1000")}"
  control clock -d '{"stopped": false}'
}

#: ## Monday: the first manifests
#:
#: `init` writes a channel that is recorded, its stream key, and workflows for GitHub Actions.

at 2035-07-09T09:00:00Z
git init -q -b main
ivs-apply init channel --stack shows --region eu-west-1

#: The account belongs into the `Stack`: without it nothing is written. That is the first commit.

sed -i 's/# account: /account: /' ivs/stack.yaml
git add .
git commit -q -m 'A recorded channel'
cat ivs/stack.yaml

#: ## Monday: a pull request with a mistake
#:
#: A colleague adds a second channel on a branch.

git switch -q -c backstage
cat >> ivs/channels.yaml <<'END'
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata:
  name: backstage
spec:
  latencyMode: FAST
END
git commit -q -a -m 'A channel for backstage'

#: The pull request has number 1. GitHub Actions now runs `.github/workflows/plan.yml`, which uses the action of this repository.
#: `action.sh` does here what the runner does there: it runs the scripts of the action and shows their annotations, which GitHub
#: puts beside the line in the pull request.

export PULL_REQUEST=1
bash "$clone/tests/week/action.sh" plan files=ivs plan-file=plan.json comment=true || echo "The job fails: exit code $?"

#: `FAST` is no latency mode, says the annotation, and where. The colleague corrects it, and the job runs again. The comment of
#: the pull request is replaced, so that there is always one, with the newest plan:

sed -i 's/latencyMode: FAST/latencyMode: NORMAL/' ivs/channels.yaml
git commit -q -a -m 'backstage: latency mode'
bash "$clone/tests/week/action.sh" plan files=ivs plan-file=plan.json comment=true
curl -s -H "authorization: Bearer $TOKEN" "$GITHUB_API_URL/repos/company/video/issues/1/comments" | jq -r '.[].body'

#: ## Tuesday: merged and applied
#:
#: After the merge `.github/workflows/apply.yml` plans what is on `main` and saves the plan. The environment `production` waits for
#: a reviewer, who sees the plan:

at 2035-07-10T10:00:00Z
git switch -q main
git merge -q --no-ff -m 'Merge pull request 1' backstage
ivs-apply plan -f ivs --out plan.json > /dev/null
ivs-apply show plan.json

#: With the approval the second job applies this plan. It plans again first, and ends with exit code 5 if that is not the same.

ivs-apply apply plan.json

#: ## Wednesday: the show
#:
#: In the morning somebody merges another change: `main` gets another latency mode.

at 2035-07-11T10:00:00Z
sed -i '0,/latencyMode: LOW/s//latencyMode: NORMAL/' ivs/channels.yaml
git commit -q -a -m 'main: normal latency'

#: It is too late for that: the channel has just gone live, for 1,204 viewers. A change of the latency mode would cut them off.

eval "$(ivs-apply output -f ivs --format env)"
control streams -d "{\"channelArn\": \"$IVS_CHANNEL_MAIN_ARN\", \"viewerCount\": 1204}"
ivs-apply apply -f ivs --yes

#: The change waits, and the run ends well: exit code 0. `status --watch` shows who is on air. Here it runs in a window of
#: tmux, of which a copy is printed:

tmux -L week new-session -d -s watch -x 110 -y 14 'ivs-apply status -f ivs --watch=2s'
until tmux -L week capture-pane -p -t watch | grep 'again every' > /dev/null; do sleep 0.2; done
tmux -L week capture-pane -p -t watch
tmux -L week kill-server

#: For the evening the team declares a freeze: nothing is written before 23:00, whatever is merged.

cat >> ivs/stack.yaml <<'END'
  freeze:
    - { from: "2035-07-11T12:00:00Z", to: "2035-07-11T23:00:00Z", reason: cup final }
END
git commit -q -a -m 'Freeze for the cup final'

#: At 20:00 somebody wants a third channel all the same. The run is refused with exit code 4, and nothing is written.

at 2035-07-11T20:00:00Z
cat >> ivs/channels.yaml <<'END'
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata:
  name: fans
spec:
  latencyMode: LOW
END
git commit -q -a -m 'A channel for fans'
ivs-apply apply -f ivs --yes || echo "Exit code $?"

#: At 23:05 the freeze is over and the show is not. `--wait` does at once what can be done, the third channel, and stays for
#: the rest.

at 2035-07-11T23:05:00Z
ivs-apply apply -f ivs --yes --wait 2h > answer.txt 2> progress.txt &
waiting=$!
until grep -sq 'what was deferred' progress.txt; do sleep 0.1; done

#: The show ends, and so does the wait, with exit code 0:

control streams -X DELETE -d "{\"channelArn\": \"$IVS_CHANNEL_MAIN_ARN\"}"
wait "$waiting"
cat progress.txt answer.txt
rm progress.txt answer.txt

#: ## Thursday night: a change by hand
#:
#: Somebody turns off the recording of `main` in the console. Here it is a call of the API, as any client makes it:

at 2035-07-13T01:30:00Z
curl -sS --fail-with-body -o /dev/null --aws-sigv4 aws:amz:eu-west-1:ivs --user any:any -H 'content-type: application/json' \
  "$AWS_ENDPOINT_URL/UpdateChannel" -d "{\"arn\": \"$IVS_CHANNEL_MAIN_ARN\", \"recordingConfigurationArn\": \"\"}"

#: Two hours later `.github/workflows/drift.yml` compares the account with what was applied. The job fails with exit code 2 and
#: opens an issue; `--metrics` writes metrics for Prometheus.

at 2035-07-13T03:17:00Z
unset PULL_REQUEST
bash "$clone/tests/week/action.sh" drift files=ivs drift-issue=true arguments='--metrics drift.prom' || echo "The job fails: exit code $?"

#: A second run of the job, started by hand an hour later, finds the same drift and writes into the same issue. There is only one:

at 2035-07-13T04:17:00Z
bash "$clone/tests/week/action.sh" drift files=ivs drift-issue=true arguments='--metrics drift.prom' || echo "The job fails: exit code $?"
issues() { curl -s -H "authorization: Bearer $TOKEN" "$GITHUB_API_URL/repos/company/video/issues?state=$1"; }
issues open | jq -r 'length, .[].title, .[].body'

#: The rules of [examples/monitoring](../examples/monitoring/README.md) make an alert of the metrics. `alerts.sh` asks promtool
#: which of them fire:

bash "$clone/tests/week/alerts.sh" drift.prom

#: ## Friday: all clean
#:
#: The change was not intended. The next `apply` restores what the manifests say:

at 2035-07-13T09:00:00Z
ivs-apply apply -f ivs --yes

#: The drift job ends well, the issue is closed, no alert fires, and there is nothing to do:

bash "$clone/tests/week/action.sh" drift files=ivs drift-issue=true arguments='--metrics drift.prom'
issues open | jq length
bash "$clone/tests/week/alerts.sh" drift.prom
ivs-apply plan -f ivs --detailed-exitcode

#: This was the week. The emulator ends, and the account with it:

kill "$emulator"
cd "$clone"
rm -r ~/shows

#: ## Where to go from here
#:
#: - [Manifests](commands.md#a-manifest) for a real account
#: - [CI systems](ci.md): annotations, outputs, comments, GitLab
#: - [Show days and long runs](operations.md): freezes, `--wait`, metrics, `--interval`
#: - [Scenarios](../tests/scenarios/README.md): further courses of events, with every call
