//! The arguments that several commands take, and what they mean for a run. Reads no manifest and calls no AWS.

use super::environment::{current_folder, variable};
use crate::aws::{REGIONS, Rates};
use crate::manifest::target::Target;
use crate::manifest::values::{GivenValues, Setting};
use crate::ui::Ui;
use crate::ui::ci::{Folders, Report, Settings};
use crate::ui::markdown::LONGEST;
use anstream::ColorChoice;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// What several commands take. `commands::takes` says which; without it no command has any of them.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Manifests: a file, a folder, or `-` (standard input)
    ///
    /// A folder is searched for *.yaml, *.yml and *.json. The default is the current folder. Can be given several times.
    #[arg(short = 'f', long = "filename", value_name = "PATH", env = "IVS_APPLY_FILENAME")]
    pub filename: Vec<PathBuf>,
    /// A document of kind Target: account, region, stack, role
    ///
    /// The file has one such document, or several, and NAME is one of them. It gives account, region, stack, role and values,
    /// and the manifests where `-f` is absent.
    #[arg(
        long,
        value_name = "FILE[#NAME]",

        value_parser = not_empty,
        env = "IVS_APPLY_TARGET"
    )]
    pub target: Option<String>,
    /// The Target itself, once it was read.
    #[arg(skip)]
    pub(crate) at: Option<Arc<Target>>,
    /// Base folder of the relative file names in manifests from standard input
    ///
    /// A file outside of the folder is an error.
    #[arg(long, value_name = "FOLDER", env = "IVS_APPLY_STDIN_FOLDER")]
    pub stdin_folder: Option<PathBuf>,
    /// Value of a name that the Stack declares
    ///
    /// It stands for `${NAME}` in manifests, and comes before `--values`.
    // A value may hold any character, so there is no delimiter; in the variable each line is one.
    #[arg(long, value_name = "NAME=VALUE", env = "IVS_APPLY_SET")]
    pub(crate) set: Vec<SetValues>,
    /// File with values, `NAME: VALUE` on each line
    ///
    /// It is YAML. A later file comes before an earlier one.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = OsStringValueParser::new().map(Files::from),
        value_hint = clap::ValueHint::FilePath,
        env = "IVS_APPLY_VALUES"
    )]
    pub(crate) values: Vec<Files>,
    /// Stack to work on, where no Stack document says so
    #[arg(long, value_name = "NAME", value_parser = not_empty, env = "IVS_APPLY_STACK")]
    pub stack: Option<String>,
    /// AWS region
    #[arg(
        long,
        value_parser = not_empty,
        add = ArgValueCandidates::new(regions),
        env = "IVS_APPLY_REGION"
    )]
    pub region: Option<String>,
    /// AWS profile; comes before keys in the environment
    #[arg(long, value_parser = not_empty, env = "IVS_APPLY_PROFILE")]
    pub profile: Option<String>,
    /// Override the endpoint URL of both services
    #[arg(long, value_name = "URL", value_parser = not_empty, env = "IVS_APPLY_ENDPOINT_URL")]
    pub endpoint_url: Option<String>,
    /// Work on an emulated account in this process
    ///
    /// Its state is in FILE; `true`, or no FILE, is .ivs-apply/emulator.json. `false` works on AWS.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = OsStringValueParser::new().map(EmulatorChoice::from),
        env = "IVS_APPLY_EMULATOR"
    )]
    pub emulator: Option<EmulatorChoice>,
    /// Limit of the request rate; off by default on a loopback endpoint
    #[arg(long, value_enum, env = "IVS_APPLY_RATES")]
    pub rates: Option<RatesWord>,
    /// Share of the published request rates to use
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 1.0,
        value_parser = share,
        env = "IVS_APPLY_RATE_SHARE"
    )]
    pub rate_share: f64,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Format::Text, env = "IVS_APPLY_FORMAT")]
    pub format: Format,
    /// Longest answer of `--format markdown`, in bytes: GitHub takes 65,536, GitLab 1,000,000, Bitbucket 32,768
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = LONGEST,
        value_parser = markdown_limit,
        env = "IVS_APPLY_MARKDOWN_LIMIT"
    )]
    pub markdown_limit: usize,
    /// Annotations, outputs and a step summary for GitHub Actions: where `GITHUB_ACTIONS` is `true`, never, or always
    #[arg(long, value_enum, default_value_t = Ci::Auto, env = "IVS_APPLY_CI")]
    pub ci: Ci,
    /// Colour in text
    #[arg(long, value_enum, default_value_t = Colour::Auto, env = "IVS_APPLY_COLOR")]
    pub color: Colour,
    /// Treat warnings as errors
    #[arg(
        long,
        env = "IVS_APPLY_DENY_WARNINGS",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub deny_warnings: bool,
    /// Show progress; twice (-vv) also every call of the API
    ///
    /// Plans in text show where each manifest is.
    #[arg(
        short,
        long,
        action = clap::ArgAction::Count,
        value_parser = verbosity,
        env = "IVS_APPLY_VERBOSE"
    )]
    pub verbose: u8,
    /// Whether the command line or its variable says the format.
    #[arg(skip)]
    pub is_format_given: bool,
    /// Whether the command is carried out again and again, so that each answer in JSON is one line.
    #[arg(skip)]
    pub repeats: bool,
}

