//! What is done for a Target: look at its source, wait for its wave and its queue, run a child, write the status.
//!
//! Never calls AWS itself, and never starts a child while another one works on the same account and region.

use crate::archive::Limits;
use crate::child::{Children, Credentials};
use crate::gate;
use crate::metrics::Metrics;
use crate::source::{self, Source};
use crate::status::{Ended, Now, Reason, TargetStatus, Verdict, Work};
use crate::target::{self, FINALIZER, Target};
use ivs_apply::fleet::Queue;
use ivs_apply::manifest::target::{Mode, TargetSpec};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::Store;
use kube::{Client, Resource as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// The name under which the operator writes.
pub(crate) const MANAGER: &str = "ivs-apply-operator";

/// The audience of tokens for AWS.
const AUDIENCE: &str = "sts.amazonaws.com";

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

/// The queues: one run at a time for an account and region, and so many in all.
pub(crate) struct Queues {
    queues: Mutex<BTreeMap<Queue, Arc<tokio::sync::Mutex<()>>>>,
    all: Arc<Semaphore>,
}

impl Queues {
    /// So many runs at the same time.
    pub(crate) fn new(parallel: usize) -> Self {
        Self { queues: Mutex::default(), all: Arc::new(Semaphore::new(parallel)) }
    }

    /// Waits for the turn of a run. One that waits for its queue takes no place of others.
    async fn turn(&self, queue: Queue) -> Option<(OwnedMutexGuard<()>, OwnedSemaphorePermit)> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            // One that nobody holds or waits for is forgotten.
            queues.retain(|_, it| Arc::strong_count(it) > 1);
            Arc::clone(queues.entry(queue).or_default())
        };
        let turn = queue.lock_owned().await;
        Some((turn, Arc::clone(&self.all).acquire_owned().await.ok()?))
    }
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
    let seen = Target::of(&object);
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
        return Ok(Action::requeue(Duration::from_millis(10)));
    }
    let source = match context.next(&fresh, &spec).await {
        Next::Wait(time) => return Ok(Action::requeue(time)),
        Next::Say(verdict) => return context.say(&fresh, &verdict).await,
        Next::Run(source) => source,
    };
    context.run(&fresh, &spec, &source, waited).await
}

