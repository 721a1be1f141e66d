//! Part of a set of manifests, or of a stack: what a person named, and what that cannot do without.
//!
//! Selecting never widens what is deleted: nothing is pruned under a selection. What is left out because of
//! `--exclude` takes along all that depends on it, so that no step ever stands on a resource that was left
//! out.

use crate::diag::suggest;
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Desired, Glob};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A glob over addresses: `Channel/*`, `*/main`, `{Stage,Composition}/show-?`.
#[derive(Clone, Debug)]
pub struct Pattern(Glob);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('/') {
            return Err(format!("write it as KIND/NAME, such as `{text}/*` or `*/{text}`"));
        }
        text.parse().map(Self)
    }
}

impl Pattern {
    /// As it was written.
    pub fn text(&self) -> &str {
        self.0.text()
    }

    fn matches(&self, address: &Address) -> bool {
        self.0.matches(&address.to_string())
    }
}

/// What a person named.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only what one of these matches; everything where there is none.
    pub only: Vec<Pattern>,
    /// Not what one of these matches, nor what depends on that.
    pub exclude: Vec<Pattern>,
    /// Only what has all of these labels.
    pub labels: Vec<(String, String)>,
}

/// The resources that a selection selects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    /// The resources that were named.
    pub chosen: BTreeSet<Address>,
    /// The resources that those refer to, directly or not.
    pub needed: BTreeSet<Address>,
    /// Named resources that depend on an excluded one.
    pub left_out: BTreeSet<Address>,
    /// How many others there are, which are left alone.
    pub others: usize,
}

impl Selected {
    /// Whether a run is about `address`.
    pub fn has(&self, address: &Address) -> bool {
        self.chosen.contains(address) || self.needed.contains(address)
    }

    /// The declared resources that must be read to plan for the selection: the selected ones; those that refer to them,
    /// since an object that is referred to cannot be deleted; and those that have a former name of a selected one, since
    /// they decide whether it is renamed.
    pub fn in_sight(&self, desired: &[Desired]) -> Vec<Desired> {
        let selected = desired.iter().filter(|it| self.has(&it.address));
        let former: BTreeSet<Address> = selected.flat_map(Desired::former).collect();
        let refers = |it: &Desired| {
            // AWS deletes such an object along with its parent, so it does not prevent the delete.
            let created_by = it.address.kind.facts().created_by;
            let mut targets = named_targets(&it.spec).into_iter();
            targets.any(|target| created_by != Some(target.kind) && self.has(&target))
        };
        let needed =
            |it: &Desired| self.has(&it.address) || former.contains(&it.address) || refers(it);
        desired.iter().filter(|it| needed(it)).cloned().collect()
    }
}

/// Why a selection selects nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nothing {
    /// What is wrong.
    pub message: String,
    /// What was meant, perhaps.
    pub help: Option<String>,
}

