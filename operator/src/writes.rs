//! What the operator writes to a Target: its finalizer, its status, and an Event where the reason has changed.
//!
//! Never writes a spec, and nothing where the status says the same already.

use crate::reconcile::{Context, MANAGER};
use crate::status::{Now, TargetStatus};
use crate::target::{self, FINALIZER, Target};
use crate::verdict::{Ended, Verdict, Work};
use jiff::Timestamp;
use kube::Resource as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use std::time::Duration;

impl Context {
    /// Adds the finalizer where the deletion deletes the stack, and takes it away where it does not any more: that is the way
    /// out of a deletion that cannot be confirmed.
    pub(crate) async fn keep_finalizer(
        &self,
        target: &Target,
    ) -> Result<Option<Action>, kube::Error> {
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
    pub(crate) async fn forget(&self, target: &Target) -> Result<Action, kube::Error> {
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
    pub(crate) async fn say(
        &self,
        target: &Target,
        verdict: &Verdict,
    ) -> Result<Action, kube::Error> {
        let next = target.status.with(verdict, &Self::now(target));
        self.write(target, &next).await?;
        Ok(Action::requeue(self.look))
    }

    /// Says what a run led to.
    pub(crate) async fn record(
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
