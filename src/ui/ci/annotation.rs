//! Findings as workflow commands of GitHub Actions: `::error file=…,line=…,title=…::message`.
//!
//! GitHub shows at most ten errors and ten warnings of one step. What does not fit is told by count.

use super::super::escape::escape;
use super::Folders;
use super::finding::{Finding, Level};
use std::fmt::Write;

/// How many annotations of one level GitHub shows of one step.
const MOST: usize = 10;

/// The lines for findings that are sorted by importance.
pub(super) fn lines(findings: &[Finding], command: &str, folders: &Folders) -> String {
    let mut text = String::new();
    let mut more = Vec::new();
    for (level, word) in [(Level::Error, "error"), (Level::Warning, "warning")] {
        let mut of_it = findings.iter().filter(|it| it.level == level);
        for finding in of_it.by_ref().take(MOST) {
            text.push_str(&line(word, finding, folders));
        }
        match of_it.count() {
            0 => {}
            1 => more.push(format!("1 {word}")),
            many => more.push(format!("{many} {word}s")),
        }
    }
    if !more.is_empty() {
        let _ = writeln!(
            text,
            "::notice title=ivs-apply {command}::{} more: GitHub shows at most {MOST} of a kind for one step, and \
             the summary of the step has the rest",
            more.join(" and ")
        );
    }
    text
}

fn line(word: &str, finding: &Finding, folders: &Folders) -> String {
    let mut properties = Vec::new();
    if let Some(at) = finding.at.as_ref().filter(|it| !it.is_piped) {
        let file = escape(&folders.within_repository(&at.file), 1_000);
        properties.push(format!("file={}", property(&file)));
        properties.push(format!("line={}", at.line));
        properties.extend(at.column.map(|it| format!("col={it}")));
    }
    if !finding.title.is_empty() {
        properties.push(format!("title={}", property(&finding.title)));
    }
    let properties =
        if properties.is_empty() { String::new() } else { format!(" {}", properties.join(",")) };
    let message: Vec<&str> =
        std::iter::once(&finding.message).chain(&finding.more).map(String::as_str).collect();
    format!("::{word}{properties}::{}\n", data(&message.join("\n")))
}

/// A message in the form in which a command is read.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, in which the signs between properties are written in another way as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Check, Located};
    use super::*;
    use crate::diag::Code;

    fn finding(level: Level, message: &str) -> Finding {
        Finding {
            level,
            check: Check::Manifest(Code::WrongType),
            subject: String::new(),
            title: "E1 a,b:c".to_owned(),
            message: message.to_owned(),
            more: vec!["help: 100%".to_owned()],
            at: Some(Located {
                file: "a,b:c%.yaml".to_owned(),
                is_piped: false,
                line: 3,
                column: Some(7),
            }),
            is_repeated: false,
        }
    }

    #[test]
    fn no_value_ends_its_property_its_message_or_its_line() {
        let lines =
            lines(&[finding(Level::Error, "x::y\n::warning::z\r")], "plan", &Folders::default());
        assert_eq!(
            lines,
            "::error file=a%2Cb%3Ac%25.yaml,line=3,col=7,title=E1 a%2Cb%3Ac::x::y%0A::warning::z%0D%0Ahelp: 100%25\n"
        );
    }

    #[test]
    fn what_github_would_not_show_is_counted_in_one_notice() {
        let all: Vec<Finding> = (0..25)
            .map(|it| finding(if it < 12 { Level::Error } else { Level::Warning }, "x"))
            .collect();
        let lines = lines(&all, "plan", &Folders::default());
        assert_eq!(lines.matches("::error ").count(), 10);
        assert_eq!(lines.matches("::warning ").count(), 10);
        assert!(
            lines
                .lines()
                .last()
                .unwrap()
                .starts_with("::notice title=ivs-apply plan::2 errors and 3 warnings more: ")
        );
    }
}
