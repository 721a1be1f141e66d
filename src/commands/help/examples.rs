//! Three examples of each command, for its help and its manual. `tests/it/help.rs` runs them.

/// A line that can be typed as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    /// What it does.
    pub(crate) what: &'static str,
    /// The line.
    pub(crate) line: &'static str,
}

/// The examples of the command `name`, or of the program.
pub(crate) fn of(name: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(it, _)| *it == name).map_or(&[], |(_, examples)| examples)
}

const fn example(what: &'static str, line: &'static str) -> Example {
    Example { what, line }
}

const EXAMPLES: [(&str, [Example; 3]); 27] = [
    (
        "ivs-apply",
        [
            example("Write a first set of manifests into the folder ivs", "ivs-apply init channel"),
            example(
                "Show what would change in an emulated account",
                "ivs-apply plan -f ivs --emulator",
            ),
            example("Show what would change, ask, and apply it", "ivs-apply apply -f ivs"),
        ],
    ),
    (
        "init",
        [
            example("A recorded channel, in the current folder", "ivs-apply init channel"),
            example(
                "Private channels of the stack prod",
                "ivs-apply init private --out private --stack prod --region us-west-2",
            ),
            example(
                "Only the workflows, for the manifests that the folder ivs has",
                "ivs-apply init workflows",
            ),
        ],
    ),
    (
        "validate",
        [
            example("Show every mistake in a folder", "ivs-apply validate -f manifests"),
            example("Fail on warnings too", "ivs-apply validate -f manifests --deny-warnings"),
            example(
                "Check what another program writes",
                "cat manifests/*.yaml | ivs-apply validate -f -",
            ),
        ],
    ),
    (
        "render",
        [
            example("Show manifests with their values", "ivs-apply render -f manifests"),
            example("Give a value", "ivs-apply render -f manifests --set latency=NORMAL"),
            example(
                "Give the values of an environment, and plan the result",
                "ivs-apply render -f manifests --values prod.yaml | ivs-apply plan -f -",
            ),
        ],
    ),
    (
        "plan",
        [
            example("Show what would change, and why", "ivs-apply plan -f manifests"),
            example("Save the plan for approval", "ivs-apply plan -f manifests --out plan.json"),
            example(
                "Plan channels alone, for another program",
                "ivs-apply plan -f manifests --only 'Channel/*' --format json",
            ),
        ],
    ),
    (
        "show",
        [
            example("Read a saved plan before it is approved", "ivs-apply show plan.json"),
            example(
                "Write it as a page for a browser",
                "ivs-apply show plan.json --format html > plan.html",
            ),
            example(
                "Write it as a comment on a pull request",
                "ivs-apply show plan.json --format markdown > comment.md",
            ),
        ],
    ),
    (
        "apply",
        [
            example("Show the plan, ask, and carry it out", "ivs-apply apply -f manifests"),
            example("Carry out a plan that was approved", "ivs-apply apply plan.json"),
            example(
                "Ask nothing, and cut off the viewers of one channel",
                "ivs-apply apply -f manifests --yes --allow-live Channel/main",
            ),
        ],
    ),
    (
        "drift",
        [
            example(
                "Show what was changed outside ivs-apply; exit 2 on drift",
                "ivs-apply drift -f manifests",
            ),
            example("Show who changed it", "ivs-apply drift -f manifests --blame"),
            example(
                "Look every hour, and write metrics",
                "ivs-apply drift -f manifests --interval 1h --metrics drift.prom",
            ),
        ],
    ),
    (
        "status",
        [
            example(
                "Show what needs attention, what is on air, and the rest",
                "ivs-apply status -f manifests",
            ),
            example("Read it again every ten seconds", "ivs-apply status -f manifests --watch=10s"),
            example(
                "Show what the stack prod owns, without manifests",
                "ivs-apply status --stack prod --format json",
            ),
        ],
    ),
    (
        "export",
        [
            example(
                "Write manifests for what no stack owns into one file",
                "ivs-apply export > exported.yaml",
            ),
            example(
                "Write manifests for the stack prod, one file a kind",
                "ivs-apply export --stack prod --out exported",
            ),
            example(
                "Write channels alone, and what they need",
                "ivs-apply export --stack prod --only 'Channel/*'",
            ),
        ],
    ),
    (
        "destroy",
        [
            example("Show what would be deleted, and ask", "ivs-apply destroy -f manifests"),
            example(
                "Delete a part without a question",
                "ivs-apply destroy -f manifests --only 'Channel/test-*' --yes",
            ),
            example(
                "Delete everything, where that is more than a few objects",
                "ivs-apply destroy -f manifests --yes --confirm-deletes 7",
            ),
        ],
    ),
    (
        "unlock",
        [
            example(
                "Release the lock whose nonce a refused run has shown",
                "ivs-apply unlock -f manifests --nonce 4f0c91d27ab35e68c4d09f1b7e2a6835",
            ),
            example(
                "Release it with another profile",
                "ivs-apply unlock --nonce 4f0c91d27ab35e68c4d09f1b7e2a6835 --profile live",
            ),
            example(
                "Show the calls of the lock's store as well",
                "ivs-apply unlock -f manifests --nonce 4f0c91d27ab35e68c4d09f1b7e2a6835 -vv",
            ),
        ],
    ),
    (
        "output",
        [
            example("Show ARNs, URLs and endpoints", "ivs-apply output -f manifests"),
            example(
                "Set variables of the shell",
                "eval \"$(ivs-apply output -f manifests --format env)\"",
            ),
            example(
                "Write the stream key of one channel into a private file",
                "ivs-apply output -f manifests --only StreamKey/main --secrets-to keys.json",
            ),
        ],
    ),
    (
        "graph",
        [
            example(
                "Draw what refers to what, coloured by what would happen",
                "ivs-apply graph -f manifests --format svg > graph.svg",
            ),
            example(
                "The manifests alone, without an account",
                "ivs-apply graph -f manifests --offline --format mermaid",
            ),
            example(
                "The channels, for Graphviz",
                "ivs-apply graph -f manifests --only 'Channel/*' > graph.dot",
            ),
        ],
    ),
    (
        "iam-policy",
        [
            example(
                "What a role that plans may do",
                "ivs-apply iam-policy plan -f manifests > plan-policy.json",
            ),
            example(
                "What a role that applies and prunes may do",
                "ivs-apply iam-policy apply -f manifests --prune > apply-policy.json",
            ),
            example(
                "What a role that looks for drift and its author may do",
                "ivs-apply iam-policy drift -f manifests --blame",
            ),
        ],
    ),
    (
        "fleet",
        [
            example("List the targets and their queues", "ivs-apply fleet list -f targets"),
            example("Plan every target", "ivs-apply fleet plan -f targets --out results"),
            example("Report what it came to", "ivs-apply fleet report results"),
        ],
    ),
    (
        "fleet list",
        [
            example("List the targets and their queues", "ivs-apply fleet list -f targets"),
            example("Deal them to two machines", "ivs-apply fleet list -f targets --shards 2"),
            example(
                "Write a matrix for GitHub Actions",
                "ivs-apply fleet list -f targets --shards 8 --format github",
            ),
        ],
    ),
    (
        "fleet validate",
        [
            example(
                "Check the manifests of every target",
                "ivs-apply fleet validate -f targets --out checked",
            ),
            example(
                "Check those of one environment",
                "ivs-apply fleet validate -f targets -l env=prod --out checked",
            ),
            example(
                "Check them on the first of two machines",
                "ivs-apply fleet validate -f targets --shard 0/2 --out checked",
            ),
        ],
    ),
    (
        "fleet plan",
        [
            example("Plan every target", "ivs-apply fleet plan -f targets --out planned"),
            example(
                "Plan the first wave, for a comment",
                "ivs-apply fleet plan -f targets --wave 1 --out planned --format markdown",
            ),
            example(
                "Plan the channels of every target",
                "ivs-apply fleet plan -f targets --out planned -- --only 'Channel/*'",
            ),
        ],
    ),
    (
        "fleet apply",
        [
            example("Apply wave by wave", "ivs-apply fleet apply -f targets --yes --out applied"),
            example(
                "Go on with a run that has stopped",
                "ivs-apply fleet apply -f targets --yes --out applied --resume",
            ),
            example(
                "Allow failures in one target out of ten",
                "ivs-apply fleet apply -f targets --yes --out applied --max-failures 10%",
            ),
        ],
    ),
    (
        "fleet drift",
        [
            example("Look for drift", "ivs-apply fleet drift -f targets --out drift"),
            example(
                "Look for it in 64 targets at a time",
                "ivs-apply fleet drift -f targets --parallel 64 --out drift",
            ),
            example(
                "Look for it on the second of eight machines",
                "ivs-apply fleet drift -f targets --shard 1/8 --out drift",
            ),
        ],
    ),
    (
        "fleet report",
        [
            example("Report what a run came to", "ivs-apply fleet report results"),
            example(
                "Report the runs of several machines as one page",
                "ivs-apply fleet report shard-0 shard-1 --format html",
            ),
            example(
                "Fail where more than one target in ten is not done",
                "ivs-apply fleet report results --max-failures 10%",
            ),
        ],
    ),
    (
        "schema",
        [
            example("Print the schema of every kind", "ivs-apply schema"),
            example("Write it where editors look for it", "ivs-apply schema > ivs-apply.json"),
            example(
                "Print what a Kubernetes cluster has to know of a Target",
                "ivs-apply schema Target --format crd",
            ),
        ],
    ),
    (
        "explain",
        [
            example("List the kinds", "ivs-apply explain"),
            example("Explain one field", "ivs-apply explain Channel.latencyMode"),
            example("Explain the code of an error", "ivs-apply explain E0103"),
        ],
    ),
    (
        "emulator",
        [
            example("Serve an account until Ctrl-C", "ivs-apply emulator"),
            example(
                "Keep the account in a file, and take a free port",
                "ivs-apply emulator --state account.json --listen 127.0.0.1:0",
            ),
            example("Be as slow as AWS", "ivs-apply emulator --rates aws --latency 50ms"),
        ],
    ),
    (
        "completions",
        [
            example("Complete in this bash", "source <(ivs-apply completions bash)"),
            example("Install for zsh", "ivs-apply completions zsh > \"${fpath[1]}/_ivs-apply\""),
            example(
                "Install for fish",
                "ivs-apply completions fish > ~/.config/fish/completions/ivs-apply.fish",
            ),
        ],
    ),
    (
        "man",
        [
            example("Read the manual of the program", "ivs-apply man | man -l -"),
            example("Read the manual of one command", "ivs-apply man apply | man -l -"),
            example("Write a page for others", "ivs-apply man plan > ivs-apply-plan.1"),
        ],
    ),
];
