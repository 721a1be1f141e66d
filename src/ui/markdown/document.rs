//! A comment in parts, so that one that is too long loses what matters least, in whole parts, and says what it lost.

use super::longest_run;
use std::fmt::Write;

/// What a reader misses if a part is left out, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ui) enum Weight {
    /// What went wrong.
    Error,
    /// An audience is cut off.
    Audience,
    /// The whole run is refused because of it.
    Blocked,
    /// A note of the plan.
    Note,
    /// Something was changed outside.
    Drift,
    /// Something is deleted, by a delete or a replacement.
    Loss,
    /// Something waits.
    Deferred,
    /// A warning about a manifest.
    Warning,
    /// Something is changed.
    Update,
    /// Something is taken over or renamed.
    Adopt,
    /// Something is made.
    Create,
    /// Nothing is done.
    Quiet,
}

/// From here on lists are cut before the differences of what weighs more.
const LIGHT: Weight = Weight::Adopt;

/// One resource, or one error.
#[derive(Clone, Debug, Default)]
pub(in crate::ui) struct Item {
    /// Whole lines of Markdown.
    pub(in crate::ui) lines: String,
    /// Whole plain lines that say more, for the fold at the end.
    pub(in crate::ui) details: String,
}

/// Items under one heading.
#[derive(Clone, Debug)]
pub(in crate::ui) struct Group {
    /// Its heading.
    pub(in crate::ui) heading: &'static str,
    /// How much it matters.
    pub(in crate::ui) weight: Weight,
    /// Whether its items are folded, whatever room there is.
    pub(in crate::ui) is_folded: bool,
    /// What is in it.
    pub(in crate::ui) items: Vec<Item>,
}

impl Group {
    pub(in crate::ui) fn new(heading: &'static str, weight: Weight, items: Vec<Item>) -> Self {
        Self { heading, weight, is_folded: false, items }
    }
}

/// A comment.
#[derive(Clone, Debug)]
pub struct Document {
    /// The command and the stack, by which a later comment of the same sort is found.
    pub(in crate::ui) of: (String, String),
    /// Whole lines of Markdown that are always there: the title, the sum, what went wrong.
    pub(in crate::ui) head: String,
    /// What it has, in the order in which it is shown.
    pub(in crate::ui) groups: Vec<Group>,
}

/// The line that a comment begins with, the same for each run of one command on one stack.
fn marker(command: &str, stack: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    let stack: String = stack.chars().take(63).map(|it| if plain(it) { it } else { '_' }).collect();
    format!("<!-- ivs-apply:{command}:{stack} -->\n")
}

/// The longest line that says how many items of a group are left out.
const MORE: usize = 60;
/// The most that the heading of a group has beside its words.
const HEADING: usize = 70;
/// What stands around the details, their fences aside, and the line that says how many are left out.
const FOLD: usize = 200;

/// How much of a document fits.
struct Fit {
    left: usize,
    /// Of each group, how many items.
    shown: Vec<usize>,
    /// Of each group, whether the details of each item are there.
    details: Vec<Vec<bool>>,
}

impl Document {
    /// The document in at most `limit` bytes, so in at most as many characters.
    pub fn text(&self, limit: usize) -> String {
        let (command, stack) = &self.of;
        let mut text = format!("{}{}", marker(command, stack), self.head);
        let fit = self.fit(limit.saturating_sub(text.len()));
        for (group, shown) in self.groups.iter().zip(&fit.shown) {
            written(group, *shown, &mut text);
        }
        self.write_details(&fit, command, &mut text);
        // A head that is too long leaves no room for anything else.
        super::whole_lines(text, limit, "The rest does not fit.")
    }