/// Form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text to read.
    Text,
    /// JSON for other programs.
    Json,
    /// A comment on a pull request.
    Markdown,
    /// One HTML file without scripts.
    Html,
    /// Variables for a shell.
    Env,
    /// Variables for readers of `.env` files.
    Dotenv,
    /// Lines for `$GITHUB_OUTPUT`.
    Github,
    /// For a collector of metrics.
    Metrics,
    /// The language of Graphviz.
    Dot,
    /// The language of Mermaid, for Markdown.
    Mermaid,
    /// A picture.
    Svg,
    /// A `CustomResourceDefinition` of Kubernetes.
    Crd,
}

/// The CI system that a run tells more than its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ci {
    /// GitHub Actions, where its variable says so.
    Auto,
    /// None.
    Off,
    /// GitHub Actions, or what reads the same commands.
    Github,
}

/// Whether text has colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal; `NO_COLOR` and `CLICOLOR_FORCE` decide otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How calls are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RatesWord {
    /// The published rates.
    Aws,
    /// Not at all.
    Off,
}

/// What `--emulator` or its variable says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmulatorChoice {
    /// The account is on AWS, whatever the variable said before.
    Off,
    /// The account is emulated, with its state in this file.
    StateIn(PathBuf),
}

/// The emulator's state file where none is named.
const EMULATOR_FILE: &str = ".ivs-apply/emulator.json";

/// The words that clap takes for a truth value.
const TRUE: [&str; 6] = ["y", "yes", "t", "true", "on", "1"];
const FALSE: [&str; 6] = ["n", "no", "f", "false", "off", "0"];

impl From<OsString> for EmulatorChoice {
    fn from(value: OsString) -> Self {
        let word = value.to_string_lossy().to_lowercase();
        if FALSE.contains(&word.as_str()) {
            Self::Off
        } else if TRUE.contains(&word.as_str()) {
            Self::StateIn(EMULATOR_FILE.into())
        } else {
            Self::StateIn(value.into())
        }
    }
}

/// What one `--set` or its variable says: a value on each line.
#[derive(Clone, Debug)]
pub(crate) struct SetValues(Vec<Setting>);

impl FromStr for SetValues {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The last line of a variable is often empty. A text without any value is a mistake.
        let lines = text.lines().filter(|it| !it.trim().is_empty());
        let settings: Vec<Setting> = lines.map(str::parse).collect::<Result<_, _>>()?;
        if settings.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self(settings)) }
    }
}

/// What one `--values` or its variable names: a file on each line.
#[derive(Clone, Debug)]
pub(crate) struct Files(Vec<PathBuf>);

impl From<OsString> for Files {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(text) if text.contains('\n') => {
                Self(text.lines().filter(|it| !it.is_empty()).map(PathBuf::from).collect())
            }
            _ => Self(vec![text.into()]),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a share is above 0 and at most 1".to_owned()),
    }
}

