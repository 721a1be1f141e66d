//! What plan, apply, drift, destroy, export and graph have in common: load, connect, check, read, plan.

use super::{Failure, chain, lock, paths, pretty};
use crate::aws::{self, Class, Clients, CloudError, SignedIn, Target};
use crate::cli::{ExitCode, Format, Global, variable};
use crate::cloud::{ReadError, Reading, look_up_sessions, look_up_users, read};
use crate::emulator::{Emulator, Settings};
use crate::kinds::{Desired, ObservedState, Stack};
use crate::manifest::{self, Loaded, StandardInput};
use crate::plan::approval::Inputs;
use crate::plan::{
    Approval, Decision, Note, Plan, Policy, Selected, Status, Terms, approval, plan,
};
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
    pub(super) aws: Clients,
    pub(super) signed_in: SignedIn,
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
            region,
            profile: global.profile.clone(),
            profile_variable: variable("AWS_PROFILE"),
            keys_in_environment: variable("AWS_ACCESS_KEY_ID").is_some(),
            endpoint_url: global.endpoint_url.clone(),
            rates: global.rates(),
            in_process: emulator.as_ref().map(Emulator::http_client),
            clock: emulator.as_ref().map(Emulator::time_source),
        };
        let aws = aws::connect(&target)
            .await
            .map_err(|error| Failure::error(error.to_string()).help(error.help()))?;
        if let Some(conflict) = &aws.source_conflict {
            ui.say(&format!("warning: {}\n", escape(&conflict.to_string(), 400)));
        }
        if let Some(region) = &stack.region
            && *region != aws.region
        {
            return Err(Failure::error(format!(
                "stack `{}` is in region `{region}`, and the region configured is `{}`",
                stack.name, aws.region
            ))
            .help(format!("give `--region {region}`, or set `AWS_REGION`")));
        }
        let signed_in = signed_in(&aws, stack).await?;
        if let (Some(wanted), Some(account)) = (&stack.account, signed_in.account())
            && wanted != account
        {
            let message = format!(
                "stack `{}` is in account {wanted}, and the credentials are those of account {account}",
                stack.name
            );
            return Err(Failure::error(message).help("use credentials of the stack's account"));
        }
        if let Some(source) = aws.credential_source() {
            tracing::info!("credentials: {}", escape(&source.to_string(), 400));
        }
        Ok(Self { aws, signed_in, emulator, ui })
    }

    /// Writing to AWS itself needs the place to be spelled out: the wrong account looks just like the
    /// right one at 3 a.m.
    pub(super) fn must_be_spelled_out(&self, stack: &Stack) -> Result<(), Failure> {
        if self.aws.local || (stack.account.is_some() && stack.region.is_some()) {
            return Ok(());
        }
        Err(Failure::refused(
            "changing a real account needs `account` and `region` in the Stack manifest",
            "add a document of kind Stack with `spec: { region: …, account: \"…\" }`",
        ))
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
            region: &self.aws.region,
            endpoint: self.aws.endpoint.as_deref(),
            identity: Some(&self.signed_in),
            calls: self.aws.gate.calls(),
        }
    }

    pub(super) fn frame<'a>(&'a self, command: &'a str, loaded: &'a Loaded) -> json::Frame<'a> {
        json::Frame {
            command,
            stack: Some(&loaded.stack),
            account: self.signed_in.account(),
            caller: self.signed_in.caller(),
            region: Some(&self.aws.region),
            endpoint: self.aws.endpoint.as_deref(),
            calls: self.aws.gate.calls(),
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
        let spinner = Spinner::new(self.ui, &self.aws.gate);
        let read = read(&self.aws, stack, desired, reading).await;
        spinner.finish();
        read.map_err(|error| unreadable(&error))
    }

    /// Plans, and plans again where nobody turns out to be connected to a stage with a session, or somebody
    /// to use what would be deleted.
    async fn plan(
        &self,
        loaded: &Loaded,
        mut observed: ObservedState,
        policy: &Policy,
    ) -> Result<(ObservedState, Plan), Failure> {
        let mut made = plan(&loaded.stack, &loaded.desired, &observed, policy);
        let failed = |error: ReadError| unreadable(&error);
        if look_up_sessions(&self.aws, &mut observed, made.sessions()).await.map_err(failed)? {
            made = plan(&loaded.stack, &loaded.desired, &observed, policy);
        }
        if look_up_users(&self.aws, &mut observed, made.doomed()).await.map_err(failed)? {
            made = plan(&loaded.stack, &loaded.desired, &observed, policy);
        }
        Ok((observed, made))
    }
}

