//! The reference of what other programs read: `docs/json.md` and `docs/events.md` are made of the schemas, `docs/metrics.md` of the
//! list of metrics.

use crate::golden;
use ivs_apply::ui::metrics::list::{self, Metric, fleet, run};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// More words than these are not listed in a cell of a table.
const MOST_WORDS: usize = 14;

/// A page about one schema: what it refers to gets a section of its own.
struct Page<'a> {
    schema: &'a Value,
    /// The headings of sections begin with these.
    marks: &'static str,
    /// Definitions that something on the page refers to, in this order.
    named: Vec<String>,
    text: String,
}

/// A text as the cell of a table has it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The elements of a list; none where there is no list.
fn items<'v>(of: &'v Value, name: &str) -> &'v [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

/// The alternatives of a schema.
fn alternatives(of: &Value) -> &[Value] {
    let one = items(of, "oneOf");
    if one.is_empty() { items(of, "anyOf") } else { one }
}

/// Where a schema does nothing but refer to another one: where to.
fn reference(of: &Value) -> Option<&str> {
    let whole = match items(of, "allOf") {
        [only] if of.get("properties").is_none() && of.get("type").is_none() => only,
        _ => of,
    };
    whole["$ref"].as_str()
}

/// An alternative whose only field, beside its tag, may leave it to the alternative to say what it means.
fn told_above(alternative: &Value, tag: &str) -> Value {
    let mut alternative = alternative.clone();
    let fields = alternative["properties"].as_object_mut().into_iter().flatten();
    let mut fields: Vec<_> = fields.filter(|(name, _)| *name != tag).collect();
    if let [(_, Value::Object(only))] = &mut fields[..] {
        only.entry("description").or_insert_with(|| "".into());
    }
    alternative
}

impl<'a> Page<'a> {
    fn new(schema: &'a Value, marks: &'static str) -> Self {
        Self { schema, marks, named: Vec::new(), text: String::new() }
    }

