//! `--events` and `--metrics`, of the commands that plan or apply; `status` has the second alone. Writes nothing; `ui::events` does.

use std::path::PathBuf;

/// Where the events and the metrics of a run go.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct EventsArgs {
    /// Append each event of the run to FILE as it happens, one JSON object a line
    #[arg(long, value_name = "FILE", env = "IVS_APPLY_EVENTS")]
    pub(super) events: Option<PathBuf>,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

/// Where the metrics of a run go.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct MetricsArgs {
    /// Write metrics of the run to FILE at its end, for a collector of files such as that of
    /// `node_exporter`
    #[arg(long, value_name = "FILE", env = "IVS_APPLY_METRICS")]
    pub(super) metrics: Option<PathBuf>,
}
