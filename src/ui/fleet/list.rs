//! The targets of a fleet, their queues and their shards, before anything runs.

use super::CAP;
use crate::fleet::{Dealt, Fault, Fleet, Shard};
use crate::ui::ci::output_line;
use crate::ui::escape::escape;
use anstyle::AnsiColor;
use serde_json::{Value, json};
use std::fmt::Write;

/// Version of the document of `fleet list --format json`.
const FORMAT_VERSION: &str = "1.0";

/// A fleet and how it is dealt to shards.
#[derive(Debug)]
pub struct Listed<'a> {
    /// The targets.
    pub fleet: &'a Fleet,
    /// The shards, where they were asked for.
    pub dealt: Option<&'a Dealt>,
}

impl Listed<'_> {
    /// The shards that have something to do.
    fn shards(&self) -> Vec<(Shard, usize)> {
        let Some(dealt) = self.dealt else { return Vec::new() };
        let count = dealt.sizes.len();
        let sizes = dealt.sizes.iter().copied().enumerate();
        let all = sizes.map(|(index, size)| (Shard { index, count }, size));
        // What could not be read is told of by the first shard.
        let unread = !self.fleet.unread.is_empty();
        all.filter(|(it, size)| *size > 0 || (it.index == 0 && unread)).collect()
    }
}

/// For a terminal.
pub fn list_text(listed: &Listed<'_>) -> String {
    let Listed { fleet, dealt } = listed;
    let (targets, queues) = (fleet.targets.len(), fleet.queues().len());
    let (s, q) = (plural(targets, "target"), plural(queues, "queue"));
    let mut text = format!("{targets} {s} in {queues} {q} of account and region\n");
    let red = AnsiColor::Red.on_default();
    for it in &fleet.targets {
        let stack = it.stack.as_deref().unwrap_or(&it.manifests);
        let _ = write!(
            text,
            "  wave {}  {}  {}  {}",
            it.wave,
            escape(&it.queue.to_string(), 100),
            escape(&it.name, 100),
            escape(stack, 200)
        );
        if let Some(dealt) = dealt {
            let shard = Shard { index: dealt.shards[&it.queue], count: dealt.sizes.len() };
            let _ = write!(text, "  shard {shard}");
        }
        if let Some(fault) = &it.fault {
            let _ = write!(text, "  {red}{}{red:#}", faulty(fault));
        }
        text.push('\n');
    }
    for it in &fleet.unread {
        let name = it.name.as_deref().map(|it| format!(" {}", escape(it, 100))).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {red}invalid{red:#}{name}  {}: {}",
            escape(&it.place, 400),
            escape(&it.message, CAP)
        );
        if let Some(help) = &it.help {
            let _ = writeln!(text, "    help: {}", escape(help, CAP));
        }
    }
    text
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn faulty(fault: &Fault) -> String {
    let (what, others) = match fault {
        Fault::SameName(places) => ("the same name", places),
        Fault::SameStack(names) => ("the same account, region and stack", names),
    };
    let others: Vec<String> = others.iter().map(|it| escape(it, 200)).collect();
    format!("duplicate: {what} as {}", others.join(", "))
}

/// For programs.
pub fn list_json(listed: &Listed<'_>) -> String {
    let Listed { fleet, dealt } = listed;
    let shard = |queue| {
        dealt.map(|it| Shard { index: it.shards[queue], count: it.sizes.len() }.to_string())
    };
    let targets: Vec<Value> = fleet
        .targets
        .iter()
        .map(|it| {
            let (code, others) = match &it.fault {
                Some(Fault::SameName(places)) => (Some("sameName"), places.as_slice()),
                Some(Fault::SameStack(names)) => (Some("sameStack"), names.as_slice()),
                None => (None, &[][..]),
            };
            json!({
                "name": it.name, "target": it.reference(), "place": it.place, "wave": it.wave,
                "account": it.queue.account, "region": it.queue.region, "stack": it.stack,
                "manifests": it.manifests, "labels": it.labels, "shard": shard(&it.queue),
                "fault": code, "others": others,
            })
        })
        .collect();
    let queues: Vec<Value> = fleet
        .queues()
        .into_iter()
        .map(|(queue, targets)| {
            json!({
                "account": queue.account, "region": queue.region, "targets": targets.len(),
                "shard": shard(queue),
            })
        })
        .collect();
    let unread: Vec<Value> = fleet
        .unread
        .iter()
        .map(|it| {
            json!({ "place": it.place, "name": it.name, "message": it.message, "help": it.help })
        })
        .collect();
    let document = json!({
        "formatVersion": FORMAT_VERSION, "targets": targets, "queues": queues,
        "waves": fleet.waves(), "invalid": unread,
    });
    crate::ui::escape::json(&format!("{document:#}\n"))
}

/// Lines for `$GITHUB_OUTPUT`: a matrix of the shards that have something to do, and what decides whether a job runs at
/// all, since a matrix without a job is an error.
pub fn list_github(listed: &Listed<'_>) -> String {
    let include: Vec<Value> = listed
        .shards()
        .into_iter()
        .map(|(shard, size)| {
            json!({ "shard": shard.to_string(), "index": shard.index, "targets": size })
        })
        .collect();
    let (fleet, shards) = (listed.fleet, include.len());
    let lines = [
        ("matrix", json!({ "include": include }).to_string()),
        ("shards", shards.to_string()),
        ("targets", fleet.targets.len().to_string()),
        ("invalid", fleet.unread.len().to_string()),
        ("waves", json!(fleet.waves()).to_string()),
    ];
    lines.iter().map(|(name, value)| output_line(name, value)).collect()
}
