//! The numbers that `docs/why.md` tells are those of the last measurement, `benches/README.md`.

use crate::golden::root;
use regex::Regex;

/// The rows of the page, and for each column the row of the measurement that it is from.
const ROWS: [(&str, [&str; 2]); 3] = [
    (
        "create 100 channels",
        ["make 100 channels: ivs-apply", "make 100 channels: Terraform's AWS provider"],
    ),
    (
        "look again, nothing to do",
        [
            "look again, nothing to do: 100 channels: ivs-apply",
            "look again, nothing to do: 100 channels: Terraform's AWS provider",
        ],
    ),
    (
        "look again at 1,000 channels in each of 100 accounts, 64 accounts at a time",
        [
            "`fleet drift` of 100 targets with 1000 channels each, `--parallel 64`",
            "the same by Terraform's AWS provider, 64 at a time",
        ],
    ),
];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the row of a table that begins with a name.
fn cells<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let beginning = format!("| {name} |");
    let row = text.lines().find(|it| it.starts_with(&beginning));
    let row = row.unwrap_or_else(|| panic!("there is no row `{name}`"));
    row.trim_matches('|').split('|').map(str::trim).skip(1).collect()
}

/// A time in seconds of a measurement, as the page rounds it.
fn seconds(measured: &str) -> Vec<String> {
    let time = Regex::new(r"([0-9.]+) (ms|s)\b").expect("a pattern");
    let text = |it: regex::Captures<'_>| {
        let number: f64 = it[1].parse().expect("a number");
        if &it[2] == "ms" { format!("{:.2} s", number / 1000.0) } else { format!("{} s", &it[1]) }
    };
    time.captures_iter(measured).map(text).collect()
}

#[test]
fn the_numbers_of_the_page_about_why_are_those_of_the_last_measurement() {
    let (page, measured) = (read("docs/why.md"), read("benches/README.md"));
    let told = Regex::new(r"([0-9.,]+) (s|calls|throttled|MiB|minutes)\b").expect("a pattern");
    let mut compared = 0;
    for (name, sources) in ROWS {
        for (cell, source) in cells(&page, name).into_iter().zip(sources) {
            let row = cells(&measured, source)[0];
            for number in told.captures_iter(cell) {
                let value = number[1].replace(',', "");
                let is_measured = match &number[2] {
                    "s" if cell.contains("computed") => {
                        // The time that it is computed from.
                        let plan = cells(&measured, ROWS[1].1[1])[0];
                        seconds(plan).contains(&format!("{value} s"))
                    }
                    "s" => seconds(row).contains(&format!("{value} s")),
                    "minutes" => {
                        let minutes: f64 = value.parse().expect("a number");
                        let of_row = seconds(row)[0].replace(" s", "").parse::<f64>();
                        (of_row.expect("a number") / 60.0 - minutes).abs() < 0.5
                    }
                    "throttled" => [" of them throttled", " throttled"]
                        .iter()
                        .any(|it| row.contains(&format!(" {value}{it}"))),
                    unit => row.contains(&format!(" {value} {unit}")),
                };
                assert!(is_measured, "`{}` of `{name}` is not in: {row}", &number[0]);
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared} numbers are compared");
    let calls = Regex::new("1,000 channels take ([0-9]+) calls").expect("a pattern");
    let calls = &calls.captures(&page).expect("the page tells them")[1];
    let row = cells(&measured, "plan of 1,000 channels at AWS's rates")[0];
    assert!(row.contains(&format!(" {calls} calls")), "{row}");
}