impl Selection {
    /// Whether nothing was named, which is everything.
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.exclude.is_empty() && self.labels.is_empty()
    }

    /// The part of a set of manifests.
    pub fn of(&self, desired: &[Desired]) -> Result<Selected, Nothing> {
        let all: BTreeSet<&Address> = desired.iter().map(|it| &it.address).collect();
        self.every_pattern_matches(&all)?;
        self.every_label_is_there(desired)?;
        let named: BTreeSet<Address> = desired
            .iter()
            .filter(|it| self.names(&it.address))
            .filter(|it| self.labels.iter().all(|(key, value)| it.labels.get(key) == Some(value)))
            .map(|it| it.address.clone())
            .collect();
        let targets: BTreeMap<&Address, Vec<Address>> =
            desired.iter().map(|it| (&it.address, named_targets(&it.spec))).collect();
        let excluded: BTreeSet<Address> =
            all.iter().filter(|it| self.excludes(it)).map(|it| (*it).clone()).collect();
        let mut sources: BTreeMap<&Address, Vec<Address>> = BTreeMap::new();
        for (from, to) in &targets {
            for target in to {
                sources.entry(target).or_default().push((*from).clone());
            }
        }
        let without = reach(&excluded, |it| sources.get(it));
        let chosen: BTreeSet<Address> = named.difference(&without).cloned().collect();
        let left_out: BTreeSet<Address> =
            named.intersection(&without).filter(|it| !excluded.contains(it)).cloned().collect();
        if chosen.is_empty() {
            let help = left_out.iter().next().map(|it| {
                let needs = reach(&BTreeSet::from([it.clone()]), |it| targets.get(it));
                let needed = needs.intersection(&excluded).next();
                match needed {
                    Some(needed) => format!("{it} needs {needed}, which is excluded"),
                    None => format!("{it} is left out"),
                }
            });
            return Err(Nothing { message: "no resource is selected".to_owned(), help });
        }
        let mut needed = reach(&chosen, |it| targets.get(it));
        needed.retain(|it| !chosen.contains(it) && all.contains(it));
        let others = all.len() - chosen.len() - needed.len();
        Ok(Selected { chosen, needed, left_out, others })
    }

    /// The selected part of the objects that a stack owns, for `destroy`. Nothing is added: an object that others
    /// still refer to stays.
    pub fn among<'a>(
        &self,
        owned: impl IntoIterator<Item = &'a Address>,
    ) -> Result<Selected, Nothing> {
        let all: BTreeSet<&Address> = owned.into_iter().collect();
        self.every_pattern_matches(&all)?;
        let chosen: BTreeSet<Address> = all
            .iter()
            .filter(|it| self.names(it) && !self.excludes(it))
            .map(|it| (*it).clone())
            .collect();
        let others = all.len() - chosen.len();
        Ok(Selected { chosen, others, ..Selected::default() })
    }

    fn names(&self, address: &Address) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| it.matches(address))
    }

    fn excludes(&self, address: &Address) -> bool {
        self.exclude.iter().any(|it| it.matches(address))
    }

    /// A pattern that matches nothing is a slip of the pen, and what it was meant to keep out would be in.
    fn every_pattern_matches(&self, all: &BTreeSet<&Address>) -> Result<(), Nothing> {
        let flags = [("--only", &self.only), ("--exclude", &self.exclude)];
        for (flag, pattern) in
            flags.iter().flat_map(|(flag, it)| it.iter().map(move |it| (flag, it)))
        {
            if all.iter().any(|it| pattern.matches(it)) {
                continue;
            }
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            let near = suggest(pattern.text(), names.iter().map(String::as_str));
            return Err(Nothing {
                message: format!("`{flag} {}` matches nothing", pattern.text()),
                help: Some(match (near, names.first()) {
                    (Some(near), _) => format!("did you mean `{near}`?"),
                    (None, Some(first)) => {
                        format!("a pattern is matched with the whole of KIND/NAME, such as {first}")
                    }
                    (None, None) => "there is nothing to select from".to_owned(),
                }),
            });
        }
        Ok(())
    }

    fn every_label_is_there(&self, desired: &[Desired]) -> Result<(), Nothing> {
        let there: BTreeSet<String> = desired
            .iter()
            .flat_map(|it| it.labels.iter().map(|(key, value)| format!("{key}={value}")))
            .collect();
        for (key, value) in &self.labels {
            let wanted = format!("{key}={value}");
            if there.contains(&wanted) {
                continue;
            }
            let near = suggest(&wanted, there.iter().map(String::as_str));
            return Err(Nothing {
                message: format!("nothing has the label `{wanted}`"),
                help: Some(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "labels are set in `metadata.labels`".to_owned(),
                }),
            });
        }
        Ok(())
    }
}

