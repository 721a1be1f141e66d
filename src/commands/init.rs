use super::failure::Failure;
use crate::cli::{ExitCode, Global};
use crate::diag::Place;
use crate::manifest::source::read_named;
use crate::manifest::values::GivenValues;
use crate::manifest::{self, Loaded, StandardInput, schema, write};
use crate::ui::file::{Appended, Refused, Sort};
use crate::ui::{Ui, diagnostic, file, init};
use clap::ValueEnum;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Write a first set of manifests
///
/// Writes into the folder `ivs` manifests with comments and the JSON Schema that their first line names for editors, and
/// beside it a `.gitignore` and workflows for GitHub Actions, which plan pull requests, apply what is merged and look for
/// drift. `workflows` writes the workflows alone, for manifests that exist. Either all files are written or none: a file
/// that exists with the same bytes is left as it is, any other is never overwritten, and each one in the way is named. To
/// a `.gitignore` that exists the missing lines are added. Manifests and workflows are those of `examples/`; `--stack` and
/// `--region` go into `ivs/stack.yaml` and the workflows.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// What the manifests are for
    #[arg(value_enum, value_name = "USE")]
    purpose: Use,
    /// Write into this folder instead of the current one
    #[arg(long, value_name = "FOLDER", default_value = ".", env = "IVS_APPLY_OUT")]
    out: PathBuf,
}

/// Uses that manifests can be written for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Use {
    /// A recorded channel and its stream key.
    Channel,
    /// A stage whose participants are composed and broadcast to a channel, with recordings.
    Broadcast,
    /// A channel for viewers with a signed token, and one for the viewers of your own pages.
    Private,
    /// Stages with encoders that publish, recorded participants, and tokens that your servers sign.
    RealTime,
    /// Only the workflows, for the manifests that the folder `ivs` has already. They are for the stack and the region
    /// of its Stack document, where `--stack` and `--region` are absent.
    Workflows,
}

/// An example of the repository, and what of it is the reader's to change.
struct Example {
    /// The stack, where `--stack` does not name it.
    stack: &'static str,
    /// Manifests by file name, with the text of the example.
    manifests: (&'static str, &'static str),
    /// Files that the manifests name.
    others: &'static [(&'static str, &'static str)],
    edits: &'static [&'static str],
}

impl Use {
    /// The manifests to write, if any.
    fn example(self) -> Option<Example> {
        Some(match self {
            Self::Workflows => return None,
            Self::Channel => Example {
                stack: "channel",
                manifests: (
                    "channels.yaml",
                    include_str!("../../examples/quickstart/channels.yaml"),
                ),
                others: &[],
                edits: &["`bucketName` in `ivs/channels.yaml`: an S3 bucket of your account"],
            },
            Self::Broadcast => Example {
                stack: "broadcast",
                manifests: (
                    "broadcast.yaml",
                    include_str!("../../examples/broadcast/broadcast.yaml"),
                ),
                others: &[],
                edits: &["each `bucketName` in `ivs/broadcast.yaml`: S3 buckets of your account"],
            },
            Self::Private => Example {
                stack: "private-playback",
                manifests: (
                    "private-playback.yaml",
                    include_str!("../../examples/private-playback/private-playback.yaml"),
                ),
                others: &[(
                    "keys/viewers.pem",
                    include_str!("../../examples/private-playback/keys/viewers.pem"),
                )],
                edits: &[
                    "`ivs/keys/viewers.pem`: your own public key, made in `ivs` with the commands at the top of `private-playback.yaml`",
                    "`allowedCountries` and `allowedOrigins` in `ivs/private-playback.yaml`: yours",
                ],
            },
            Self::RealTime => Example {
                stack: "real-time",
                manifests: (
                    "real-time.yaml",
                    include_str!("../../examples/real-time/real-time.yaml"),
                ),
                others: &[(
                    "keys/participants.pem",
                    include_str!("../../examples/real-time/keys/participants.pem"),
                )],
                edits: &[
                    "`ivs/keys/participants.pem`: your own public key, made in `ivs` with the commands at the top of `real-time.yaml`",
                    "`bucketName` in `ivs/real-time.yaml`: an S3 bucket of your account",
                ],
            },
        })
    }
}

impl Example {
    /// The files of the manifests by name, with the document of their stack.
    fn files(&self, stack: String) -> BTreeMap<String, String> {
        let (name, text) = self.manifests;
        let mut files = BTreeMap::from([
            (STACK.to_owned(), stack),
            (format!("{MANIFESTS}/{name}"), without_stack(text)),
            (format!("{MANIFESTS}/{}", schema::FILE), schema::file()),
            (IGNORED.to_owned(), include_str!("init/gitignore").to_owned()),
        ]);
        let others = self.others.iter();
        files
            .extend(others.map(|(name, text)| (format!("{MANIFESTS}/{name}"), (*text).to_owned())));
        files
    }
}

