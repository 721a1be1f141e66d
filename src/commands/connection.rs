//! The connection of a command to its account, on AWS or emulated in this process. Plans and writes nothing.

use super::failure::{Failure, chain, failed, refused};
use crate::aws::{Clients, ConnectError, Endpoints, RoleToAssume, Target};
use crate::cli::{Global, variable};
use crate::cloud::{Reading, read};
use crate::emulator::{Emulator, Settings};
use crate::engine;
use crate::kinds::{Desired, ObservedState, Stack};
use crate::manifest::{self, Loaded};
use crate::ui::escape::escape;
use crate::ui::events::Events;
use crate::ui::plan::Header;
use crate::ui::progress::Spinner;
use crate::ui::{Ui, diagnostic, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// An account to work on.
pub(super) struct Connection {
    pub(super) session: engine::Session,
    emulator: Option<Emulator>,
    /// What the run tells to other programs.
    pub(super) events: Events,
    pub(super) ui: Ui,
}

/// What the command line and the environment say about AWS.
fn target(global: &Global) -> Target {
    Target {
        sdk_config: None,
        region: global.region.clone(),
        profile: global.profile.clone(),
        profile_variable: variable("AWS_PROFILE"),
        keys_in_environment: variable("AWS_ACCESS_KEY_ID").is_some(),
        endpoint_url: global.endpoint_url.clone(),
        role: global.at.as_ref().and_then(|it| role(it)),
        emulated_account: None,
        rates: global.rates(),
        shared: None,
        in_process: None,
        clock: None,
    }
}

/// The region that the command line, the variables or the Stack name, for a run that is not connected yet.
pub(super) fn region_named(global: &Global, stack: Option<&Stack>) -> Option<String> {
    let of_stack = stack.and_then(|it| it.region.clone());
    let of_variables = || ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(variable);
    global.region.clone().or_else(|| match global.emulator_file() {
        Some(_) => of_stack.or_else(of_variables),
        None => of_variables().or(of_stack),
    })
}

/// The role that a Target names.
fn role(target: &manifest::target::Target) -> Option<RoleToAssume> {
    let role = target.spec.role.as_ref()?;
    Some(RoleToAssume {
        arn: role.arn.clone(),
        session_name: target.session_name(),
        external_id: role.external_id.clone(),
    })
}

/// The stack with the account and region of the Target, which the connection must have also where no manifests are read.
fn guarded<'a>(global: &Global, stack: &'a Stack) -> Cow<'a, Stack> {
    let mut stack = Cow::Borrowed(stack);
    if let Some(target) = &global.at {
        let own = stack.to_mut();
        own.account = Some(target.spec.account.clone());
        own.region = Some(target.spec.region.clone());
    }
    stack
}

/// The account of a run, before the run knows its stack.
pub(super) enum Account {
    /// The clients of an account on AWS.
    Aws(Box<Clients>),
    /// An emulated account, with its state in this file.
    Emulated(PathBuf),
}

impl Account {
    /// The account of a run with this command line and these manifests, if it reads any. Sends nothing, apart from what a
    /// source of credentials needs, and opens no emulator.
    pub(super) async fn of(global: &Global, loaded: Option<&Loaded>) -> Result<Self, Failure> {
        if let Some(file) = global.emulator_file() {
            return Ok(Self::Emulated(file.to_owned()));
        }
        match engine::connect(&target(global)).await {
            Ok(clients) => Ok(Self::Aws(Box::new(clients))),
            Err(ConnectError::NoRegion) => Err(no_region(loaded)),
            Err(error) => Err(failed(&error.into())),
        }
    }

    /// Where the requests of the run go.
    pub(super) fn endpoints(&self) -> &Endpoints {
        match self {
            Self::Aws(clients) => &clients.endpoints,
            Self::Emulated(_) => &Endpoints::Emulator,
        }
    }
}