    /// Gives the room to what matters most first.
    fn fit(&self, room: usize) -> Fit {
        let around = self.groups.iter().filter(|it| !it.items.is_empty());
        let around: usize = around.map(|it| it.heading.len() + HEADING + MORE).sum();
        let reserved = around + 2 * self.longest_fence() + FOLD;
        let mut fit = Fit {
            left: room.saturating_sub(reserved),
            shown: vec![0; self.groups.len()],
            details: self.groups.iter().map(|it| vec![false; it.items.len()]).collect(),
        };
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|it| self.groups[*it].weight);
        let (heavy, light): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|it| self.groups[*it].weight < LIGHT);
        for groups in [heavy, light] {
            for index in &groups {
                self.fit_lines(*index, &mut fit);
            }
            for index in &groups {
                self.fit_details(*index, &mut fit);
            }
        }
        fit
    }

    fn fit_lines(&self, index: usize, fit: &mut Fit) {
        let group = &self.groups[index];
        for item in &group.items {
            if item.lines.len() > fit.left {
                // What matters less must not take the room instead.
                fit.left = 0;
                return;
            }
            fit.left -= item.lines.len();
            fit.shown[index] += 1;
        }
    }

    fn fit_details(&self, index: usize, fit: &mut Fit) {
        let items = self.groups[index].items.iter().take(fit.shown[index]);
        for (item, shown) in items.zip(&mut fit.details[index]) {
            if item.details.len() <= fit.left {
                fit.left -= item.details.len();
                *shown = true;
            }
        }
    }

    fn longest_fence(&self) -> usize {
        let items = self.groups.iter().flat_map(|it| &it.items);
        items.map(|it| longest_run(&it.details)).max().unwrap_or(0).max(2) + 1
    }

    fn write_details(&self, fit: &Fit, command: &str, text: &mut String) {
        let all = self.groups.iter().zip(&fit.details);
        let all = all.flat_map(|(group, shown)| group.items.iter().zip(shown));
        let (mut details, mut left_out) = (String::new(), 0);
        for (item, shown) in all.filter(|(item, _)| !item.details.is_empty()) {
            if *shown {
                details.push_str(&item.details);
            } else {
                left_out += 1;
            }
        }
        if !details.is_empty() {
            let fence = "`".repeat(longest_run(&details).max(2) + 1);
            let _ = write!(
                text,
                "\n<details><summary>Details</summary>\n\n{fence}diff\n{details}{fence}\n\n</details>\n"
            );
        }
        if left_out > 0 {
            let s = if left_out == 1 { "" } else { "s" };
            let _ = writeln!(
                text,
                "\nDetails of {left_out} resource{s} do not fit; `ivs-apply {command}` shows them."
            );
        }
    }
}

fn written(group: &Group, shown: usize, text: &mut String) {
    if group.items.is_empty() {
        return;
    }
    let Group { heading, is_folded, items, .. } = group;
    let count = items.len();
    if *is_folded {
        let _ = write!(text, "\n<details><summary>{heading}: {count}</summary>\n\n");
    } else {
        let _ = write!(text, "\n#### {heading}: {count}\n\n");
    }
    for item in &items[..shown] {
        text.push_str(&item.lines);
    }
    match count - shown {
        0 => {}
        1 => text.push_str("- … and 1 more, which does not fit\n"),
        more => {
            let _ = writeln!(text, "- … and {more} more, which do not fit");
        }
    }
    if *is_folded {
        text.push_str("\n</details>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize, word: &str) -> Vec<Item> {
        let item = |it| Item {
            lines: format!("- `{word}-{it} 東京🎥`\n"),
            details: format!("# {word}-{it}\n+ ```` {}\n", "é".repeat(40)),
        };
        (0..count).map(item).collect()
    }

    fn document(creates: usize, deletes: usize) -> Document {
        let groups = vec![
            Group::new("Create", Weight::Create, items(creates, "create")),
            Group::new("Update", Weight::Update, items(20, "update")),
            Group::new("Delete", Weight::Loss, items(deletes, "delete")),
        ];
        Document { of: ("plan".into(), "prod".into()), head: "### Plan\n".into(), groups }
    }

    #[test]
    fn a_document_never_exceeds_its_limit_and_says_what_it_leaves_out() {
        for limit in (4_000..80_000).step_by(777) {
            for (creates, deletes) in [(0, 0), (3, 1), (2_000, 3), (10, 5_000)] {
                let text = document(creates, deletes).text(limit);
                assert!(text.len() <= limit, "{limit}: {}", text.len());
                assert!(text.starts_with("<!-- ivs-apply:plan:prod -->\n### Plan\n"), "{text}");
                assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
                assert_eq!(text.matches("\n`````").count() % 2, 0, "a fence is closed: {text}");
                for (heading, count) in [("Create", creates), ("Update", 20), ("Delete", deletes)] {
                    let is_there = text.contains(&format!("#### {heading}: {count}\n"));
                    assert_eq!(is_there, count > 0, "{limit}: {text}");
                }
                let more = text.matches(" more, which do").count();
                let all = text.matches("\n- `").count() == creates + 20 + deletes;
                assert_eq!(more == 0, all, "{limit}: {text}");
            }
        }
    }

    #[test]
    fn creates_are_left_out_before_updates_and_deletes_with_their_details() {
        let text = document(2_000, 3).text(30_000);
        for word in ["delete-0", "delete-2", "update-19"] {
            assert_eq!(text.matches(&format!("{word}\n")).count(), 1, "details of {word}: {text}");
            assert!(text.contains(&format!("- `{word} ")), "{word}");
        }
        assert!(text.contains("create-0 ") && !text.contains("create-1999"));
        assert!(text.contains("#### Create: 2000\n"));
    }

    #[test]
    fn no_name_of_a_stack_ends_the_marker() {
        assert_eq!(marker("plan", "prod.a_b-1"), "<!-- ivs-apply:plan:prod.a_b-1 -->\n");
        assert_eq!(marker("plan", "x --> <b>\n"), "<!-- ivs-apply:plan:x_--___b__ -->\n");
    }
}
