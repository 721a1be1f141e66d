//! AWS's rules between several replications, and between a replication, its stages and its ingest configuration
//! (`docs/service-reference.md` §2). The rules of one replication are in its `check`.

use super::ParticipantReplication;
use crate::diag::{Code, Diagnostic, Place, Report};
use crate::kinds::spec::spec_path;
use crate::kinds::{DeclaredSet, IngestConfiguration, MOST_USER_TAGS, Pointer, Ref, Stage};
use std::collections::BTreeMap;

/// The most stages that one participant is replicated to.
const MOST_STAGES: usize = 5;

pub(super) fn check(set: &DeclaredSet<'_>, report: &mut Report) {
    let mut first_by_route = BTreeMap::new();
    let mut stages_by_participant: BTreeMap<_, usize> = BTreeMap::new();
    let mut remembered_by_stage: BTreeMap<Pointer, usize> = BTreeMap::new();
    for (it, replication) in set.of::<ParticipantReplication>() {
        let ingest = replication.participant.as_ref().map(Ref::pointer);
        let id = replication.participant_id.as_deref();
        let participant = (ingest.cloned(), id, replication.source_stage.pointer().clone());
        let destination = replication.destination_stage.pointer();
        let route = (participant.clone(), destination.clone());
        if let Some(first) = first_by_route.insert(route, it) {
            let message = "this participant is replicated to this stage already";
            let place = Place::value(it.origin, "spec.destinationStage");
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(Place::value(first.origin, "metadata.name"), "here"),
            );
        }
        let stages = stages_by_participant.entry(participant).or_default();
        *stages += 1;
        if *stages == MOST_STAGES + 1 {
            let message = "a participant is replicated to at most 5 stages, and this is the sixth";
            let place = Place::value(it.origin, "spec.destinationStage");
            report.push(Diagnostic::new(Code::QuotaExceeded, place, message));
        }
        let stages = [
            ("sourceStage", replication.source_stage.pointer()),
            ("destinationStage", destination),
        ];
        let remembering = stages.into_iter().find_map(|(field, stage)| {
            let tags = set.get::<Stage>(stage)?.tags.len();
            Some((field, stage, tags))
        });
        if let Some((field, stage, tags)) = remembering {
            let count = remembered_by_stage.entry(stage.clone()).or_default();
            *count += 1;
            if tags + *count == MOST_USER_TAGS + 1 {
                let message = format!(
                    "a stage remembers each of its replications in a tag: with {tags} tags of its own \
                     there is no room for more than {}",
                    *count - 1
                );
                let place = Place::value(it.origin, spec_path().key(field));
                report.push(Diagnostic::new(Code::TooManyTags, place, message));
            }
        }
        if let Some(ingest) = ingest.and_then(|it| set.get::<IngestConfiguration>(it))
            && ingest.stage.as_ref() != Some(&replication.source_stage)
        {
            let message = "this ingest configuration does not publish on the source stage";
            let place = Place::value(it.origin, "spec.participant");
            report.push(Diagnostic::new(Code::ConflictingFields, place, message));
        }
    }
}
