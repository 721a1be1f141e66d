//! `--report`, of the commands that check, plan or apply. Writes nothing; `ui::ci` does.

use crate::ui::ci::Report;

/// Where the reports of a run go.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ReportsArgs {
    /// Write a report for GitLab: `codequality=FILE` or `dotenv=FILE`; can be given several times
    #[arg(long, value_name = "KIND=FILE", env = "IVS_APPLY_REPORT")]
    pub(super) report: Vec<Report>,
}
