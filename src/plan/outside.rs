//! Tells from digests, ownership tags and references what was changed or deleted outside ivs-apply.

use super::inputs::Inputs;
use crate::diag::FieldPath;
use crate::kinds::owner;
use crate::kinds::{Address, Arn, Desired, Edge, Observed, ObservedState, Pointer, Spec};

/// Whether the object was changed outside, whether or not the manifest changed too: no form of the observed spec
/// hashes to the digest last applied.
pub(super) fn was_changed(
    inputs: &Inputs<'_>,
    observed: &Observed,
    before: &Spec,
    manifest: &Spec,
    ignored: &[FieldPath],
) -> bool {
    let owner = observed.owner();
    let Some(ownership) = owner.in_stack(&inputs.stack.name) else { return false };
    // AWS never returns all fields of a replication, so its spec cannot be hashed.
    if observed.kind.facts().arn_type.is_none() {
        return false;
    }
    // The digest is of the desired spec: ignored fields had the manifest's values, and write-only fields, which AWS
    // never returns, may have had any.
    let mut candidates = vec![before.clone(), before.with_ignored(manifest, ignored).into_owned()];
    candidates.extend(before.write_only_variants());
    // Each of them again with the tags that the observed spec leaves out because of `ignoreTags`.
    for mut it in candidates.clone() {
        if let Some(tags) = it.tags_mut() {
            *tags = observed.tags.clone();
            tags.retain(|key, _| owner::is_managed_tag(key, &[]));
            candidates.push(it);
        }
    }
    let addresses = &inputs.observed.addresses;
    !candidates.iter().any(|it| it.digest(addresses).as_ref() == Some(&ownership.digest))
}

/// Whether an object refers to a deleted object.
pub(super) fn refers_to_a_deleted_object(observed: &ObservedState, before: &Spec) -> bool {
    before.refs().iter().any(|edge| {
        let listed = observed.listed.contains(&edge.kind);
        listed && matches!(&edge.to, Pointer::Outside(arn) if is_deleted(observed, arn))
    })
}

/// Whether the object of a missing resource was deleted outside: another object remembers it or still refers to it.
pub(super) fn was_deleted(inputs: &Inputs<'_>, wanted: &Desired) -> bool {
    was_another(inputs, wanted, None) || was_referred_to(inputs, wanted)
}

/// Whether the object that the resource comes with remembers another object than it has now: that one was deleted
/// outside. Of other kinds no object remembers what was created.
pub(super) fn was_another(inputs: &Inputs<'_>, wanted: &Desired, now: Option<&Observed>) -> bool {
    let Some(parent) = wanted.address.kind.facts().created_by else { return false };
    let edges = wanted.spec.refs();
    let Some(edge) = edges.iter().find(|it| it.kind == parent) else { return false };
    let Some(arn) = inputs.arn(edge) else { return false };
    let owned = &inputs.observed.owned;
    let parent = inputs.observed.addresses.address(&arn).and_then(|it| owned.get(it));
    parent.and_then(|it| owner::remembered_key(&it.tags)).is_some_and(|id| {
        let ours = |it: &Observed| it.kind == wanted.address.kind && it.arn.id() == id;
        now.is_none_or(|it| it.arn.id() != id) && !owned.values().any(ours)
    })
}

/// Whether an object of this stack still refers to the deleted object of `wanted`: its manifest names `wanted` in a
/// field that holds the ARN of a deleted object, or that AWS has emptied.
fn was_referred_to(inputs: &Inputs<'_>, wanted: &Desired) -> bool {
    let of_wanted = |it: &Edge| matches!(&it.to, Pointer::Named(to) if *to == wanted.address);
    // Begins with the objects that were read, of which a first apply has none, and not with the manifests.
    let still_refers = |(address, observed): (&Address, &Observed)| {
        let referrer = inputs.manifests.get(address)?;
        let edges = referrer.spec.refs();
        let edge = edges.iter().find(|it| of_wanted(it))?;
        let before = observed.spec.as_ref()?;
        let now = before.refs().into_iter().find(|it| it.field == edge.field);
        Some(match now.map(|it| it.to) {
            Some(Pointer::Outside(arn)) => is_deleted(inputs.observed, &arn),
            Some(Pointer::Named(_)) => false,
            None => was_changed(inputs, observed, before, &referrer.spec, &[]),
        })
    };
    inputs.observed.listed.contains(&wanted.address.kind)
        && inputs.observed.owned.iter().any(|it| still_refers(it) == Some(true))
}

