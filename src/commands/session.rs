//! What plan, apply, drift, destroy, export and graph have in common: load, connect, check, read, plan.

use super::{Failure, chain, lock, paths, pretty};
use crate::aws::{Clients, Target};
use crate::cli::{ExitCode, Format, Global, variable};
use crate::cloud::{Reading, read};
use crate::emulator::{Emulator, Settings};
use crate::engine::{self, Planned, Refusal};
use crate::kinds::{Desired, ObservedState, Stack};
use crate::manifest::{self, Loaded, StandardInput};
use crate::plan::approval::Inputs;
use crate::plan::{Approval, Policy, Status, Terms};
use crate::ui::escape::escape;
use crate::ui::plan::Header;
use crate::ui::progress::Spinner;
use crate::ui::reason;
use crate::ui::{Ui, diagnostic, json};

/// Manifests that are in order.
pub(super) fn load(command: &str, global: &Global, ui: Ui) -> Result<Loaded, ExitCode> {
    let folder = global.stdin_folder.as_deref();
    let stdin = StandardInput { text: &mut std::io::stdin(), folder };
    let mut loaded = manifest::load(&paths(global), stdin, global.stack.as_deref());
    if global.deny_warnings {
        loaded.report.deny_warnings();
    }
    if !loaded.report.is_empty() {
        ui.say(&diagnostic::text(&loaded.report, &loaded.sources, ui.colours_talk()));
    }
    if loaded.report.has_errors() {
        if global.format == Format::Json {
            let mut frame = super::frame_of(command);
            frame.diagnostics = diagnostic::json(&loaded.report, &loaded.sources);
            let document = json::checked(&frame, loaded.desired.len(), true);
            let _ = ui.answer(&pretty(&document));
        }
        return Err(ExitCode::Error);
    }
    Ok(loaded)
}

/// An account to work on.
pub(super) struct Connection {
    pub(super) session: engine::Session,
    emulator: Option<Emulator>,
    ui: Ui,
}

impl Connection {
    /// Connects, and makes sure that it is to where the stack belongs, before any call to IVS.
    pub(super) async fn open(global: &Global, stack: &Stack, ui: Ui) -> Result<Self, Failure> {
        let emulator = match global.emulator_file() {
            None => None,
            Some(file) => {
                let account = stack.account.clone().unwrap_or_else(|| Settings::default().account);
                let settings = Settings { account, ..Settings::default() };
                let opened = Emulator::open(file, settings);
                Some(opened.map_err(|error| Failure::error(chain(&error)))?)
            }
        };
        let region = match &emulator {
            Some(_) => global.region.clone().or_else(|| stack.region.clone()),
            None => global.region.clone(),
        };
        let target = Target {
            sdk_config: None,
            region,
            profile: global.profile.clone(),
            profile_variable: variable("AWS_PROFILE"),
            keys_in_environment: variable("AWS_ACCESS_KEY_ID").is_some(),
            endpoint_url: global.endpoint_url.clone(),
            rates: global.rates(),
            shared: None,
            in_process: emulator.as_ref().map(Emulator::http_client),
            clock: emulator.as_ref().map(Emulator::time_source),
        };
        let session = engine::Session::open(&target, stack).await.map_err(|it| failed(&it))?;
        if let Some(conflict) = &session.aws.source_conflict {
            ui.say(&format!("warning: {}\n", escape(&conflict.to_string(), 400)));
        }
        if let Some(source) = session.aws.credential_source() {
            tracing::info!("credentials: {}", escape(&source.to_string(), 400));
        }
        Ok(Self { session, emulator, ui })
    }

    /// The clients of the account.
    pub(super) fn aws(&self) -> &Clients {
        &self.session.aws
    }

    /// Writing to AWS needs account and region in the stack.
    pub(super) fn may_write(&self, stack: &Stack) -> Result<(), Failure> {
        self.session.may_write(stack).map_err(refused)
    }

    /// Whether the account is a pretend one in this process, where nobody else can be.
    pub(super) fn is_in_process(&self) -> bool {
        self.emulator.is_some()
    }

