//! What plan, apply, drift, destroy, export and graph have in common: load, connect, check, read, plan.

use super::answer::{frame_of, printed};
use super::connection::{Connection, region_named};
use super::failure::{Failure, failed, refused};
use super::lock;
use crate::cli::{ExitCode, Format, Global};
use crate::engine::{Planned, RunLock};
use crate::manifest::{self, Loaded, StandardInput};
use crate::plan::approval::Inputs;
use crate::plan::{Approval, Difference, Policy, Status, Terms};
use crate::ui::escape::escape;
use crate::ui::events::Events;
use crate::ui::html::{self, Ran};
use crate::ui::progress::Spinner;
use crate::ui::{Ui, diagnostic, json};

/// Manifests that are in order.
pub(super) fn load(
    command: &str,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<Loaded, ExitCode> {
    let folder = global.stdin_folder.as_deref();
    let stdin = StandardInput { text: &mut std::io::stdin(), folder };
    let given = global.given_values();
    let mut loaded = {
        let stack = global.stack.as_deref();
        manifest::load_for(&global.paths(), stdin, stack, &given, global.at.as_deref())
    };
    if global.deny_warnings {
        loaded.report.deny_warnings();
    }
    events.record.checked(&loaded, region_named(global, Some(&loaded.stack)));
    if !loaded.report.is_empty() {
        ui.say(&diagnostic::text(&loaded.report, &loaded.sources, ui.colours_talk()));
    }
    if loaded.report.has_errors() {
        if global.format == Format::Json {
            let mut frame = frame_of(command);
            let region = region_named(global, Some(&loaded.stack));
            frame.stack = loaded.known_stack();
            frame.region = region.as_deref();
            frame.diagnostics = diagnostic::json(&loaded.report, &loaded.sources);
            let document = json::checked(&frame, loaded.desired.len(), true);
            let _ = ui.answer(&printed(&document, global));
        }
        if global.format == Format::Html {
            let told = diagnostic::text(&loaded.report, &loaded.sources, false);
            let message = "the manifests are not valid";
            let _ = ui.answer(&html::failure(command, message, Some(&told)));
        }
        return Err(ExitCode::Error);
    }
    Ok(loaded)
}

/// Whether a plan shows where the manifest of each step is.
pub(super) fn places(global: &Global) -> bool {
    global.verbose > 0
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
        events: &Events,
        ui: Ui,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(global, &loaded, ui).await?;
        let connection = connection.telling(events, &loaded.stack);
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
                    "warning: `--allow-live {}` matches no resource of this stack\n",
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

    /// Whether the account would still give the same plan: it may have changed while the plan was read.
    pub(super) async fn still_holds(&self) -> Result<bool, Failure> {
        let spinner = Spinner::new(self.connection.ui, &self.connection.aws().gate);
        let holds = self.planned.still_holds(&self.connection.session).await;
        spinner.finish();
        holds.map_err(|it| failed(&it))
    }

    /// Tells other programs what the plan comes to.
    pub(super) fn tell(&self) {
        let Self { loaded, connection, planned } = self;
        let header = connection.header(&loaded.stack);
        connection.events.compared(&planned.plan, &planned.observed);
        connection.events.planned(&planned.plan);
        connection.events.steps(&planned.plan);
        connection.events.record.planned(&planned.plan, &header, &loaded.sources);
    }

    /// The plan in the form that was asked for.
    pub(super) fn show(&self, command: &str, global: &Global, ui: Ui) -> Result<(), Failure> {
        self.show_refused(command, None, &[], global, ui)
    }

    /// The plan, and why nothing of it was carried out; for a saved one, in what it differs. What is written from the
    /// record of the run comes at its end.
    pub(super) fn show_refused(
        &self,
        command: &str,
        refused: Option<&Failure>,
        differences: &[Difference],
        global: &Global,
        ui: Ui,
    ) -> Result<(), Failure> {
        if matches!(global.format, Format::Github | Format::Markdown) {
            return Ok(());
        }
        let text = if global.format == Format::Json {
            let frame = self.connection.frame(command, &self.loaded);
            let mut document = json::plan(&frame, &self.planned.plan, None, &self.loaded.sources);
            if let Some(failure) = refused {
                document["status"] = serde_json::json!(Status::Blocked);
                document["error"] = json::error(&failure.message, failure.help.as_deref());
            }
            if !differences.is_empty() {
                document["differences"] = json::differences(differences);
            }
            printed(&document, global)
        } else if global.format == Format::Html {
            let ran = refused.map_or(Ran::Planned, |it| Ran::Refused {
                message: &it.message,
                help: it.help.as_deref(),
            });
            self.page(command, ran, differences)
        } else {
            let header = self.connection.header(&self.loaded.stack);
            let sources = &self.loaded.sources;
            crate::ui::plan::text(&self.planned.plan, &header, sources, places(global))
        };
        ui.answer(&text)?;
        Ok(())
    }

    /// The plan as an HTML page, and what became of it.
    pub(super) fn page(&self, command: &str, ran: Ran<'_>, differences: &[Difference]) -> String {
        let Planned { plan, desired, observed, .. } = &self.planned;
        let report = html::Report {
            command,
            header: &self.connection.header(&self.loaded.stack),
            sources: &self.loaded.sources,
            read_at: observed.as_of,
        };
        html::plan(plan, &report, desired, ran, differences)
    }

    /// Why nothing of this plan may be applied, if so.
    pub(super) fn refused(
        &self,
        lock: &RunLock,
        confirmed_deletes: Option<usize>,
    ) -> Option<Failure> {
        self.planned.refusal(&self.connection.session, lock, confirmed_deletes).map(refused)
    }
}
