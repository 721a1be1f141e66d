//! What is done for a Target: look at its source, wait for its wave and its queue, run a child, write the status.
//!
//! Never calls AWS itself, and never starts a child while another one works on the same account and region.

use crate::archive::Limits;
use crate::child::{Children, Credentials};
use crate::errors::Errors;
use crate::gate;
use crate::metrics::Metrics;
use crate::queues::Queues;
use crate::reason::Reason;
use crate::secrets::Handover;
use crate::source::{self, Source};
use crate::target::{self, Target};
use crate::verdict::{Ended, Verdict, Work};
use ivs_apply::fleet::Queue;
use ivs_apply::manifest::target::{Mode, TargetSpec};
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::Store;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The name under which the operator writes.
pub(crate) const MANAGER: &str = "ivs-apply-operator";

/// What every reconcile has.
pub(crate) struct Context {
    /// The API server.
    pub(crate) client: Client,
    /// The Targets as they were last seen.
    pub(crate) store: Store<DynamicObject>,
    /// How children are started.
    pub(crate) children: Children,
    /// One run at a time for an account and region.
    pub(crate) queues: Queues,
    /// Reconciles that the API server failed.
    pub(crate) errors: Errors,
    /// So many looks at the same time: each has a connection to the API server.
    pub(crate) looks: Semaphore,
    /// Counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Where Events go.
    pub(crate) events: Recorder,
    /// How often sources are looked at.
    pub(crate) look: Duration,
    /// What an artifact may have.
    pub(crate) limits: Limits,
    /// Whether a source may be in another namespace than its Target.
    pub(crate) other_namespaces: bool,
    /// Namespaces whose Targets may use the credentials of the operator.
    pub(crate) own_credentials: Vec<String>,
    /// Where children have their files.
    pub(crate) work: PathBuf,
}

/// What comes after the looks that cost nothing.
enum Next {
    /// Nothing to do now.
    Wait(Duration),
    /// This is to be said.
    Say(Verdict),
    /// A run.
    Run(Source),
}

/// Reconciles one Target.
pub(crate) async fn reconcile(
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    let result = reconcile_once(&object, &context).await;
    if result.is_ok() {
        context.errors.none(&uid(&object));
    }
    result
}

fn uid(object: &DynamicObject) -> String {
    object.metadata.uid.clone().unwrap_or_default()
}

async fn reconcile_once(object: &DynamicObject, context: &Context) -> Result<Action, kube::Error> {
    let seen = Target::of(object);
    if seen.is_deleted && !seen.has_finalizer {
        return Ok(Action::await_change());
    }
    if let Some(action) = context.keep_finalizer(&seen).await? {
        return Ok(action);
    }
    let spec = match &seen.spec {
        Ok(spec) if spec.suspend => return Ok(Action::await_change()),
        Ok(spec) => spec.clone(),
        Err(wrong) => {
            return context
                .say(
                    &seen,
                    &Verdict::new(Reason::InvalidSpec, format!("the spec is wrong: {wrong}")),
                )
                .await;
        }
    };
    match context.next(&seen, &spec).await {
        Next::Wait(time) => return Ok(Action::requeue(time)),
        Next::Say(verdict) => return context.say(&seen, &verdict).await,
        Next::Run(_) => {}
    }
    let queue = Queue { account: spec.account.clone(), region: spec.region.clone() };
    let began = Instant::now();
    let Some(_turn) = context.queues.turn(queue).await else { return Ok(Action::await_change()) };
    let waited = began.elapsed();
    // While it waited, everything may have changed; and the copy that it began with may have been an old one.
    let Some(fresh) = context.api(&seen.namespace).get_opt(&seen.name).await? else {
        return Ok(Action::await_change());
    };
    let fresh = Target::of(&fresh);
    if fresh.uid != seen.uid
        || fresh.generation != seen.generation
        || fresh.is_deleted != seen.is_deleted
    {
        // The watch brings what changed, at once where it is in order.
        return Ok(Action::requeue(context.look));
    }
    let source = match context.next(&fresh, &spec).await {
        Next::Wait(time) => return Ok(Action::requeue(time)),
        Next::Say(verdict) => return context.say(&fresh, &verdict).await,
        Next::Run(source) => source,
    };
    context.run(&fresh, &spec, &source, waited).await
}