    fn at(&self, reference: &str) -> &'a Value {
        let path = reference.strip_prefix('#').expect("in the same document");
        self.schema.pointer(path).unwrap_or_else(|| panic!("there is no {reference}"))
    }

    /// The name of the section about what a reference leads to; none where a word says it all.
    fn section<'r>(&self, reference: &'r str) -> Option<&'r str> {
        let name = reference.strip_prefix("#/definitions/")?;
        let to = self.at(reference);
        let has_fields = to.get("properties").is_some() || !alternatives(to).is_empty();
        let has_words = items(to, "enum").len() > 4;
        (!name.contains('/') && (has_fields || has_words)).then_some(name)
    }

    /// The type of a value, in words.
    fn type_of(&mut self, of: &Value) -> String {
        if let Some(reference) = reference(of) {
            let Some(name) = self.section(reference) else {
                return self.type_of(self.at(reference));
            };
            if !self.named.iter().any(|it| it == name) {
                self.named.push(name.to_owned());
            }
            return format!("[{name}](#{})", name.to_lowercase());
        }
        if let Some(value) = of.get("const") {
            return format!("`{}`", value.as_str().map_or(value.to_string(), str::to_owned));
        }
        let words = items(of, "enum");
        if !words.is_empty() && words.len() <= MOST_WORDS {
            let words = words
                .iter()
                .map(|it| it.as_str().map_or("null".to_owned(), |it| format!("`{it}`")));
            return words.collect::<Vec<_>>().join(", ");
        }
        let types: Vec<String> = match (&of["type"], alternatives(of)) {
            (_, several @ [_, ..]) => several.iter().map(|it| self.type_of(it)).collect(),
            (Value::String(one), _) => vec![self.plain(one, of)],
            (Value::Array(several), _) => {
                several.iter().filter_map(Value::as_str).map(|it| self.plain(it, of)).collect()
            }
            _ if words.is_empty() => vec!["any value".to_owned()],
            _ => vec!["text".to_owned()],
        };
        types.join(" or ")
    }

    fn plain(&mut self, word: &str, of: &Value) -> String {
        match word {
            "string" if of["format"] == "date-time" => "time".to_owned(),
            "string" => "text".to_owned(),
            "boolean" => "true or false".to_owned(),
            "array" => format!("list of {}", self.type_of(&of["items"])),
            "object" if of["additionalProperties"].is_object() => {
                format!("map to {}", self.type_of(&of["additionalProperties"]))
            }
            other => other.to_owned(),
        }
    }

    /// What a field means. Every field has to say it, or what it refers to.
    fn meaning(&self, path: &str, of: &Value) -> String {
        let of_reference = || {
            let mut options = alternatives(of).iter().filter_map(reference);
            let to = reference(of).or_else(|| options.next())?;
            self.at(to)["description"].as_str()
        };
        let told = of["description"].as_str().or_else(of_reference);
        let of_constant = of.get("const").map(|_| "");
        let told = told.or(of_constant);
        cell(told.unwrap_or_else(|| panic!("`{path}` has no description: {of}")))
    }

    /// The fields of an object, those of objects in it included, other than `without`.
    fn fields(&mut self, of: &Value, before: &str, without: &str, rows: &mut Vec<[String; 3]>) {
        for more in items(of, "allOf").iter().filter_map(|it| it["$ref"].as_str()) {
            self.fields(self.at(more), before, without, rows);
        }
        for (name, field) in of["properties"].as_object().into_iter().flatten() {
            if name == without {
                continue;
            }
            let path = format!("{before}{name}");
            let needed = items(of, "required").iter().any(|it| it == name);
            let absent = if needed { "" } else { ", may be absent" };
            let row = [
                format!("`{path}`"),
                format!("{}{absent}", cell(&self.type_of(field))),
                self.meaning(&path, field),
            ];
            rows.push(row);
            // What a reference leads to has a section of its own.
            for (inner, before) in
                [(field, format!("{path}.")), (&field["items"], format!("{path}[]."))]
            {
                if reference(inner).is_none() {
                    self.fields(inner, &before, "", rows);
                }
            }
        }
    }

    fn table(&mut self, rows: &[[String; 3]]) {
        if rows.is_empty() {
            return;
        }
        self.text.push_str("| Field | Type | What |\n|---|---|---|\n");
        for [name, type_of, what] in rows {
            let _ = writeln!(self.text, "| {name} | {type_of} | {what} |");
        }
        self.text.push('\n');
    }

    /// The alternatives of a schema, a row each.
    fn union(&mut self, of: &Value) {
        let alternatives = alternatives(of);
        let tag = alternatives.iter().find_map(|it| {
            let fields = it["properties"].as_object()?;
            fields
                .iter()
                .find(|(_, field)| field.get("const").is_some())
                .map(|(name, _)| name.as_str())
        });
        let tag = tag.unwrap_or_default();
        let heading = if tag.is_empty() { "One of".to_owned() } else { format!("`{tag}`") };
        let (mut lines, mut has_fields) = (Vec::new(), false);
        for it in alternatives {
            let mut rows = Vec::new();
            self.fields(&told_above(it, tag), "", tag, &mut rows);
            let fields = rows.iter().map(|[name, type_of, what]| {
                let end = if what.is_empty() { "" } else { ". " };
                format!("{name}: {type_of}{end}{what}")
            });
            let fields = fields.collect::<Vec<_>>().join("<br>");
            has_fields |= !fields.is_empty();
            let word = match it["properties"][tag].get("const") {
                Some(word) => format!("`{}`", word.as_str().expect("a word")),
                None if it.get("properties").is_some() => "object".to_owned(),
                None => cell(&self.type_of(it)),
            };
            lines.push((word, self.meaning(&heading, it), fields));
        }
        let (fields, line) = if has_fields { (" Fields |", "---|") } else { ("", "") };
        let _ = writeln!(self.text, "| {heading} | What |{fields}\n|---|---|{line}");
        for (word, what, fields) in lines {
            let fields = if has_fields { format!(" {fields} |") } else { String::new() };
            let _ = writeln!(self.text, "| {word} | {what} |{fields}");
        }
        self.text.push('\n');
    }

    fn object(&mut self, of: &Value, without: &str) {
        let mut rows = Vec::new();
        self.fields(of, "", without, &mut rows);
        self.table(&rows);
        if !alternatives(of).is_empty() {
            self.union(of);
        }
        let words = items(of, "enum").iter().filter_map(Value::as_str);
        let words: Vec<String> = words.map(|it| format!("`{it}`")).collect();
        if !words.is_empty() {
            let _ = writeln!(self.text, "{}.\n", words.join(", "));
        }
    }

    fn headed(&mut self, heading: &str, of: &Value, without: &str) {
        let about =
            of["description"].as_str().unwrap_or_else(|| panic!("{heading}: no description"));
        let _ = writeln!(self.text, "{} {heading}\n\n{}\n", self.marks, about.replace('\n', " "));
        self.object(of, without);
    }

    /// A section for each definition that the page refers to, and for those that these refer to.
    fn sections(&mut self) {
        let mut done = 0;
        while let Some(name) = self.named.get(done).cloned() {
            let of = &self.schema["definitions"][&name];
            self.headed(&name, of, "");
            done += 1;
        }
    }
}

