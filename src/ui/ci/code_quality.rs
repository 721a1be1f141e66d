//! Findings as a Code Quality report of GitLab: a JSON list.

use super::super::escape;
use super::Folders;
use super::finding::{Check, Finding, Level, Located, NO_FILE};
use crate::kinds::CHECK;
use crate::plan::Attention;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One finding. The order of its members is that of the file, which is recognised by its beginning.
#[derive(Serialize)]
struct Entry {
    check_name: String,
    description: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

/// The report. A finding that is in no manifest stands at the first line of `first`, the first file that was read, or of
/// what stands for no file; why a run did not do its work is no matter of code, and is left to the job.
pub(super) fn text(findings: &[Finding], first: Option<&str>, folders: &Folders) -> String {
    let file = first.unwrap_or(NO_FILE).to_owned();
    let first = Located { file, is_piped: first.is_none(), line: 1, column: None };
    let mut known: BTreeMap<[String; 3], usize> = BTreeMap::new();
    let of_code = findings.iter().filter(|it| it.check != Check::Run);
    let entries = of_code.map(|finding| {
        let at = finding.at.as_ref().unwrap_or(&first);
        let check_name = format!("{CHECK}{}", finding.check.name());
        let path = match at.file.as_str() {
            NO_FILE if at.is_piped => NO_FILE.to_owned(),
            file => folders.within_repository(file),
        };
        let path = escape::escape(&path, 1_000);
        // The same mistake in one file several times is told apart by its order.
        let key = [check_name.clone(), path.clone(), finding.subject.clone()];
        let count = known.entry(key.clone()).and_modify(|it| *it += 1).or_default();
        let fingerprint = fingerprint(&key, *count);
        let texts = [&finding.title, &finding.message].into_iter().chain(&finding.more);
        let texts: Vec<&str> = texts.map(String::as_str).filter(|it| !it.is_empty()).collect();
        let description = match texts.split_first() {
            Some((title, rest)) if !rest.is_empty() => format!("{title}: {}", rest.join("; ")),
            _ => texts.concat(),
        };
        let location = Location { path, lines: Lines { begin: at.line } };
        let severity = severity(finding);
        Entry { check_name, description, fingerprint, severity, location }
    });
    let entries: Vec<Entry> = entries.collect();
    let text = serde_json::to_string_pretty(&entries).expect("texts and numbers are JSON");
    escape::json(&format!("{text}\n"))
}

/// The same for the same finding in each run: neither the line nor what changes by the minute is a part of it.
fn fingerprint(key: &[String; 3], count: usize) -> String {
    let mut hash = Sha256::new();
    for part in key {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(count.to_string());
    let bytes: Vec<String> = hash.finalize().iter().map(|it| format!("{it:02x}")).collect();
    bytes.concat()
}

fn severity(finding: &Finding) -> &'static str {
    match (finding.check, finding.level) {
        (Check::Drift(Attention::Live), _)
        | (Check::Step(_) | Check::NotAllowed(_), Level::Error) => "critical",
        (Check::Drift(_), _) | (_, Level::Error) => "major",
        (_, Level::Warning) => "minor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;
    use crate::kinds::is_code_quality;

    fn finding(subject: &str, line: usize) -> Finding {
        Finding {
            level: Level::Error,
            check: Check::Manifest(Code::WrongType),
            subject: subject.to_owned(),
            title: "E1".to_owned(),
            message: "wrong".to_owned(),
            more: Vec::new(),
            at: Some(Located { file: "./a.yaml".to_owned(), is_piped: false, line, column: None }),
            is_repeated: false,
        }
    }

    #[test]
    fn a_fingerprint_is_unique_in_its_report_and_does_not_depend_on_the_line() {
        let report = |lines: [usize; 3]| {
            let all = [finding("x", lines[0]), finding("x", lines[1]), finding("y", lines[2])];
            let text = text(&all, None, &Folders::default());
            assert!(is_code_quality(&text), "{text}");
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let prints = value.as_array().unwrap().iter().map(|it| it["fingerprint"].clone());
            assert_eq!(value[0]["location"]["path"], "a.yaml");
            assert_eq!(value[0]["location"]["lines"]["begin"], lines[0]);
            prints.collect::<Vec<_>>()
        };
        let (one, other) = (report([1, 2, 3]), report([5, 60, 700]));
        assert_eq!(one, other);
        assert!(one[0] != one[1] && one[1] != one[2] && one[0] != one[2], "{one:?}");
    }

    #[test]
    fn a_report_without_findings_is_an_empty_list() {
        assert_eq!(text(&[], None, &Folders::default()), "[]\n");
    }
}
