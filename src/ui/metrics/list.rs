//! Every metric by name, with what it says and its labels: of a run, and of a fleet. Never measures anything.

/// A metric. All of them are gauges about the last run.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it says, as it stands in the file.
    pub help: &'static str,
    /// Its labels, beside those that all of its file have.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric { name: $name, help: $help, labels: $labels };
        )*

        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

/// Of a run (`--metrics`).
pub mod run {
    use super::Metric;

    /// The labels of every metric of a run.
    pub const LABELS: [&str; 4] = ["stack", "region", "account", "command"];

    metrics! {
        BUILD_INFO "ivs_apply_build_info" &["version"],
            "The program that wrote this; always 1.";
        LAST_RUN "ivs_apply_last_run_timestamp_seconds" &[],
            "When the last run ended.";
        LAST_SUCCESS "ivs_apply_last_success_timestamp_seconds" &[],
            "When the last run that succeeded ended: one with exit code 0 or 2. A run that fails keeps it; there is none before the first.";
        DURATION "ivs_apply_last_run_duration_seconds" &[],
            "How long the last run took.";
        EXIT_CODE "ivs_apply_last_run_exit_code" &[],
            "The exit code of the last run.";
        STEPS "ivs_apply_last_run_steps" &["status"],
            "Steps of the last run by how they ended, a replacement counted as one; of `apply` and `destroy`.";
        CALLS "ivs_apply_last_run_calls" &["operation"],
            "Calls of the last run by operation.";
        THROTTLED "ivs_apply_last_run_throttled_calls" &["operation"],
            "Calls of the last run that AWS refused because of its rate, by operation.";
        RESOURCES "ivs_apply_resources" &["state"],
            "Resources of the stack by state, after the last run.";
        DRIFTED "ivs_apply_drifted_resources" &[],
            "Resources that were changed or deleted outside ivs-apply; where the command is `drift`, those that it exits with 2 for.";
        DEFERRED "ivs_apply_deferred_steps" &[],
            "Steps that are left for a later run.";
        VIEWERS "ivs_apply_viewers" &[],
            "Viewers of the stack's channels when the account was read.";
        PUBLISHERS "ivs_apply_publishers" &[],
            "Participants that published in sessions of the stack's stages when the account was read; of `status` alone, since each session takes a call.";
        AUDIENCE_VIEWERS "ivs_apply_audience_viewers" &["effect"],
            "Viewers of channels that the plan concerns.";
        AUDIENCES "ivs_apply_audiences" &["effect", "of"],
            "What is on air and the plan concerns, each counted once.";
    }
}

/// Of the results of a fleet (`fleet report --format metrics`).
pub mod fleet {
    use super::Metric;

    /// The labels of the metrics about one target.
    pub const OF_TARGET: &[&str] = &["command", "target", "account", "region", "stack", "wave"];

    metrics! {
        BUILD_INFO "ivs_apply_fleet_build_info" &["version"],
            "The program that wrote this; always 1.";
        TARGETS "ivs_apply_fleet_targets" &["command", "outcome"],
            "Targets by how their last run ended.";
        MISSING_SHARDS "ivs_apply_fleet_missing_shards" &[],
            "Shards without results, though there are results of other shards.";
        DONE "ivs_apply_fleet_target_done" OF_TARGET,
            "Whether the last run of a target did what was asked: it ended with exit code 0 or 2.";
        HAS_CHANGES "ivs_apply_fleet_target_has_changes" OF_TARGET,
            "Whether the last run of a target found changes or drift.";
        EXIT_CODE "ivs_apply_fleet_target_exit_code" OF_TARGET,
            "The exit code of the last run of a target, where it had one.";
        STARTED "ivs_apply_fleet_target_start_timestamp_seconds" OF_TARGET,
            "When the last run of a target began.";
        DURATION "ivs_apply_fleet_target_duration_seconds" OF_TARGET,
            "How long the last run of a target took.";
        CALLS "ivs_apply_fleet_target_calls" OF_TARGET,
            "Calls of AWS of the last run of a target.";
    }
}

/// What a label says.
pub const LABELS: [(&str, &str); 14] = [
    ("stack", "The stack."),
    ("region", "The region in force."),
    ("account", "The account of the credentials."),
    ("command", "The command, such as `apply`."),
    ("version", "The version of the program."),
    (
        "status",
        "How a step ended: `blocked`, `deferred`, `done`, `dormant`, `failed`, `not started`, `skipped`, `stale`, `unconfirmed`, `unknown`.",
    ),
    ("operation", "The operation of the API, such as `ListChannels`."),
    (
        "state",
        "A state of `status`, such as `InSync`. Each state has a sample, also where it is 0.",
    ),
    (
        "effect",
        "`at_stake`: all that the plan concerns; `cut`: what it cuts off, with consent; `deferred`: what steps are deferred for.",
    ),
    (
        "of",
        "`stream` of a channel; `session` of a stage, however many participants it has; `composition` that runs; `publisher`: \
         an ingest configuration with which a participant publishes.",
    ),
    ("outcome", "How a target ended, as in `fleet.json`."),
    ("target", "The name of the target."),
    ("wave", "The wave of the target."),
    ("place", "Of duplicates alone: file and document, since they have one name."),
];