pub(super) fn run(args: &InitArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    // Messages name files in the current folder without `./`.
    let folder = if args.out == Path::new(".") { Path::new("") } else { &args.out };
    let existing = existing(folder);
    let example = args.purpose.example();
    let (stack_name, region) = match &example {
        Some(example) => (
            global.stack.clone().unwrap_or_else(|| example.stack.to_owned()),
            global.region.clone(),
        ),
        None => place_of(existing.as_ref(), global)?,
    };
    let region = region.as_deref();
    let stack = stack(&stack_name, region);
    // A name or a region from the command line may be one that no stack can have.
    let loaded = manifest::load_text(STACK, &stack, None);
    if loaded.report.has_errors() {
        ui.say(&diagnostic::text(&loaded.report, &loaded.sources, ui.colours_talk()));
        return Ok(ExitCode::Error);
    }
    let workflows = WORKFLOWS.iter().map(|(name, text)| {
        (format!(".github/workflows/{name}"), workflow(text, &stack_name, region))
    });
    let mut files: BTreeMap<String, String> = workflows.collect();
    let mut written = init::Written { folder: &args.out, ..init::Written::default() };
    let patterns = match &example {
        None => None,
        Some(example) => {
            other_stack(existing.as_ref(), folder)?;
            written.edits = Some(example.edits);
            files.extend(example.files(stack));
            missing_patterns(&folder.join(IGNORED))?
        }
    };
    if patterns.is_some() {
        files.remove(IGNORED);
    }
    written.is_ignored_unchanged = patterns.as_ref().is_some_and(Vec::is_empty);
    written.added = patterns.unwrap_or_default();
    let in_the_way = |refused: Refused| match refused {
        Refused::InTheWay(_) if example.is_some() => {
            Failure::error(refused.to_string()).help(FOR_EXISTING)
        }
        Refused::Io { .. } => Failure::error(refused.to_string())
            .help("name another folder with `--out`, or make this one writable"),
        other => other.into(),
    };
    let unchanged = if written.added.is_empty() {
        file::fill(folder, &files).map_err(in_the_way)?
    } else {
        // Opened before anything is written, so that one that cannot be written keeps the rest from being written too.
        let mut ignored = Appended::open(&folder.join(IGNORED), GITIGNORE)?;
        let unchanged = file::fill(folder, &files).map_err(in_the_way)?;
        ignored.append(&format!("# ivs-apply\n{}", written.added.join("\n")))?;
        unchanged
    };
    let all = files.keys().map(String::as_str);
    (written.unchanged, written.files) = all.partition(|it| unchanged.contains(it));
    ui.answer(&init::text(&written))?;
    Ok(ExitCode::Done)
}

/// The manifests that the folder has already; nothing where it has no folder for them.
fn existing(folder: &Path) -> Option<Loaded> {
    let manifests = folder.join(MANIFESTS);
    let stdin = StandardInput { text: &mut std::io::empty(), folder: None };
    let read =
        || manifest::load(std::slice::from_ref(&manifests), stdin, None, &GivenValues::default());
    manifests.is_dir().then(read)
}

/// The stack and the region that workflows are for.
fn place_of(
    existing: Option<&Loaded>,
    global: &Global,
) -> Result<(String, Option<String>), Failure> {
    let of_stack = existing.and_then(|it| it.stack.region.clone());
    let region = global.region.clone().or(of_stack);
    if let Some(name) = &global.stack {
        return Ok((name.clone(), region));
    }
    let Some(existing) = existing else {
        return Err(Failure::error(format!(
            "there is no folder `{MANIFESTS}` with manifests, so the stack is unknown and nothing is written"
        ))
        .help(format!(
            "run it in the folder that has `{MANIFESTS}` or name that with `--out`; for manifests in another folder, give \
             `--stack NAME` and write that folder into `files` of the workflows"
        )));
    };
    match existing.known_stack() {
        Some(name) => Ok((name.to_owned(), region)),
        None => Err(Failure::error(format!(
            "the manifests in `{MANIFESTS}` do not tell the name of their stack, so nothing is written"
        ))
        .help(format!(
            "`ivs-apply validate -f {MANIFESTS}` tells what is wrong with them; or give `--stack NAME`"
        ))),
    }
}

