//! From the documents of `-f` to a fleet.

use super::super::failure::Failure;
use crate::cli::Global;
use crate::fleet::{Entry, Fleet, Queue, Unread};
use crate::manifest::target::{BrokenTarget, Target, targets};
use std::path::Path;

/// All targets of the files and folders, and what should be one and is not.
pub(super) fn fleet(global: &Global) -> Result<Fleet, Failure> {
    let paths = global.paths();
    let (mut entries, mut unread) = (Vec::new(), Vec::new());
    for it in targets(&paths) {
        match it {
            Ok(target) => entries.push(entry(target)),
            Err(broken) => unread.push(of_broken(&broken)),
        }
    }
    let fleet = Fleet::new(entries, unread);
    if fleet.is_empty() {
        let names: Vec<String> = paths.iter().map(|it| format!("`{}`", it.display())).collect();
        let message = format!("there is no document of kind Target in {}", names.join(", "));
        return Err(
            Failure::error(message).help("name the files or folders that have them with `-f`")
        );
    }
    Ok(fleet)
}

fn entry(target: Target) -> Entry {
    let manifests = target.manifests();
    Entry {
        file: shown(&target.place.file),
        place: target.place.to_string(),
        name: target.name,
        labels: target.labels,
        queue: Queue { account: target.spec.account, region: target.spec.region },
        stack: target.spec.stack,
        manifests: shown(&manifests),
        wave: target.spec.wave,
        digest: target.digest,
        fault: None,
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn of_broken(broken: &BrokenTarget) -> Unread {
    let first = broken.first();
    Unread {
        place: broken.place().to_string(),
        name: broken.name.clone(),
        message: first.map(|it| it.message.clone()).unwrap_or_default(),
        help: first.and_then(|it| it.help.clone()),
    }
}