/// A page as it stands in its file. No two of its headings have the same address.
fn made(name: &str, from: &str, text: &str) {
    let headings = text.lines().filter(|it| it.starts_with('#'));
    let mut seen = BTreeSet::new();
    for heading in headings {
        let address = heading.trim_start_matches('#').trim().to_lowercase();
        assert!(seen.insert(address), "{name}: two headings `{heading}`");
    }
    let text = format!(
        "<!-- Made by `UPDATE=1 cargo test --test it generated::` from {from} -->\n\n{}\n",
        text.trim_end()
    );
    golden::expect(format!("docs/{name}"), &text);
}

fn schema(name: &str) -> Value {
    let path = golden::root().join("schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON")
}

#[test]
fn the_reference_of_json_answers_is_current() {
    let answer = schema("output.json");
    let mut page = Page::new(&answer, "##");
    page.text.push_str(
        "# JSON answers\n\n\
         What a command answers with `--format json`: one document, also where the run fails, so a reader takes the exit code and \
         the document. [schemas/output.json](../schemas/output.json) is its JSON Schema. Fields and codes stay; new ones come without \
         notice, so a reader ignores those that it does not know ([versions](versions.md)).\n\n\
         These have another form: `render` (the manifests as one document of kind `List`), `iam-policy` (a policy of IAM), `schema` (a JSON Schema), \
         `fleet` ([below](#fleetjson)), and `output --secrets-to` ([secrets](secrets.md)). `drift --interval`, \
         `apply --interval` and `status --watch` answer with one document a line.\n\n\
         A run that ends before it has a plan answers with the first table alone. `blame`, `copies`, `copiesUnread`, `waited` and \
         `differences` are absent where there is nothing to say.\n\n",
    );
    let fields = answer["properties"].as_object().expect("an object");
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = vec![(Vec::new(), Vec::new())];
    for (name, field) in fields {
        let commands: Vec<&str> =
            items(field, "x-commands").iter().filter_map(Value::as_str).collect();
        match groups.iter_mut().find(|(of, _)| *of == commands) {
            Some((_, names)) => names.push(name),
            None => groups.push((commands, vec![name])),
        }
    }
    for (commands, names) in groups {
        let commands: Vec<String> = commands.iter().map(|it| format!("`{it}`")).collect();
        let heading = match &commands[..] {
            [] => "In every answer".to_owned(),
            [only] => format!("Of {only}"),
            [first @ .., last] => format!("Of {} and {last}", first.join(", ")),
        };
        let of_group = names.iter().map(|it| ((*it).to_owned(), fields[*it].clone()));
        // What a command has and another one has not cannot be required of all, so the text says when it is absent.
        let required = if commands.is_empty() { answer["required"].clone() } else { json!(names) };
        let group = json!({
            "properties": of_group.collect::<serde_json::Map<_, _>>(),
            "required": required,
        });
        let mut rows = Vec::new();
        page.fields(&group, "", "", &mut rows);
        let _ = writeln!(page.text, "## {heading}\n");
        page.table(&rows);
    }
    page.sections();
    let mut text = page.text;

    let plan = schema("plan.json");
    let causes = &plan["properties"]["steps"]["items"]["properties"]["because"]["items"];
    let mut page = Page::new(&plan, "##");
    page.headed("cause", causes, "");
    text.push_str(&page.text);

    let results = schema("fleet.json");
    let mut page = Page::new(&results, "###");
    page.text.push_str(
        "## fleet.json\n\nWhat `fleet` writes into the folder of `--out`, and `fleet report --format json` answers \
         ([schemas/fleet.json](../schemas/fleet.json)). How targets end: [results](fleet.md#results).\n\n",
    );
    page.object(&results, "");
    page.sections();
    text.push_str(&page.text);
    made("json.md", "schemas/output.json, schemas/plan.json and schemas/fleet.json", &text);
}

#[test]
fn the_reference_of_events_is_current() {
    let events = schema("events.json");
    let mut page = Page::new(&events, "##");
    page.text.push_str(
        "# Events\n\n\
         What `plan`, `apply`, `drift` and `destroy` append to the file of `--events`, a JSON object a line \
         ([schemas/events.json](../schemas/events.json)). How the file is written: [events](operations.md#events).\n\n\
         ## Every line\n\n",
    );
    let mut rows = Vec::new();
    page.fields(&events, "", "", &mut rows);
    page.table(&rows);
    let of_run = alternatives(&events["definitions"]["RunEvent"]);
    let (ended, of_run) = of_run.split_last().expect("events");
    let of_steps = alternatives(&events["definitions"]["Event"]);
    assert_eq!(ended["properties"]["event"]["const"], "run.ended");
    for event in of_run.iter().chain(of_steps).chain([ended]) {
        let name = event["properties"]["event"]["const"].as_str().expect("a name");
        page.headed(&format!("`{name}`"), event, "event");
    }
    page.sections();
    made("events.md", "schemas/events.json", &page.text);
}

