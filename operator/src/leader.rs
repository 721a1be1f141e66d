//! The Lease in the cluster: taking it, renewing it, giving it back. What to do is decided in `lease`.

use crate::child::{self, Phase};
use crate::lease::{Decision, Seen, Times, decide};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The name of the Lease.
const NAME: &str = "ivs-apply-operator";

/// One operator in the election.
#[derive(Debug)]
pub(crate) struct Election {
    leases: Api<Lease>,
    me: String,
    times: Times,
    began: Instant,
    seen: Option<Seen>,
    lease: Option<Lease>,
    renewed: Option<Duration>,
}

/// Why an operator leads no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// It was told to end, and gave the Lease back.
    Ended,
    /// It lost the Lease, or could not renew it in time.
    Lost,
}

impl Election {
    /// Enters the election. Every process has a name of its own, so that none takes the Lease of another for its own.
    pub(crate) fn new(client: Client, namespace: &str, me: String, times: Times) -> Self {
        let leases = Api::namespaced(client, namespace);
        Self { leases, me, times, began: Instant::now(), seen: None, lease: None, renewed: None }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Looks at the Lease.
    async fn look(&mut self) -> kube::Result<()> {
        let found = self.leases.get_opt(NAME).await?;
        let now = self.now();
        self.seen = found.as_ref().map(|lease| {
            let holder = lease
                .spec
                .as_ref()
                .and_then(|it| it.holder_identity.clone())
                .filter(|it| !it.is_empty());
            Seen::after(
                self.seen.take(),
                holder,
                lease.metadata.resource_version.clone().unwrap_or_default(),
                now,
            )
        });
        self.lease = found;
        Ok(())
    }

    /// Writes the Lease over the version that was seen, and nothing else. Its time counts from before the request.
    async fn write(&mut self, holder: Option<String>) -> kube::Result<()> {
        let began = self.now();
        let is_mine = holder.is_some();
        let before = self.lease.clone().unwrap_or_default();
        let spec = before.spec.unwrap_or_default();
        let now = MicroTime(jiff::Timestamp::now());
        let changes = spec.holder_identity != holder;
        let seconds = i32::try_from(self.times.expires.as_secs()).unwrap_or(i32::MAX);
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                resource_version: before.metadata.resource_version,
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: holder,
                lease_duration_seconds: Some(seconds),
                acquire_time: if changes { Some(now.clone()) } else { spec.acquire_time },
                renew_time: Some(now),
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(changes)),
                ..LeaseSpec::default()
            }),
        };
        let written = match &self.lease {
            None => self.leases.create(&PostParams::default(), &lease).await?,
            Some(_) => self.leases.replace(NAME, &PostParams::default(), &lease).await?,
        };
        let version = written.metadata.resource_version.clone().unwrap_or_default();
        let holder = written.spec.as_ref().and_then(|it| it.holder_identity.clone());
        let now = self.now();
        self.seen = Some(Seen::after(None, holder, version, now));
        self.lease = Some(written);
        self.renewed = is_mine.then_some(began);
        Ok(())
    }

    /// Waits until this operator leads; `false` where it is told to end before.
    pub(crate) async fn win(&mut self, mut end: watch::Receiver<bool>) -> bool {
        let pause = self.times.renew / 2;
        loop {
            // A request that is never answered must not keep an operator from asking again.
            match tokio::time::timeout(self.times.renew, self.look()).await {
                Ok(Ok(())) => {
                    let decision =
                        decide(self.seen.as_ref(), &self.me, None, self.now(), self.times);
                    if decision == Decision::Acquire {
                        // Late is lost: the time of the Lease counts from before the request, and is needed for the work.
                        match tokio::time::timeout(
                            self.times.renew,
                            self.write(Some(self.me.clone())),
                        )
                        .await
                        {
                            Ok(Ok(())) => return true,
                            Ok(Err(error)) => {
                                tracing::info!(%error, "the Lease went to another operator");
                            }
                            Err(_) => tracing::warn!("writing the Lease took too long"),
                        }
                    }
                }
                Ok(Err(error)) => tracing::warn!(%error, "the Lease cannot be read"),
                Err(_) => tracing::warn!("reading the Lease took too long"),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = end.wait_for(|it| *it) => return false,
            }
        }
    }

    /// Renews the Lease until it is lost or the operator is told to end, and ends all children then.
    pub(crate) async fn keep(
        &mut self,
        mut end: watch::Receiver<bool>,
        phase: &watch::Sender<Phase>,
    ) -> Over {
        let mut pause = self.times.renew;
        let mut ending: Option<Instant> = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = end.wait_for(|it| *it), if ending.is_none() => {
                    ending = Some(Instant::now());
                    phase.send_replace(Phase::End);
                }
            }
            // Children that are told to end finish what they have sent; the Lease is kept meanwhile.
            if let Some(since) = ending {
                let is_none_left = phase.receiver_count() <= 1;
                if is_none_left || since.elapsed() > Duration::from_secs(30) {
                    phase.send_replace(Phase::Kill);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    match tokio::time::timeout(self.times.renew, self.write(None)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            tracing::info!(%error, "the Lease was not given back; it expires");
                        }
                        Err(_) => tracing::info!("the Lease was not given back; it expires"),
                    }
                    return Over::Ended;
                }
                pause = Duration::from_millis(200);
            }
            if decide(self.seen.as_ref(), &self.me, self.renewed, self.now(), self.times)
                != Decision::Renew
            {
                return self.lost(phase).await;
            }
            match tokio::time::timeout(self.left(), self.write(Some(self.me.clone()))).await {
                Ok(Ok(())) => {
                    if ending.is_none() {
                        pause = self.times.renew;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the Lease was not renewed");
                    pause = (self.times.renew / 5).max(Duration::from_millis(50));
                    // Somebody else may have written it, or the answer to an own write was lost.
                    match tokio::time::timeout(self.left(), self.look()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::warn!(%error, "the Lease cannot be read"),
                        Err(_) => return self.lost(phase).await,
                    }
                }
                Err(_) => return self.lost(phase).await,
            }
        }
    }

    /// How long the children may still run without a renewal.
    fn left(&self) -> Duration {
        let since = self.now().saturating_sub(self.renewed.unwrap_or_default());
        self.times.stop.saturating_sub(since)
    }

    async fn lost(&self, phase: &watch::Sender<Phase>) -> Over {
        tracing::error!("the Lease is lost: the children end, and the operator with them");
        let until = self.renewed.unwrap_or_default() + self.times.kill;
        child::end_all(phase, until.saturating_sub(self.now())).await;
        Over::Lost
    }
}