/// No region is configured. That of the Stack is compared with the configured one, and never taken for it: the reader is
/// told where it stands, and what to type.
fn no_region(loaded: Option<&Loaded>) -> Failure {
    let failure = failed(&ConnectError::NoRegion.into());
    let named = loaded.and_then(|it| Some((&it.stack.name, it.stack.region.as_ref()?, it)));
    let Some((name, region, loaded)) = named else { return failure };
    let at = loaded.region_at().map(|it| format!(" (`{it}`)")).unwrap_or_default();
    Failure::error(format!(
        "{}, and the Stack `{name}` is in {region}{at}",
        failure.message
    ))
    .help(format!(
        "give `--region {region}`, or set `AWS_REGION={region}`: a Stack says which region a run must have, and chooses none"
    ))
}

/// Opens the emulated account in `file`, or a new one, with its clients.
async fn emulated(
    file: &Path,
    global: &Global,
    stack: &Stack,
) -> Result<(Emulator, Clients), Failure> {
    // An emulated account of a Target is one of several in the file, which are entered by a role or by a key.
    let own = stack.account.clone().filter(|_| global.at.is_none());
    let account = own.unwrap_or_else(|| Settings::default().account);
    let settings = Settings { account, ..Settings::default() };
    let opened = Emulator::open(file, settings);
    let emulator = opened.map_err(|error| Failure::error(chain(&error)))?;
    let target = Target {
        region: global.region.clone().or_else(|| stack.region.clone()),
        emulated_account: global.at.as_ref().map(|it| it.spec.account.clone()),
        in_process: Some(emulator.http_client()),
        clock: Some(emulator.time_source()),
        ..target(global)
    };
    let clients = engine::connect(&target).await.map_err(|error| failed(&error.into()))?;
    Ok((emulator, clients))
}

impl Connection {
    /// Connects, and makes sure that it is to where the stack of the manifests belongs, before any call to IVS.
    pub(super) async fn open(global: &Global, loaded: &Loaded, ui: Ui) -> Result<Self, Failure> {
        Self::open_at(Account::of(global, Some(loaded)).await?, global, &loaded.stack, ui).await
    }

    /// The same at an account that is known already.
    pub(super) async fn open_at(
        account: Account,
        global: &Global,
        stack: &Stack,
        ui: Ui,
    ) -> Result<Self, Failure> {
        let (clients, emulator) = match account {
            Account::Aws(clients) => (*clients, None),
            Account::Emulated(file) => {
                let (emulator, clients) = emulated(&file, global, stack).await?;
                (clients, Some(emulator))
            }
        };
        let guarded = guarded(global, stack);
        let session = engine::Session::with(clients, &guarded).await;
        let session = session.map_err(|it| failed(&it))?;
        if let Some(conflict) = &session.aws.source_conflict {
            ui.say(&format!("warning: {}\n", escape(&conflict.to_string(), 400)));
        }
        if let Some(source) = session.aws.credential_source() {
            tracing::info!("credentials: {}", escape(&source.to_string(), 400));
        }
        if let Some(RoleToAssume { arn, session_name, .. }) =
            global.at.as_ref().and_then(|it| role(it))
        {
            tracing::info!("role: {} as session {}", escape(&arn, 400), escape(&session_name, 100));
        }
        Ok(Self { session, emulator, events: Events::default(), ui })
    }

    /// The same, and the events of the run are told from now on.
    pub(super) fn telling(self, events: &Events, stack: &Stack) -> Self {
        events.started(&self.header(stack), &self.aws().gate);
        Self { events: events.clone(), ..self }
    }

    /// The clients of the account.
    pub(super) fn aws(&self) -> &Clients {
        &self.session.aws
    }

    /// Writing to AWS needs account and region in the stack.
    pub(super) fn may_write(&self, stack: &Stack) -> Result<(), Failure> {
        self.session.may_write(stack).map_err(refused)
    }

    /// Saves the state of an emulated account.
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
            stack: Some(&loaded.stack.name),
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
