//! What is left of a run that did not do everything.

use super::results::{Results, Row, Run};
use super::targets::Entry;
use std::collections::BTreeMap;

/// In what a run differs from the one that it is to resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Another command.
    Command,
    /// Other flags for each target.
    Arguments,
    /// Other labels, or another wave.
    Selection,
    /// Another part.
    Shard,
}

/// The results of the run before that still hold, by what `--target` takes: of targets that are done, and whose document
/// has not changed since. Everything else is left to do.
pub fn left<'a>(
    now: &Run,
    targets: &'a [Entry],
    before: &Results,
) -> Result<(Vec<&'a Entry>, BTreeMap<String, Row>), Difference> {
    for run in &before.runs {
        let differences = [
            (run.command != now.command, Difference::Command),
            (run.arguments != now.arguments, Difference::Arguments),
            (run.selected != now.selected, Difference::Selection),
            (run.shard != now.shard, Difference::Shard),
        ];
        if let Some((_, difference)) = differences.into_iter().find(|(differs, _)| *differs) {
            return Err(difference);
        }
    }
    let done = before.targets.iter().filter(|it| it.outcome.is_done());
    let done: BTreeMap<(&str, &str), &Row> =
        done.filter_map(|it| Some(((it.target.as_deref()?, it.digest.as_deref()?), it))).collect();
    let mut kept = BTreeMap::new();
    let mut left = Vec::new();
    for it in targets.iter().filter(|it| it.fault.is_none()) {
        let reference = it.reference();
        let row = done.get(&(reference.as_str(), it.digest.as_str())).copied().cloned();
        match row {
            Some(row) => drop(kept.insert(reference, Row { run: 0, kept: true, ..row })),
            None => left.push(it),
        }
    }
    Ok((left, kept))
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::super::results::tests::{row, run};
    use super::super::targets::tests::entry;
    use super::*;

    #[test]
    fn what_is_done_is_kept_unless_its_document_has_changed() {
        let outcomes = [
            ("a", Outcome::Clean),
            ("b", Outcome::Failed),
            ("c", Outcome::NotStarted),
            ("d", Outcome::Refused),
            ("e", Outcome::Changes),
            ("f", Outcome::Clean),
        ];
        let rows = outcomes.iter().map(|(name, it)| row(name, *it, 1)).collect();
        let before = Results::new(run("apply", 1), rows);
        let mut targets: Vec<Entry> =
            ["a", "b", "c", "d", "e", "f", "new"].iter().map(|it| entry(it, 1, 1)).collect();
        targets[5].digest = "changed".to_owned();
        let (left, kept) = super::left(&run("apply", 2), &targets, &before).expect("the same run");
        let left: Vec<&str> = left.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(left, ["b", "c", "d", "f", "new"]);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["targets.yaml#a", "targets.yaml#e"]);
        assert!(kept.values().all(|it| it.kept));
    }

    #[test]
    fn another_run_is_not_resumed() {
        let before = Results::new(run("apply", 1), Vec::new());
        let differs = |now: Run| left(&now, &[], &before).expect_err("another run");
        assert_eq!(differs(run("plan", 2)), Difference::Command);
        let arguments = vec!["--prune".to_owned()];
        assert_eq!(differs(Run { arguments, ..run("apply", 2) }), Difference::Arguments);
        let mut wave = run("apply", 2);
        wave.selected.wave = Some(1);
        assert_eq!(differs(wave), Difference::Selection);
        let shard = Some("0/3".to_owned());
        assert_eq!(differs(Run { shard, ..run("apply", 2) }), Difference::Shard);
    }
}