impl Context {
    fn api(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &target::resource())
    }

    /// Whether a child is to be run now. Costs no call to AWS.
    async fn next(&self, target: &Target, spec: &TargetSpec) -> Next {
        let status = &target.status;
        let Some(reference) = &spec.manifests.source_ref else { return Next::Wait(self.look) };
        let source =
            match source::look(&self.client, target, reference, self.other_namespaces).await {
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
        folder: &std::path::Path,
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
            self.metrics.ran(work, ended.code, calls, waited);
        }
        Ok(ended)
    }

    /// Whose credentials the child of a Target has: those that its service account leads to, and the operator's own only in
    /// namespaces that the operator was started with.
    async fn credentials(
        &self,
        target: &Target,
        spec: &TargetSpec,
        folder: &std::path::Path,
    ) -> Result<Credentials, Verdict> {
        let refused = |message: String| Verdict::new(Reason::NoCredentials, message);
        let (Some(account), Some(role)) = (&spec.service_account_name, &spec.role) else {
            if self.own_credentials.iter().any(|it| it == "*" || *it == target.namespace) {
                return Ok(Credentials::Own);
            }
            return Err(refused(format!(
                "spec.serviceAccountName is missing, and namespace {} is not in --own-credentials: name a service account and a role \
                 that trusts it",
                target.namespace
            )));
        };
        let seconds =
            i64::try_from(self.children.timeout.as_secs().saturating_add(600)).unwrap_or(i64::MAX);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![AUDIENCE.to_owned()],
                expiration_seconds: Some(seconds.clamp(600, 86_400)),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &target.namespace);
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await;
        let token = match answer {
            Ok(answer) => answer.status.map(|it| it.token).unwrap_or_default(),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(refused(format!(
                    "the service account {account} does not exist: create it"
                )));
            }
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Err(refused(format!(
                    "the operator may not request a token of {account}: bind the ClusterRole ivs-apply-operator-tenant to it in that namespace"
                )));
            }
            Err(error) => {
                return Err(refused(format!(
                    "a token of {account} could not be requested: {error}"
                )));
            }
        };
        let file = folder.join("token");
        write_private(&file, token).await.map_err(|error| unwritable(&error))?;
        let session =
            role.session_name.clone().unwrap_or_else(|| format!("ivs-apply-{}", target.name));
        Ok(Credentials::Token {
            file,
            role: role.arn.clone(),
            session: session.chars().take(64).collect(),
        })
    }

    /// Adds the finalizer where the deletion deletes the stack, and takes it away where it does not any more: that is the way
    /// out of a deletion that cannot be confirmed.
    async fn keep_finalizer(&self, target: &Target) -> Result<Option<Action>, kube::Error> {
        match (target.destroys, target.has_finalizer) {
            (true, false) if !target.is_deleted => {
                self.set_finalizer(target, true).await.map(|()| None)
            }
            (false, true) => {
                self.set_finalizer(target, false).await?;
                Ok(target.is_deleted.then(Action::await_change))
            }
            _ => Ok(None),
        }
    }

    async fn set_finalizer(&self, target: &Target, wanted: bool) -> Result<(), kube::Error> {
        let api = self.api(&target.namespace);
        let Some(mut fresh) = api.get_opt(&target.name).await? else { return Ok(()) };
        if fresh.metadata.uid.as_deref() != Some(&target.uid) {
            return Ok(());
        }
        let finalizers = fresh.metadata.finalizers.get_or_insert_default();
        finalizers.retain(|it| it != FINALIZER);
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        }
        // With the version that was read: finalizers of others that came meanwhile are a conflict and not lost.
        let patch = json!({ "metadata": { "resourceVersion": fresh.metadata.resource_version, "finalizers": fresh.metadata.finalizers } });
        match api.patch(&target.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets a Target go, whose stack is deleted.
    async fn forget(&self, target: &Target) -> Result<Action, kube::Error> {
        self.set_finalizer(target, false).await?;
        Ok(Action::await_change())
    }

    fn now(target: &Target) -> Now {
        // Kubernetes has times of whole seconds.
        let time = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        Now {
            time,
            generation: target.generation,
            handled: target.handled.clone(),
            interval: target.interval(),
        }
    }

    /// Says what no run led to. Nothing is written where the status says so already.
    async fn say(&self, target: &Target, verdict: &Verdict) -> Result<Action, kube::Error> {
        let next = target.status.with(verdict, &Self::now(target));
        self.write(target, &next).await?;
        Ok(Action::requeue(self.look))
    }

    /// Says what a run led to.
    async fn record(
        &self,
        target: &Target,
        work: Work,
        ended: &Ended,
        verdict: &Verdict,
        revision: &str,
    ) -> Result<Action, kube::Error> {
        let now = Self::now(target);
        let next = target.status.after(work, ended, verdict, revision, &now);
        let left = next
            .next_check
            .map(|it| Duration::try_from(it.duration_since(now.time)).unwrap_or(self.look));
        self.write_always(target, &next).await?;
        Ok(Action::requeue(left.map_or(self.look, |it| it.min(self.look))))
    }

    async fn write(&self, target: &Target, next: &TargetStatus) -> Result<(), kube::Error> {
        if target.status.says_the_same(next) {
            Ok(())
        } else {
            self.write_always(target, next).await
        }
    }

    async fn write_always(&self, target: &Target, next: &TargetStatus) -> Result<(), kube::Error> {
        let patch = json!({
            "apiVersion": "ivs-apply.dev/v1", "kind": "Target",
            "metadata": { "name": target.name, "uid": target.uid }, "status": next,
        });
        let params = PatchParams::apply(MANAGER).force();
        match self
            .api(&target.namespace)
            .patch_status(&target.name, &params, &Patch::Apply(patch))
            .await
        {
            Ok(object) => self.tell(target, next, &object).await,
            // It was deleted meanwhile, or another one has its name now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// An Event where the reason has changed.
    async fn tell(&self, target: &Target, next: &TargetStatus, object: &DynamicObject) {
        let Some(ready) = next.condition("Ready") else { return };
        if target.status.reason() == Some(&ready.reason) {
            return;
        }
        let is_bad = ready.status != "True" && next.condition("Reconciling").is_none();
        let event = Event {
            type_: if is_bad { EventType::Warning } else { EventType::Normal },
            reason: ready.reason.clone(),
            note: Some(ready.message.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) =
            self.events.publish(&event, &object.object_ref(&target::resource())).await
        {
            tracing::warn!(%error, target = target.key(), "the Event was not written");
        }
    }
}

fn unwritable(error: &std::io::Error) -> Verdict {
    Verdict::new(
        Reason::SourceNotReady,
        format!("the work folder of the operator cannot be written: {error}"),
    )
}

/// Writes a file that only the operator may read.
async fn write_private(file: &std::path::Path, text: String) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt as _;
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(file).await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await
}

/// What is done where the API server did not take a request.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(crate) fn after_error(
    object: Arc<DynamicObject>,
    error: &kube::Error,
    _: Arc<Context>,
) -> Action {
    let value: Value =
        json!({ "namespace": object.metadata.namespace, "name": object.metadata.name });
    tracing::warn!(%error, target = %value, "the reconcile failed");
    Action::requeue(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_queue_has_one_run_at_a_time_and_all_of_them_so_many() {
        let queues = Arc::new(Queues::new(3));
        let running: Arc<Vec<AtomicUsize>> =
            Arc::new((0..6).map(|_| AtomicUsize::new(0)).collect());
        let most = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for it in 0..60 {
            let (queues, running, most) =
                (Arc::clone(&queues), Arc::clone(&running), Arc::clone(&most));
            tasks.spawn(async move {
                let queue = Queue { account: (it % 6).to_string(), region: "r".to_owned() };
                let _turn = queues.turn(queue).await.expect("open");
                assert_eq!(
                    running[it % 6].fetch_add(1, Ordering::SeqCst),
                    0,
                    "two runs in one queue"
                );
                let all = running.iter().map(|it| it.load(Ordering::SeqCst)).sum();
                most.fetch_max(all, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running[it % 6].fetch_sub(1, Ordering::SeqCst);
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no run fails");
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
        let _turn = queues.turn(Queue { account: "9".to_owned(), region: "r".to_owned() }).await;
        assert_eq!(
            queues.queues.lock().expect("not poisoned").len(),
            1,
            "queues that nobody uses are forgotten"
        );
    }
}