/// All that can be reached from some addresses, themselves included.
fn reach<'a>(
    from: &BTreeSet<Address>,
    next: impl Fn(&Address) -> Option<&'a Vec<Address>>,
) -> BTreeSet<Address> {
    let mut reached = from.clone();
    let mut open: Vec<Address> = from.iter().cloned().collect();
    while let Some(address) = open.pop() {
        for target in next(&address).into_iter().flatten() {
            if reached.insert(target.clone()) {
                open.push(target.clone());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::load_text;

    const SET: &str = "apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: an-archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main, labels: { team: sports, tier: gold } }
spec: { recordingConfiguration: archive }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main, labels: { team: sports } }
spec: { channel: main }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: side, labels: { team: news } }
spec: {}
";

    fn selection(only: &[&str], exclude: &[&str], labels: &[(&str, &str)]) -> Selection {
        let patterns = |texts: &[&str]| texts.iter().map(|it| it.parse().unwrap()).collect();
        Selection {
            only: patterns(only),
            exclude: patterns(exclude),
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn names(addresses: &BTreeSet<Address>) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn selected(selection: &Selection, chosen: &[&str], needed: &[&str], left_out: &[&str]) {
        let desired = load_text("set.yaml", SET, None).desired;
        let selected = selection.of(&desired).unwrap();
        assert_eq!(names(&selected.chosen), chosen);
        assert_eq!(names(&selected.needed), needed);
        assert_eq!(names(&selected.left_out), left_out);
        assert_eq!(selected.others, desired.len() - chosen.len() - needed.len());
    }

    #[track_caller]
    fn refused(selection: &Selection, message: &str, help: &str) {
        let desired = load_text("set.yaml", SET, None).desired;
        let nothing = selection.of(&desired).unwrap_err();
        assert_eq!(nothing.message, message);
        assert!(nothing.help.as_deref().unwrap_or_default().contains(help), "{nothing:?}");
    }

    #[test]
    fn what_is_selected_brings_along_what_it_needs_and_nothing_else() {
        selected(&selection(&["Channel/side"], &[], &[]), &["Channel/side"], &[], &[]);
        selected(
            &selection(&["StreamKey/*"], &[], &[]),
            &["StreamKey/main"],
            &["Channel/main", "RecordingConfiguration/archive"],
            &[],
        );
        selected(
            &selection(&["*/main", "{Stage,Channel}/s?de"], &[], &[]),
            &["Channel/main", "Channel/side", "StreamKey/main"],
            &["RecordingConfiguration/archive"],
            &[],
        );
    }

    #[test]
    fn what_is_excluded_takes_along_what_depends_on_it() {
        selected(
            &selection(&[], &["RecordingConfiguration/*"], &[]),
            &["Channel/side"],
            &[],
            &["Channel/main", "StreamKey/main"],
        );
        refused(
            &selection(&["StreamKey/main"], &["RecordingConfiguration/archive"], &[]),
            "no resource is selected",
            "StreamKey/main needs RecordingConfiguration/archive, which is excluded",
        );
    }

    #[test]
    fn labels_must_all_be_there() {
        let gold = [("team", "sports"), ("tier", "gold")];
        let archive = &["RecordingConfiguration/archive"];
        selected(&selection(&[], &[], &gold), &["Channel/main"], archive, &[]);
        selected(&selection(&[], &[], &[("team", "news")]), &["Channel/side"], &[], &[]);
        refused(&selection(&["Channel/side"], &[], &gold), "no resource is selected", "");
    }

    #[test]
    fn what_matches_nothing_is_an_error_with_a_suggestion() {
        refused(
            &selection(&["Channel/side", "Channel/mian"], &[], &[]),
            "`--only Channel/mian` matches nothing",
            "`Channel/main`",
        );
        refused(
            &selection(&[], &["Stage/*"], &[]),
            "`--exclude Stage/*` matches nothing",
            "KIND/NAME",
        );
        refused(
            &selection(&[], &[], &[("team", "sprots")]),
            "nothing has the label `team=sprots`",
            "`team=sports`",
        );
        assert!("Channel".parse::<Pattern>().unwrap_err().contains("`Channel/*`"));
        assert!("Channel/[".parse::<Pattern>().is_err());
    }

    #[test]
    fn a_star_does_not_cross_the_slash() {
        let address = Address::new(crate::kinds::Kind::Stage, "a.b");
        for (pattern, yes) in
            [("*/*", true), ("Stage/a*", true), ("S*/a.b", true), ("S*b/", false), ("*b/*", false)]
        {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(&address), yes, "{pattern}");
        }
    }
}