/// The value of a flag that is left out where there is nothing to say.
pub(crate) fn not_empty(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty; give it a value or leave the flag out".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A comment that has room for its title and for what it leaves out.
fn markdown_limit(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(limit) if limit >= 4_000 => Ok(limit),
        _ => Err("it is a number of bytes, at least 4000".to_owned()),
    }
}

fn verbosity(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| "it takes a number: 1 as for `-v`, 2 as for `-vv`".to_owned())
}

impl Global {
    /// What the command line gives for the values of the Stack.
    pub fn given_values(&self) -> GivenValues {
        GivenValues {
            files: self.values.iter().flat_map(|it| it.0.clone()).collect(),
            set: self.set.iter().flat_map(|it| it.0.clone()).collect(),
        }
    }

    /// Takes these values where the command line gives none: the files where it names none, and the settings where it has
    /// none.
    pub(crate) fn or_given_values(&mut self, other: GivenValues) {
        if self.values.is_empty() {
            self.values = vec![Files(other.files)];
        }
        if self.set.is_empty() {
            self.set = vec![SetValues(other.set)];
        }
    }

    /// The emulator's state file, where the account is emulated.
    pub fn emulator_file(&self) -> Option<&Path> {
        match &self.emulator {
            Some(EmulatorChoice::StateIn(file)) => Some(file),
            Some(EmulatorChoice::Off) | None => None,
        }
    }

    /// The pacing asked for, if any was.
    pub fn rates(&self) -> Option<Rates> {
        match self.rates {
            Some(RatesWord::Off) => Some(Rates::Off),
            Some(RatesWord::Aws) => Some(Rates::Aws { share: self.rate_share }),
            None if self.rate_share < 1.0 => Some(Rates::Aws { share: self.rate_share }),
            None => None,
        }
    }

    /// The flags of the connection as variables, for a process of this program that works with the same ones; its own
    /// flags come before them.
    pub(crate) fn variables_of_connection(&self) -> Vec<(&'static str, String)> {
        let word = |it: RatesWord| if it == RatesWord::Aws { "aws" } else { "off" }.to_owned();
        let share = (self.rate_share < 1.0).then(|| self.rate_share.to_string());
        [
            ("IVS_APPLY_PROFILE", self.profile.clone()),
            ("IVS_APPLY_ENDPOINT_URL", self.endpoint_url.clone()),
            ("IVS_APPLY_RATES", self.rates.map(word)),
            ("IVS_APPLY_RATE_SHARE", share),
            ("IVS_APPLY_DENY_WARNINGS", self.deny_warnings.then(|| "true".to_owned())),
            ("IVS_APPLY_VERBOSE", (self.verbose > 0).then(|| self.verbose.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// The manifests to read: those of `-f`, or the folder that the program runs in.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        if self.filename.is_empty() { vec![".".into()] } else { self.filename.clone() }
    }

    /// What the run tells a CI system, and where.
    pub(crate) fn ci(&self, reports: Vec<Report>) -> Settings {
        let is_github = match self.ci {
            Ci::Auto => variable("GITHUB_ACTIONS").is_some_and(|it| it == "true"),
            Ci::Off => false,
            Ci::Github => true,
        };
        let file = |name| variable(name).filter(|_| is_github).map(PathBuf::from);
        let repository = variable("GITHUB_WORKSPACE").or_else(|| variable("CI_PROJECT_DIR"));
        Settings {
            annotates: is_github,
            outputs: file("GITHUB_OUTPUT"),
            step_summary: file("GITHUB_STEP_SUMMARY"),
            folders: Folders {
                repository: repository.map(PathBuf::from),
                current: current_folder(),
            },
            answers_in_markdown: self.format == Format::Markdown,
            markdown_limit: self.markdown_limit,
            reports,
        }
    }

    /// The two streams of output, in the colours asked for.
    pub(crate) fn ui(&self) -> Ui {
        Ui::new(match self.color {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        })
    }
}

/// Names of regions, for completions.
fn regions() -> Vec<CompletionCandidate> {
    REGIONS.into_iter().map(CompletionCandidate::new).collect()
}