/// Whether no object that was read has this ARN.
fn is_deleted(observed: &ObservedState, arn: &Arn) -> bool {
    observed.all().all(|it| it.arn != *arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Tags;
    use crate::kinds::Kind;
    use crate::plan::tests::{BUCKET, RECORDED, ROW, Row, address, arn, check, desired};

    const MAIN: &str = "Channel/main";
    const LOW: &str = "Channel/main { latencyMode: LOW }";

    #[test]
    fn an_object_was_changed_outside_if_no_form_of_it_has_the_digest_last_applied() {
        check(&[
            Row {
                when: "only a tag that the manifest does not have was added",
                applied: &[LOW],
                manifests: &["Channel/main { latencyMode: NORMAL }"],
                account: |it| _ = it.object(MAIN).tags.insert("team".to_owned(), "news".to_owned()),
                steps: &["update Channel/main (pending)"],
                ..ROW
            },
            Row {
                when: "a field of `ignoreChanges` was changed outside, and the manifest in another field",
                applied: &[LOW],
                manifests: &["Channel/main { latencyMode: LOW, authorized: true } \
                     | lifecycle: { ignoreChanges: [spec.latencyMode] }"],
                account: |it| it.change(MAIN, "latencyMode", "NORMAL"),
                steps: &["update Channel/main (pending)"],
                ..ROW
            },
            Row {
                when: "a field was changed outside, and the manifest in another field",
                applied: &[LOW],
                manifests: &["Channel/main { latencyMode: LOW, authorized: true }"],
                account: |it| it.change(MAIN, "insecureIngest", true),
                steps: &["update Channel/main (pending drift)"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_missing_resource_counts_as_deleted_outside_if_an_object_still_refers_to_it() {
        check(&[
            Row {
                when: "a channel has the ARN of the deleted recording configuration",
                applied: &[BUCKET, RECORDED],
                manifests: &[BUCKET, RECORDED],
                account: |it| it.delete("RecordingConfiguration/archive"),
                steps: &[
                    "create RecordingConfiguration/archive (gone)",
                    "update Channel/main (drift)",
                ],
                ..ROW
            },
            Row {
                when: "recording configurations were not listed to the end",
                applied: &[BUCKET, RECORDED],
                manifests: &[BUCKET, RECORDED],
                account: |it| {
                    it.delete("RecordingConfiguration/archive");
                    it.0.listed.remove(&Kind::RecordingConfiguration);
                },
                steps: &[
                    "create RecordingConfiguration/archive (missing)",
                    "update Channel/main (pending)",
                ],
                ..ROW
            },
            Row {
                when: "a channel remembers another stream key than it has",
                applied: &[MAIN],
                manifests: &[MAIN, "StreamKey/main { channel: main }"],
                account: |it| {
                    let tags = &mut it.object(MAIN).tags;
                    tags.insert(owner::STREAM_KEY.to_owned(), "before".to_owned());
                    let key = arn(&address("StreamKey/main")).to_string();
                    let key = Observed::listed(Kind::StreamKey, key, Tags::new());
                    let spec = desired(&[MAIN, "StreamKey/main { channel: main }"]).remove(1).spec;
                    it.0.adoptable.insert(address("StreamKey/main"), key.with(spec));
                },
                steps: &["adopt StreamKey/main (adopt drift)"],
                ..ROW
            },
        ]);
    }
}
