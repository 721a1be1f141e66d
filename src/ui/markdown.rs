//! A plan as a comment on a pull request.
//!
//! Everything from manifests and AWS is in code spans or fences, each longer than any run of backticks
//! inside, so that no value can be a heading, a link, an image or a mention.

use super::changed_lines::changed_lines;
use super::escape::escape;
use super::notes::notes;
use super::plan::{Header, because, calls, sum, verdict};
use super::reason::{self, on_air};
use crate::aws::{Identity, SignedIn};
use crate::plan::Plan;
use std::fmt::Write;

/// The longest comment that GitHub takes has 65,536 characters; others take more.
pub(super) const LONGEST: usize = 60_000;

/// A plan in Markdown.
pub fn text(plan: &Plan, header: &Header<'_>) -> String {
    let short = written(plan, header, false);
    let whole = written(plan, header, true);
    if whole.chars().count() <= LONGEST {
        return whole;
    }
    whole_lines(short, LONGEST, "The rest does not fit into a comment; `ivs-apply plan` shows it.")
}

/// As many whole lines as fit, and `rest` as the last one if some do not: a part of a line could be a part of a code
/// span.
pub(super) fn whole_lines(text: String, most: usize, rest: &str) -> String {
    if text.chars().count() <= most {
        return text;
    }
    let mut text: String = text.chars().take(most).collect();
    text.truncate(text.rfind('\n').map_or(0, |it| it + 1));
    text.push_str(&format!("\n{rest}\n"));
    text
}

fn written(plan: &Plan, header: &Header<'_>, with_details: bool) -> String {
    let mut text =
        format!("### Plan for stack {} in {}\n\n", span(&header.stack.name), span(header.region));
    if let Some(endpoint) = header.endpoint {
        let _ = writeln!(text, "At endpoint {}\n", span(endpoint));
    }
    if let Some(identity) = header.identity {
        let _ = writeln!(text, "{}\n", identified(identity));
    }
    let _ = writeln!(text, "**{}**\n\n{}\n", sum(&plan.summary()), calls(plan, header));
    for step in &plan.steps {
        let verdict = verdict(step.action, step.decision.saved());
        let address = span(&step.address.to_string());
        let _ = writeln!(text, "- {address} **{verdict}**: {}", span(&because(step)));
        if let Some(why) = step.decision.reason() {
            let _ = writeln!(text, "  - {}", span(&reason::text(why)));
        } else if let Some(audience) = &step.impact {
            let _ = writeln!(text, "  - impact: {}", span(&on_air(audience)));
        }
        if let Some(loss) = step.loss() {
            let _ = writeln!(text, "  - note: {}", span(loss));
        }
    }
    for note in notes(plan) {
        let _ = writeln!(text, "- note: {}", span(&note.sentence));
        for object in note.objects {
            let _ = writeln!(text, "  - {}", span(&object));
        }
    }
    if !with_details {
        return text;
    }
    let mut diff = String::new();
    for step in &plan.steps {
        let lines = changed_lines(step);
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(diff, "# {}", escape(&step.address.to_string(), 200));
        for line in lines {
            let _ = writeln!(diff, "{}", line.plain());
        }
    }
    if !diff.is_empty() {
        let fence = "`".repeat(longest_run(&diff).max(2) + 1);
        let _ = write!(
            text,
            "\n<details><summary>Details</summary>\n\n{fence}diff\n{diff}{fence}\n\n</details>\n"
        );
    }
    text
}

/// The account, and who is signed in.
pub(super) fn identified(identity: &SignedIn) -> String {
    match identity {
        SignedIn::Known(Identity { account, caller: Some(caller) }) => {
            format!("Account {}, signed in as {}", span(account), span(caller))
        }
        SignedIn::Known(Identity { account, caller: None }) => format!("Account {}", span(account)),
        SignedIn::Unknown(why) => format!("Account unknown: {}", span(why)),
    }
}

/// Text that came from outside, on one line, in a code span that it cannot leave.
pub(super) fn span(text: &str) -> String {
    let text = escape(text, 600);
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad =
        if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

fn longest_run(text: &str) -> usize {
    text.split(|it| it != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_code_span() {
        assert_eq!(span("plain"), "`plain`");
        assert_eq!(span("a`b"), "``a`b``");
        assert_eq!(span("``"), "``` `` ```");
        assert_eq!(span(""), "`  `");
        assert_eq!(span("a\n# b"), "`a\\u{a}# b`");
    }
}