impl Context {
    pub(crate) fn api(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &target::resource())
    }

    /// Whether a child is to be run now. Costs no call to AWS.
    async fn next(&self, target: &Target, spec: &TargetSpec) -> Next {
        let status = &target.status;
        let Some(reference) = &spec.manifests.source_ref else { return Next::Wait(self.look) };
        let look = async {
            let _place = self.looks.acquire().await;
            source::look(&self.client, target, reference, self.other_namespaces).await
        };
        let looked = look.await;
        self.metrics.looks.fetch_add(1, Ordering::Relaxed);
        let source = match looked {
            Ok(source) => source,
            Err(verdict) => return Next::Say(verdict),
        };
        let left = status.next_check.map_or(Duration::ZERO, |it| {
            Duration::try_from(it.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
        });
        let is_same = status.observed_generation == target.generation
            && status.revision.as_deref() == Some(&source.revision)
            && status.handled == target.handled;
        if is_same && !left.is_zero() {
            return Next::Wait(left.min(self.look));
        }
        let others: Vec<Target> = self.store.state().iter().map(|it| Target::of(it)).collect();
        if let Some(stack) = target.stack() {
            let older = others.iter().find(|it| {
                it.uid != target.uid
                    && it.stack().as_ref() == Some(&stack)
                    && target.is_younger_than(it)
            });
            if let Some(older) = older.filter(|_| !target.is_deleted) {
                let message = format!(
                    "the Target {} has the same account, region and stack, and is older: delete one of the two",
                    older.key()
                );
                return Next::Say(Verdict::new(Reason::Duplicate, message));
            }
        }
        // The wave counts for what is new; a revision that had its turn is compared and repaired whatever the others do.
        let is_new = status.revision.as_deref() != Some(&source.revision);
        if spec.mode == Mode::Apply && !target.is_deleted && is_new {
            let members: Vec<gate::Member> = others.iter().filter_map(Target::member).collect();
            let name = target.source().unwrap_or_default();
            let waits: Vec<&str> = gate::waits_for(&name, spec.wave, &source.revision, &members);
            if let Some(first) = waits.first() {
                let message = format!(
                    "{} Targets of earlier waves are not ready at revision {}, such as {first}",
                    waits.len(),
                    source.revision
                );
                return Next::Say(Verdict::new(Reason::WaitingForWave, message));
            }
        }
        Next::Run(source)
    }

    /// Writes the files of a child, runs it, and writes what it came to.
    async fn run(
        &self,
        target: &Target,
        spec: &TargetSpec,
        source: &Source,
        waited: Duration,
    ) -> Result<Action, kube::Error> {
        let folder = match tempfile::Builder::new().prefix("run-").tempdir_in(&self.work) {
            Ok(folder) => folder,
            Err(error) => return self.say(target, &unwritable(&error)).await,
        };
        let files = folder.path().join("source");
        if let Err(error) = tokio::fs::create_dir(&files).await {
            return self.say(target, &unwritable(&error)).await;
        }
        if let Err(verdict) = source.write(&files, self.limits).await {
            let ended = Ended::default();
            return self.record(target, Work::Observe, &ended, &verdict, &source.revision).await;
        }
        let credentials = match self.credentials(target, spec, folder.path()).await {
            Ok(credentials) => credentials,
            Err(verdict) => return self.say(target, &verdict).await,
        };
        let document = target::document(target, spec, "source").to_string();
        if let Err(error) = tokio::fs::write(folder.path().join("target.yaml"), document).await {
            return self.say(target, &unwritable(&error)).await;
        }
        let work = match (target.is_deleted, spec.mode) {
            (true, _) => Work::CountDeletes,
            (false, Mode::Apply) => Work::Apply,
            (false, Mode::Observe) => Work::Observe,
        };
        let Some(mut ended) = self.child(target, work, folder.path(), &credentials, waited).await?
        else {
            return Ok(Action::await_change());
        };
        let mut work = work;
        let mut verdict = Verdict::of(work, &ended);
        if let Some(secret) = &spec.write_secrets_to
            && work == Work::Apply
            && verdict.reason.is_ready()
        {
            match self.hand_over(target, &secret.name, folder.path(), &credentials).await {
                Handover::Done => {}
                Handover::Missing(why) => verdict = why,
                Handover::Stopped => return Ok(Action::await_change()),
            }
        }
        if work == Work::CountDeletes && verdict.reason == Reason::ConfirmDeletes {
            let count = ended.answer.as_ref().map_or(0, |it| it.count("delete"));
            let deferred = ended.answer.as_ref().map_or(0, |it| it.count("deferred"));
            if count + deferred == 0 && ended.code == Some(0) {
                return self.forget(target).await;
            }
            if target.confirmed.as_deref() == Some(count.to_string().as_str()) {
                work = Work::Destroy(count);
                let Some(second) =
                    self.child(target, work, folder.path(), &credentials, Duration::ZERO).await?
                else {
                    return Ok(Action::await_change());
                };
                ended = second;
                verdict = Verdict::of(work, &ended);
                if ended.code == Some(0) && verdict.reason == Reason::Applied {
                    return self.forget(target).await;
                }
            }
        }
        self.record(target, work, &ended, &verdict, &source.revision).await
    }

    async fn child(
        &self,
        target: &Target,
        work: Work,
        folder: &Path,
        credentials: &Credentials,
        waited: Duration,
    ) -> Result<Option<Ended>, kube::Error> {
        let ended = match self.children.run(work, folder, credentials).await {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, target = target.key(), "the child could not be run");
                Some(Ended::default())
            }
        };
        if let Some(ended) = &ended {
            let calls = ended.answer.as_ref().map_or(0, |it| it.calls.values().sum());
            self.metrics.ran(work.command(), ended.code, calls, waited);
        }
        Ok(ended)
    }
}

/// The work folder cannot be written.
pub(crate) fn unwritable(error: &std::io::Error) -> Verdict {
    Verdict::new(
        Reason::SourceNotReady,
        format!("the work folder of the operator cannot be written: {error}"),
    )
}

/// What is done where the API server did not take a request. A run may have come before it, so that it is not tried again at once.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(crate) fn after_error(
    object: Arc<DynamicObject>,
    error: &kube::Error,
    context: Arc<Context>,
) -> Action {
    let value: Value =
        json!({ "namespace": object.metadata.namespace, "name": object.metadata.name });
    let wait = context.errors.one_more(&uid(&object));
    tracing::warn!(%error, target = %value, seconds = wait.as_secs(), "the reconcile failed; it is tried again");
    Action::requeue(wait)
}