    /// Keeps what a pretend account has become.
    pub(super) fn close(&self) -> Result<(), Failure> {
        match &self.emulator {
            Some(emulator) => emulator.close().map_err(|error| {
                Failure::error(format!("the emulator's state could not be kept: {error}"))
                    .help("the file holds the account as it was saved last; run the command again")
            }),
            None => Ok(()),
        }
    }

    pub(super) fn header<'a>(&'a self, stack: &'a Stack) -> Header<'a> {
        Header {
            stack,
            region: &self.aws().region,
            endpoint: self.aws().endpoint.as_deref(),
            identity: Some(&self.session.signed_in),
            calls: self.aws().gate.calls(),
        }
    }

    pub(super) fn frame<'a>(&'a self, command: &'a str, loaded: &'a Loaded) -> json::Frame<'a> {
        json::Frame {
            command,
            stack: Some(&loaded.stack),
            account: self.session.signed_in.account(),
            caller: self.session.signed_in.caller(),
            region: Some(&self.aws().region),
            endpoint: self.aws().endpoint.as_deref(),
            calls: self.aws().gate.calls(),
            diagnostics: diagnostic::json(&loaded.report, &loaded.sources),
        }
    }

    /// Reads the account.
    pub(super) async fn read(
        &self,
        stack: &Stack,
        desired: &[Desired],
        reading: Reading,
    ) -> Result<ObservedState, Failure> {
        let spinner = Spinner::new(self.ui, &self.aws().gate);
        let read = read(self.aws(), stack, desired, reading).await;
        spinner.finish();
        read.map_err(|error| failed(&error.into()))
    }
}

