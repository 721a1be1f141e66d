//! How fast and how large, as one Markdown table: `cargo bench --bench table` measures and prints it, and with
//! `-- --all` writes it as `benches/README.md`.
//!
//! The rows that take minutes are measured with `-- --long` (a thousand channels at AWS's rates) and
//! `-- --terraform` (the same work by Terraform's AWS provider, where the two are at hand), `-- --fleet` (drift of a hundred
//! targets) and `-- --build` (a cold build, six times); a row that was not measured says so.
//! `-- --before FILE` puts the figures of an earlier table beside those of this one. Nothing here is an assertion about
//! time: tests count calls.
#![expect(clippy::print_stderr, reason = "it shows its progress")]

mod account;
mod fleet;
mod process;
mod rows;
mod terraform;
mod work;

use rows::{Row, Table};
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, count, ..] = words.as_slice()
        && word == work::PLAN_ONLY
    {
        // This very program again, as a process whose memory can be looked at.
        return work::plan_only(count);
    }
    // Cargo adds `--bench`.
    let known = ["--bench", "--all", "--build", "--long", "--terraform", "--fleet", "--before"];
    let is_file = |at: usize| at > 0 && words[at - 1] == "--before";
    if let Some((_, word)) =
        words.iter().enumerate().find(|(at, word)| !is_file(*at) && !known.contains(&word.as_str()))
    {
        let known = known[1..].join(", ");
        return Err(io::Error::other(format!("unknown argument `{word}`; there are {known}")));
    }
    let wanted = |word: &str| words.iter().any(|it| it == word || it == "--all");
    let before = words.iter().skip_while(|it| *it != "--before").nth(1);
    let mut table = match before {
        Some(file) => Table::beside(Path::new(file))?,
        None => Table::default(),
    };
    work::size(&mut table)?;
    if wanted("--build") {
        work::cold_build(&mut table)?;
    } else {
        table.push(Row::left_out("cold `cargo build`", "not run, `-- --build` runs it"));
    }
    work::cold_start(&mut table)?;
    work::validate(&mut table)?;
    work::pure_plan(&mut table)?;
    work::at_aws_rates(&mut table, 100)?;
    if wanted("--long") {
        work::at_aws_rates(&mut table, 1_000)?;
    } else {
        table.push(Row::left_out("1,000 channels at AWS's rates", "not run, `-- --long` runs it"));
    }
    let of_terraform = if wanted("--terraform") {
        terraform::side_by_side(&mut table)?
    } else {
        let what = "100 channels by Terraform's AWS provider";
        table.push(Row::left_out(what, "not run, `-- --terraform` runs it"));
        None
    };
    if wanted("--fleet") {
        fleet::drift(&mut table, of_terraform)?;
    } else {
        table.push(Row::left_out("`fleet drift` of 100 targets", "not run, `-- --fleet` runs it"));
    }
    if wanted("--all") { table.write() } else { table.print() }
}
