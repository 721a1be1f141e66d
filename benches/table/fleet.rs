//! One command on many targets: an account each, in one emulator at AWS's rates.

use crate::account::{Account, channels, stack};
use crate::process::{ivs_apply, run};
use crate::rows::{Row, Table, mebibytes, time};
use crate::terraform;
use crate::work::beside;
use ivs_apply::kinds::operation::PUBLISHED_RATES;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TARGETS: usize = 100;

const CHANNELS: usize = 1_000;

/// Targets at the same time.
const PARALLEL: usize = 64;

/// Targets at the same time while the accounts are filled: without rates more of them starve one another of the processor.
const FILLING: usize = 4;

/// Looks for drift in every target, beside one target alone and Terraform, whose time for one plan is known where it was measured.
pub(crate) fn drift(table: &mut Table, of_terraform: Option<Duration>) -> io::Result<()> {
    let home = tempfile::tempdir()?;
    documents(home.path())?;
    let account = Account::at_aws_rates(home.path())?;
    // What there is to look at is made without waiting for AWS's rates.
    account.enforce_rates(false)?;
    run(fleet(home.path(), &account, "apply", FILLING)
        .args(["--rates", "off", "--out", "made", "--yes"]))?;
    account.enforce_rates(true)?;

    account.count_anew()?;
    let mut one = ivs_apply(home.path());
    one.args(["drift", "--target", "targets.yaml#t-000", "--rates", "aws"]);
    let one = run(one.args(["--endpoint-url", &account.url()]))?;
    let (calls, _) = account.calls()?;
    let least = PUBLISHED_RATES.least_seconds(&calls);
    let what = format!("drift of 1 target with {CHANNELS} channels at AWS's rates");
    let figures = format!("{}, lower bound {least:.1} s; {}", time(one.wall), beside(&one));
    table.push(Row::of(what, figures));

    account.count_anew()?;
    let all =
        run(fleet(home.path(), &account, "drift", PARALLEL)
            .args(["--rates", "aws", "--out", "drift"]))?;
    let (calls, throttled) = account.calls()?;
    let memory = mebibytes(all.memory);
    let what = format!(
        "`fleet drift` of {TARGETS} targets with {CHANNELS} channels each, `--parallel {PARALLEL}`"
    );
    let figures = format!(
        "{}; {} calls, {throttled} throttled; {}",
        time(all.wall),
        calls.values().sum::<u64>(),
        beside(&all)
    );
    let kept = all.wall <= Duration::from_secs(15) && memory <= 1_536.0 && throttled == 0;
    table.push(Row::of(what, figures).within("15 s, 1.5 GiB, 0 throttled", kept));

    let what = format!("the same by Terraform's AWS provider, {PARALLEL} at a time");
    let row = match of_terraform {
        None => {
            Row::left_out(&what, "not computed, `-- --terraform` measures what it is computed from")
        }
        Some(plan) => {
            let turns = TARGETS.div_ceil(PARALLEL) * CHANNELS.div_ceil(terraform::COUNT);
            let turns = u32::try_from(turns).map_err(io::Error::other)?;
            let count = terraform::COUNT;
            Row::of(
                what,
                format!(
                    "{}, computed: {turns} times its plan of {count} channels",
                    time(plan * turns)
                ),
            )
        }
    };
    table.push(row);
    Ok(())
}

fn fleet(home: &Path, account: &Account, word: &str, parallel: usize) -> Command {
    let mut command = ivs_apply(home);
    command.args(["fleet", word, "-f", "targets.yaml", "--parallel", &parallel.to_string()]);
    command.args(["--endpoint-url", &account.url()]);
    command
}

/// The targets, and the manifests that they share.
fn documents(home: &Path) -> io::Result<()> {
    let mut targets = String::new();
    for it in 0..TARGETS {
        let _ = write!(
            targets,
            "---\napiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: {{ name: t-{it:03} }}\nspec:\n  \
             account: \"{0:012}\"\n  region: us-west-2\n  \
             role: {{ arn: \"arn:aws:iam::{0:012}:role/bench\" }}\n  manifests: {{ path: stack }}\n",
            it + 1
        );
    }
    std::fs::write(home.join("targets.yaml"), targets)?;
    std::fs::create_dir(home.join("stack"))?;
    std::fs::write(home.join("stack/stack.yaml"), stack())?;
    std::fs::write(home.join("stack/channels.yaml"), channels(CHANNELS))
}