#[test]
fn the_reference_of_metrics_is_current() {
    let mut text = String::from(
        "# Metrics\n\n\
         All of them are gauges about the last run. How the file is written, and what to alert on: \
         [metrics](operations.md#metrics), [examples/monitoring](../examples/monitoring/README.md). The operator has \
         [metrics of its own](operator.md#metrics).\n\n",
    );
    let mut used: BTreeSet<&str> = run::LABELS.into();
    // Of duplicates alone.
    used.insert("place");
    let words =
        |labels: &[&str]| labels.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    let mut table = |metrics: &'static [Metric], text: &mut String| {
        text.push_str("| Metric | Labels | What |\n|---|---|---|\n");
        for Metric { name, help, labels } in metrics {
            used.extend(labels.iter().copied());
            let labels = if *labels == fleet::OF_TARGET {
                "those of a target".to_owned()
            } else {
                words(labels)
            };
            let _ = writeln!(text, "| `{name}` | {labels} | {} |", cell(help));
        }
        text.push('\n');
    };
    let _ = writeln!(
        text,
        "## Of a run\n\n`plan`, `apply`, `drift`, `destroy` and `status` write them to the file of `--metrics`. Each has the labels {}, \
         and those of its row. `status` without manifests (`--stack NAME`) makes no plan, so it has nothing of drift, deferred steps \
         and audiences. A run that fails before it has read the account has no metrics of resources.\n",
        words(&run::LABELS)
    );
    table(run::ALL, &mut text);
    let _ = writeln!(
        text,
        "## Of a fleet\n\n`fleet report DIR… --format metrics` answers them. The labels of a target are {}.\n",
        words(fleet::OF_TARGET)
    );
    table(fleet::ALL, &mut text);
    text.push_str("## Labels\n\n| Label | What |\n|---|---|\n");
    for (label, what) in list::LABELS {
        assert!(used.remove(label), "no metric has the label `{label}`");
        let _ = writeln!(text, "| `{label}` | {} |", cell(what));
    }
    assert!(used.is_empty(), "labels that are not described: {used:?}");
    made("metrics.md", "src/ui/metrics/list.rs", &text);
}

#[test]
fn the_reference_of_the_emulators_switches_is_current() {
    let requests = schema("emulator.json");
    let of = |name: &str| &requests["definitions"][name];
    let mut page = Page::new(&requests, "##");
    page.text.push_str(
        "# Switches and quotas of the emulator\n\n\
         A switch is a question about AWS that no source answers: its default is the answer that a client finds harder to handle. \
         `POST /_emulator/switches` sets any of them, such as `{\"liveRename\": \"accept\"}`, and `POST /_emulator/quotas` any of \
         the quotas ([the emulator](emulator.md#rates-quotas-and-open-questions)). A run against AWS would settle the questions: the \
         [kit for a real account](real-account.md) asks them.\n\n## Switches\n\n| Switch | Answers | Default | Question |\n|---|---|---|---|\n",
    );
    for (name, switch) in of("Switches")["properties"].as_object().expect("switches") {
        let answers = page.type_of(switch);
        let meaning = page.meaning(name, switch);
        // The column before says it.
        let (question, default) = meaning.split_once(" Default: ").unwrap_or((&meaning, ""));
        let why = default.split_once(", ").map_or("", |(_, why)| why);
        let why = if why.is_empty() { "" } else { &format!(", {}", why.trim_end_matches('.')) };
        let _ = writeln!(
            page.text,
            "| `{name}` | {} | `{}`{why} | {question} |",
            cell(&answers),
            switch["default"].as_str().map_or_else(|| switch["default"].to_string(), str::to_owned),
        );
    }
    page.text.push('\n');
    page.sections();
    let mut text = page.text;
    text.push_str("## Quotas\n\n| Quota | Default | Of what |\n|---|---|---|\n");
    let page = Page::new(&requests, "##");
    for (name, quota) in of("Quotas")["properties"].as_object().expect("quotas") {
        let meaning = page.meaning(name, quota);
        let _ = writeln!(text, "| `{name}` | {} | {meaning} |", quota["default"]);
    }
    made("switches.md", "schemas/emulator.json", &text);
}