fn unreadable(error: &ReadError) -> Failure {
    let failure = Failure::error(chain(error));
    match error.source.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Whose credentials are in force. One call a run: who plans should see which account it is about.
/// A stack that names no account can be read without knowing it.
async fn signed_in(aws: &Clients, stack: &Stack) -> Result<SignedIn, Failure> {
    match aws.identity().await {
        Ok(identity) => Ok(SignedIn::Known(identity)),
        Err(error) if stack.account.is_some() || error.class == Class::NoCredentials => {
            Err(account_unknown(&error))
        }
        Err(error) => Ok(SignedIn::Unknown(error.to_string())),
    }
}

fn account_unknown(error: &CloudError) -> Failure {
    let failure = Failure::error(format!("the account could not be determined: {error}"));
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// A plan, and all that it was made from.
pub(super) struct Session {
    pub(super) loaded: Loaded,
    pub(super) connection: Connection,
    pub(super) observed: ObservedState,
    pub(super) plan: Plan,
    policy: Policy,
    reading: Reading,
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
        loaded: Loaded,
        connection: Connection,
        policy: &Policy,
        full: bool,
    ) -> Result<Self, Failure> {
        let every_kind = policy.prune || policy.destroy;
        let reading = Reading { every_kind, full, strangers: false };
        let in_sight = policy.in_sight(&loaded.desired);
        let observed = connection.read(&loaded.stack, &in_sight, reading).await?;
        let (observed, plan) = connection.plan(&loaded, observed, policy).await?;
        Ok(Self { loaded, connection, observed, plan, policy: policy.clone(), reading })
    }

    /// Whether anything of the stack exists, of whatever kind: then it was applied before.
    pub(super) async fn was_applied(&self) -> Result<bool, Failure> {
        if !self.observed.owned.is_empty() {
            return Ok(true);
        }
        let everything = Reading { every_kind: true, full: false, strangers: false };
        let observed = self.connection.read(&self.loaded.stack, &[], everything).await?;
        Ok(!observed.owned.is_empty())
    }

    /// Whether everything the stack owns is to be deleted.
    pub(super) fn destroys(&self) -> bool {
        self.policy.destroy
    }

    /// Leaves only this part of a plan that deletes.
    pub(super) fn narrow(&mut self, selected: Selected) {
        self.policy.selected = Some(selected);
        self.plan = plan(&self.loaded.stack, &self.loaded.desired, &self.observed, &self.policy);
    }

    /// Consent to what is not there is a slip of the pen, or the run before has done it already; and manifests
    /// without a resource are a wrong folder. Said, and no reason to stop.
    pub(super) fn say_what_is_not_there(&self, ui: Ui) {
        if self.loaded.desired.is_empty() && !self.policy.destroy {
            ui.say("warning: the manifests declare no resource, so nothing is changed or pruned\n");
        }
        for allowed in &self.policy.allow_live {
            let declared = self.loaded.desired.iter().any(|it| it.address == *allowed);
            if !declared && !self.observed.owned.contains_key(allowed) {
                ui.say(&format!(
                    "warning: `--allow-live {}` names nothing of this stack\n",
                    escape(&allowed.to_string(), 200)
                ));
            }
        }
    }

    /// What there is to approve.
    pub(super) fn approval(&self, terms: Terms, inputs: Inputs) -> Result<Approval, Failure> {
        let Connection { aws, signed_in, .. } = &self.connection;
        let account = match signed_in {
            SignedIn::Known(identity) => identity.account.clone(),
            SignedIn::Unknown(why) => {
                let message = format!("a plan of an unknown account cannot be saved: {why}");
                return Err(
                    Failure::error(message).help("plan without `--out`, or make STS reachable")
                );
            }
        };
        let place = approval::Place {
            stack: self.loaded.stack.name.clone(),
            account,
            region: aws.region.clone(),
            endpoint: aws.endpoint.clone(),
        };
        Ok(Approval::of(&self.plan, &self.observed.addresses, place, terms, inputs))
    }

    /// Whether the account would still give the same plan: somebody may have been at it while a person
    /// was reading.
    pub(super) async fn still_holds(&self) -> Result<bool, Failure> {
        let in_sight = self.policy.in_sight(&self.loaded.desired);
        let observed = self.connection.read(&self.loaded.stack, &in_sight, self.reading).await?;
        let (_, again) = self.connection.plan(&self.loaded, observed, &self.policy).await?;
        Ok(again.does_the_same_as(&self.plan))
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
            let mut document = json::plan(&frame, &self.plan, None, &self.loaded.sources);
            if let Some(failure) = refused {
                document["status"] = serde_json::json!(Status::Blocked);
                document["error"] = json::error(&failure.message, failure.help.as_deref());
            }
            if !differences.is_empty() {
                document["differences"] = differences.into();
            }
            pretty(&document)
        } else if global.format == Format::Github {
            let status = if refused.is_some() { Status::Blocked } else { self.plan.status() };
            let counts = self.plan.summary().counts();
            crate::ui::output::github_counts(&self.loaded.stack.name, status.as_str(), &counts)
        } else if global.format == Format::Markdown {
            crate::ui::markdown::text(&self.plan, &self.connection.header(&self.loaded.stack))
        } else {
            let header = self.connection.header(&self.loaded.stack);
            crate::ui::plan::text(&self.plan, &header, &self.loaded.sources)
        };
        ui.answer(&text)?;
        Ok(())
    }

    /// Why nothing of this plan may be carried out, if so.
    pub(super) fn blocked(&self, confirmed_deletes: Option<usize>) -> Option<Failure> {
        if self.plan.status() == Status::Blocked {
            let step =
                self.plan.steps.iter().find(|it| {
                    matches!(it.decision, Decision::Blocked(_) | Decision::Unmanaged(_))
                });
            let message = match step {
                Some(step) => format!(
                    "{} must not be touched: {}",
                    step.address,
                    step.decision.reason().map(reason::text).unwrap_or_default()
                ),
                None => self.quota(),
            };
            return Some(Failure::refused(
                message,
                "nothing was written; see the plan for the whole list",
            ));
        }
        let refusal = self.plan.refusal(confirmed_deletes)?;
        let crate::plan::Refusal::UnconfirmedDeletes { deletes, of } = refusal;
        Some(Failure::refused(
            format!("this would delete {deletes} of {of} resources of the stack"),
            format!("if that is meant, add `--confirm-deletes {deletes}`"),
        ))
    }

    fn quota(&self) -> String {
        let found = self.plan.notes.iter().find_map(|note| match note {
            Note::Quota { kind, wanted, quota } => {
                Some(format!("{wanted} objects of kind {kind} do not fit into a quota of {quota}"))
            }
            Note::UndeclaredKeys { .. }
            | Note::Duplicate { .. }
            | Note::Ambiguous { .. }
            | Note::Selected(_)
            | Note::UnknownWord { .. }
            | Note::PossibleRename { .. }
            | Note::ManyDeletes { .. } => None,
        });
        found.unwrap_or_else(|| "the plan does not fit".to_owned())
    }
}