/// Refuses to write a second document of kind Stack, with which no command would read the manifests.
fn other_stack(existing: Option<&Loaded>, folder: &Path) -> Result<(), Failure> {
    let Some((loaded, at)) = existing.and_then(|it| Some((it, it.stack_at?))) else {
        return Ok(());
    };
    let place = Place::value(at, "metadata.name");
    if Path::new(loaded.sources.name(at.source)) == folder.join(STACK) {
        return Ok(());
    }
    let name = loaded.known_stack().map(|it| format!(" `{it}`")).unwrap_or_default();
    let place = loaded.sources.cited(&place).unwrap_or_default();
    Err(Failure::error(format!(
        "`{place}` declares the Stack{name} already, so nothing is written"
    ))
    .help(
        "`ivs-apply init workflows` writes the workflows for the manifests that exist; or name another folder with \
         `--out`",
    ))
}

/// What helps where files are in the way of manifests.
const FOR_EXISTING: &str = "name another folder with `--out`, or move what is in the way; for manifests that exist, \
     `ivs-apply init workflows` writes the workflows alone";

/// The file that names what Git ignores.
const IGNORED: &str = ".gitignore";

/// What lines are added to: any text that Git reads.
const GITIGNORE: Sort = Sort { what: "a text", is: |_| true };

/// The most that an existing file of patterns may hold.
const IGNORED_BYTES: u64 = 1024 * 1024;

/// The patterns that an existing file does not have; nothing where there is no such file, or something that no line is
/// added to.
fn missing_patterns(file: &Path) -> Result<Option<Vec<&'static str>>, Failure> {
    if !file.is_file() || file.is_symlink() {
        return Ok(None);
    }
    let text = read_named(file, IGNORED_BYTES).map_err(|refused| {
        let name = file.display();
        Failure::error(format!("`{name}` {}, so nothing is written", refused.message))
    })?;
    let has = |pattern: &str| text.lines().any(|it| it.trim_end() == pattern);
    let patterns = include_str!("init/gitignore").lines().filter(|it| !it.starts_with('#'));
    Ok(Some(patterns.filter(|it| !has(it)).collect()))
}

/// The folder of the manifests: a repository may have YAML and JSON for other programs as well.
const MANIFESTS: &str = "ivs";

/// The file of the Stack document.
const STACK: &str = "ivs/stack.yaml";

/// The workflows of the examples.
const WORKFLOWS: [(&str, &str); 3] = [
    ("apply.yml", include_str!("../../examples/ci/github/apply.yml")),
    ("drift.yml", include_str!("../../examples/ci/github/drift.yml")),
    ("plan.yml", include_str!("../../examples/ci/github/plan.yml")),
];

/// The text of a workflow for manifests in [`MANIFESTS`].
fn workflow(example: &str, stack: &str, region: Option<&str>) -> String {
    let text = example
        .replace("files: ivs/prod", &format!("files: {MANIFESTS}"))
        .replace("ivs-apply-prod", &format!("ivs-apply-{stack}"))
        .replace("ivs-drift-prod", &format!("ivs-drift-{stack}"))
        .replace(", the path of the manifests and OWNER replaced", " and OWNER replaced");
    match region {
        Some(region) => text.replace("us-west-2", region),
        None => text,
    }
}

/// The Stack document. Without a region it is of no account, so that it can be tried anywhere.
fn stack(name: &str, region: Option<&str>) -> String {
    let region = match region {
        Some(region) => format!("  region: {}", write::yaml(&json!(region))),
        None => "  # region: us-west-2\n".to_owned(),
    };
    format!(
        "{}# The settings of the whole stack. `ivs-apply explain Stack` shows every field.\n\
         apiVersion: {}\n\
         kind: Stack\n\
         metadata:\n\
         \x20 # The name marks everything that these manifests own; another name is another stack.\n\
         \x20 name: {}\
         spec:\n\
         \x20 # A change of a real account needs both. A run with another region or account is refused.\n\
         {region}\
         \x20 # account: \"123456789012\"\n\
         \x20 # Tags of every resource.\n\
         \x20 tags:\n\
         \x20   service: live\n",
        schema::line(),
        manifest::envelope::API_VERSION,
        write::yaml(&json!(name)),
    )
}

/// The text of an example for a folder with a Stack document of its own.
fn without_stack(example: &str) -> String {
    let is_comment = |line: &&str| line.starts_with('#');
    let comments: Vec<&str> = example.lines().take_while(is_comment).collect();
    let length: usize = comments.iter().map(|it| it.len() + 1).sum();
    let documents = example[length..].split("\n---\n").filter(|it| !it.contains("kind: Stack\n"));
    let documents = documents.collect::<Vec<_>>().join("\n---\n");
    // The first line names the schema from the folder of the example.
    let comments = comments[1..].join("\n");
    format!("{}{comments}\n---\n{documents}", schema::line())
}
