//! The same work by Terraform's AWS provider, side by side in one run on emulators of the same kind.
//!
//! Left out unless `terraform` is there and a folder with the unpacked provider, which `TERRAFORM_MIRROR`
//! names if it is in no usual place; see `tests/conformance/terraform.py`, which looks in the same ones.

use crate::account::{Account, channels};
use crate::process::{Cost, run};
use crate::rows::{Row, Table, thousands, time};
use crate::work::{beside, paced};
use ivs_apply::kinds::operation::PUBLISHED_RATES;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// More would take Terraform many minutes.
pub(crate) const COUNT: usize = 100;

const USUAL: [&str; 3] = ["/opt", "/usr/share/terraform", "/usr/local/share/terraform"];

/// Makes channels, and looks again, with either. How long Terraform takes to look again, where it is there.
pub(crate) fn side_by_side(table: &mut Table) -> io::Result<Option<Duration>> {
    let what = format!("{} channels by Terraform's AWS provider", thousands(COUNT));
    if Command::new("terraform").arg("version").output().is_err() {
        table.push(Row::left_out(&what, "not run: there is no `terraform` on this machine"));
        return Ok(None);
    }
    let Some(mirror) = mirror() else {
        table.push(Row::left_out(&what, "not run: the AWS provider is not at hand"));
        return Ok(None);
    };
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join("channels.yaml"), channels(COUNT))?;
    std::fs::write(home.path().join("main.tf"), CONFIGURATION)?;
    let (ours, theirs) = (Account::at_aws_rates(home.path())?, Account::at_aws_rates(home.path())?);
    let plugins = format!("-plugin-dir={}", mirror.display());
    terraform(home.path(), &theirs, &["init", &plugins])?;
    let mut last = None;
    for (word, what, words) in [
        ("apply", "make", &["apply", "-auto-approve"] as &[&str]),
        ("plan", "look again, nothing to do:", &["plan", "-detailed-exitcode"]),
    ] {
        for (who, account) in [("ivs-apply", &ours), ("Terraform's AWS provider", &theirs)] {
            account.count_anew()?;
            let cost = if who == "ivs-apply" {
                paced(home.path(), account, word)?
            } else {
                let cost = terraform(home.path(), account, words)?;
                last = Some(cost.wall);
                cost
            };
            let what = format!("{what} {} channels: {who}", thousands(COUNT));
            table.push(Row::of(what, figures(account, &cost)?));
        }
    }
    Ok(last)
}

fn figures(account: &Account, cost: &Cost) -> io::Result<String> {
    let (calls, throttled) = account.calls()?;
    Ok(format!(
        "{}, {}; {} calls, {throttled} of them throttled, lower bound {:.1} s",
        time(cost.wall),
        beside(cost),
        calls.values().sum::<u64>(),
        PUBLISHED_RATES.least_seconds(&calls)
    ))
}

fn terraform(home: &Path, account: &Account, words: &[&str]) -> io::Result<Cost> {
    let mut command = Command::new("terraform");
    command.args(words).args(["-no-color", "-input=false"]).current_dir(home);
    command.env("CHECKPOINT_DISABLE", "1").env("TF_VAR_endpoint", account.url());
    command.env("TF_VAR_channels", COUNT.to_string());
    run(&mut command)
}

/// A folder with the provider.
fn mirror() -> Option<PathBuf> {
    let named = std::env::var_os("TERRAFORM_MIRROR").map(PathBuf::from);
    let inside = |place: &str| std::fs::read_dir(place).into_iter().flatten().flatten();
    let usual = USUAL.iter().flat_map(|it| inside(it)).map(|it| it.path());
    let places: Vec<PathBuf> = named.map_or_else(|| usual.collect(), |it| vec![it]);
    places.into_iter().find(|it| it.join("registry.terraform.io/hashicorp/aws").is_dir())
}

/// The same channels.
const CONFIGURATION: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "channels" { type = number }

provider "aws" {
  region                      = "us-west-2"
  access_key                  = "AKIDEMULATOR"
  secret_key                  = "secret"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    ivs = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_ivs_channel" "all" {
  count = var.channels
  name  = "c${count.index}"
  tags  = { number = count.index }
}
"#;
