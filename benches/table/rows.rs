//! The table: what was measured, what it may be, and whether it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// One line of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    what: String,
    figures: String,
    budget: String,
    verdict: String,
}

impl Row {
    /// One that has no budget.
    pub(crate) fn of(what: impl Into<String>, figures: impl Into<String>) -> Self {
        Self { what: what.into(), figures: figures.into(), ..Self::default() }
    }

    /// One that was not measured, and why.
    pub(crate) fn left_out(what: &str, why: &str) -> Self {
        Self { verdict: why.to_owned(), ..Self::of(what, "") }
    }

    /// The same with what is allowed, and whether that was kept.
    pub(crate) fn within(self, budget: impl Into<String>, kept: bool) -> Self {
        let verdict = if kept { "yes" } else { "**no**" }.to_owned();
        Self { budget: budget.into(), verdict, ..self }
    }
}

/// All lines so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// The figures of an earlier version by the work that they are of, to stand beside those of this one.
    before: Option<BTreeMap<String, String>>,
}

impl Table {
    /// A table with the figures of another table of this program, in its file, beside its own.
    pub(crate) fn beside(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let rows = text.lines().filter(|it| it.starts_with("| ")).skip(1);
        let figures = rows.filter_map(|it| {
            let mut cells = it.trim_matches('|').split(" | ").map(str::trim);
            Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
        });
        Ok(Self { before: Some(figures.collect()), ..Self::default() })
    }

    /// Adds a line, and prints it as progress.
    pub(crate) fn push(&mut self, row: Row) {
        eprintln!("{}: {} {}", row.what, row.figures, row.verdict);
        self.rows.push(row);
    }

    /// Writes `benches/README.md`, which has all rows.
    pub(crate) fn write(&self) -> io::Result<()> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/README.md");
        std::fs::write(place, self.text()?)
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        io::stdout().write_all(self.text()?.as_bytes())
    }

    fn text(&self) -> io::Result<String> {
        let cores = std::thread::available_parallelism()?;
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let mut text = format!(
            "# Measured\n\n\
             Written by `cargo bench --bench table -- --all`; do not edit. Medians, of the release build, on \
             {cores} cores, {today}.\nBudgets are the project's own. The lower bound is the least time that the calls \
             take at AWS's published rates: those of the\nbusiest operation, divided by its rate. The emulator \
             enforces these rates and takes 50 ms over each answer.\n\n"
        );
        text.push_str(match self.before {
            None => "| work | measured | budget | kept |\n|---|---|---|---|\n",
            Some(_) => "| work | measured | before | budget | kept |\n|---|---|---|---|---|\n",
        });
        for Row { what, figures, budget, verdict } in &self.rows {
            let before = self.before.as_ref().map(|it| it.get(what).map_or("", String::as_str));
            let before = before.map(|it| format!(" {it} |")).unwrap_or_default();
            let _ = writeln!(text, "| {what} | {figures} |{before} {budget} | {verdict} |");
        }
        Ok(text)
    }
}

/// The middle one.
pub(crate) fn median<T: Copy + PartialOrd>(mut all: Vec<T>) -> T {
    all.sort_by(|a, b| a.partial_cmp(b).expect("times and sizes can be compared"));
    all[all.len() / 2]
}

/// A time with a fitting unit.
pub(crate) fn time(it: Duration) -> String {
    match it.as_secs_f64() {
        seconds if seconds >= 10.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

/// A size with a fitting unit.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A count with its thousands apart.
pub(crate) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let apart = digits.as_bytes().rchunks(3).rev();
    let apart: Vec<&str> = apart.filter_map(|it| std::str::from_utf8(it).ok()).collect();
    apart.join(",")
}