/// What the engine did not do, for the command line.
pub(super) fn failed(error: &engine::Error) -> Failure {
    let failure = Failure::error(chain(error));
    let help = match error {
        engine::Error::Connect(error) => Some(error.help()),
        engine::Error::WrongRegion { wanted, .. } => {
            Some(format!("give `--region {wanted}`, or set `AWS_REGION`"))
        }
        engine::Error::WrongAccount { .. } => {
            Some("use credentials of the stack's account".to_owned())
        }
        engine::Error::AccountUnknown(error) => error.help().map(ToOwned::to_owned),
        engine::Error::Read(error) => error.source.help().map(ToOwned::to_owned),
        engine::Error::PlaceUnknown(_) => {
            Some("plan without `--out`, or make STS reachable".to_owned())
        }
    };
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// A plan, and all that it was made from.
pub(super) struct Session {
    pub(super) loaded: Loaded,
    pub(super) connection: Connection,
    pub(super) planned: Planned,
}

impl Session {
    /// From manifests to a plan that is only looked at.
    pub(super) async fn open(
        loaded: Loaded,
        global: &Global,
        policy: &Policy,
        full: bool,
        ui: Ui,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(global, &loaded.stack, ui).await?;
        lock::look(&connection, &loaded.stack, ui).await;
        Self::read(loaded, connection, policy, full).await
    }

    /// From manifests and an account to a plan.
    pub(super) async fn read(
        mut loaded: Loaded,
        connection: Connection,
        policy: &Policy,
        full: bool,
    ) -> Result<Self, Failure> {
        let desired = std::mem::take(&mut loaded.desired);
        let spinner = Spinner::new(connection.ui, &connection.aws().gate);
        let planned =
            connection.session.plan(loaded.stack.clone(), desired, policy.clone(), full).await;
        spinner.finish();
        let planned = planned.map_err(|it| failed(&it))?;
        Ok(Self { loaded, connection, planned })
    }

    /// Whether anything of the stack exists, of whatever kind: then it was applied before.
    pub(super) async fn was_applied(&self) -> Result<bool, Failure> {
        let applied = self.connection.session.was_applied(&self.planned).await;
        applied.map_err(|it| failed(&it))
    }

    /// Whether everything the stack owns is to be deleted.
    pub(super) fn destroys(&self) -> bool {
        self.planned.policy().destroy
    }

    /// Consent to what is not there is a slip of the pen, or the run before has done it already; and manifests
    /// without a resource are a wrong folder. Said, and no reason to stop.
    pub(super) fn say_what_is_not_there(&self, ui: Ui) {
        if self.planned.desired.is_empty() && !self.planned.policy().destroy {
            ui.say("warning: the manifests declare no resource, so nothing is changed or pruned\n");
        }
        for allowed in &self.planned.policy().allow_live {
            let declared = self.planned.desired.iter().any(|it| it.address == *allowed);
            if !declared && !self.planned.observed.owned.contains_key(allowed) {
                ui.say(&format!(
                    "warning: `--allow-live {}` names nothing of this stack\n",
                    escape(&allowed.to_string(), 200)
                ));
            }
        }
    }

    /// What there is to approve.
    pub(super) fn approval(&self, terms: Terms, inputs: Inputs) -> Result<Approval, Failure> {
        let approval = self.planned.approval(&self.connection.session, terms, inputs);
        approval.map_err(|it| failed(&it))
    }

    /// Whether the account would still give the same plan: somebody may have changed it while a person was reading.
    pub(super) async fn still_holds(&self) -> Result<bool, Failure> {
        let spinner = Spinner::new(self.connection.ui, &self.connection.aws().gate);
        let holds = self.planned.still_holds(&self.connection.session).await;
        spinner.finish();
        holds.map_err(|it| failed(&it))
    }

    /// The plan in the form that was asked for.
    pub(super) fn show(&self, command: &str, global: &Global, ui: Ui) -> Result<(), Failure> {
        self.show_refused(command, None, &[], global, ui)
    }

    /// The plan, and why nothing of it was carried out; for a saved one, in what it differs.
    pub(super) fn show_refused(
        &self,
        command: &str,
        refused: Option<&Failure>,
        differences: &[String],
        global: &Global,
        ui: Ui,
    ) -> Result<(), Failure> {
        let text = if global.format == Format::Json {
            let frame = self.connection.frame(command, &self.loaded);
            let mut document = json::plan(&frame, &self.planned.plan, None, &self.loaded.sources);
            if let Some(failure) = refused {
                document["status"] = serde_json::json!(Status::Blocked);
                document["error"] = json::error(&failure.message, failure.help.as_deref());
            }
            if !differences.is_empty() {
                document["differences"] = differences.into();
            }
            pretty(&document)
        } else if global.format == Format::Github {
            let status =
                if refused.is_some() { Status::Blocked } else { self.planned.plan.status() };
            let counts = self.planned.plan.summary().counts();
            crate::ui::output::github_counts(&self.loaded.stack.name, status.as_str(), &counts)
        } else if global.format == Format::Markdown {
            crate::ui::markdown::text(
                &self.planned.plan,
                &self.connection.header(&self.loaded.stack),
            )
        } else {
            let header = self.connection.header(&self.loaded.stack);
            crate::ui::plan::text(&self.planned.plan, &header, &self.loaded.sources)
        };
        ui.answer(&text)?;
        Ok(())
    }

    /// Why nothing of this plan may be applied, if so.
    pub(super) fn refused(&self, confirmed_deletes: Option<usize>) -> Option<Failure> {
        self.planned.refusal(&self.connection.session, confirmed_deletes).map(refused)
    }
}

/// Why the engine does not apply a plan, for the command line.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let see = "nothing was written; see the plan for the whole list";
    match refusal {
        Refusal::PlaceNotNamed => Failure::refused(
            "changing a real account needs `account` and `region` in the Stack manifest",
            "add a document of kind Stack with `spec: { region: …, account: \"…\" }`",
        ),
        Refusal::Blocked { address, reason } => Failure::refused(
            format!("{address} must not be touched: {}", reason::text(&reason)),
            see,
        ),
        Refusal::QuotaExceeded { kind, wanted, quota } => Failure::refused(
            format!("{wanted} objects of kind {kind} do not fit into a quota of {quota}"),
            see,
        ),
        Refusal::UnconfirmedDeletes { deletes, of } => Failure::refused(
            format!("this would delete {deletes} of {of} resources of the stack"),
            format!("if that is meant, add `--confirm-deletes {deletes}`"),
        ),
        Refusal::NoServerTime => Failure::error(
            "no answer of the service carried a `Date` header, so nothing was written",
        )
        .help(
            "new objects are told apart by the service's clock; check what stands between this \
             machine and the endpoint",
        ),
    }
}
