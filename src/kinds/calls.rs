//! What the kind files share where they call AWS: several calls at a time, and the SDK's own maps, words and absent
//! members. Knows no kind, and repeats no call.

use super::wire_enum::SdkEnum;
use super::{Arn, Kind, Observed, WireEnum};
use crate::aws::{CloudError, Tags};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeSet;
use std::future::Future;

/// Pauses, in milliseconds, before a listed object that cannot be got is asked for again: reads lag behind one
/// another.
pub const READS_LAG: [u64; 4] = [250, 500, 1_000, 2_000];

/// Gets objects one by one, several at a time: for kinds without a batch call.
pub(super) async fn each<F>(
    arns: &[Arn],
    get: impl Fn(String) -> F,
) -> Result<Vec<Observed>, CloudError>
where
    F: Future<Output = Result<Option<Observed>, CloudError>>,
{
    let gets = arns.iter().map(|arn| get(arn.as_str().to_owned())).collect();
    Ok(side_by_side(gets).await?.into_iter().flatten().collect())
}

/// Runs calls side by side. Rates are kept by the meter; more than this many only wait there.
pub(super) async fn side_by_side<T, F>(calls: Vec<F>) -> Result<Vec<T>, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    stream::iter(calls).buffer_unordered(8).try_collect().await
}

/// An answer about something else than was asked for says nothing of either.
pub(super) fn about_what_was_asked(
    kind: Kind,
    asked: &[Arn],
    got: Vec<Observed>,
) -> Result<Vec<Observed>, CloudError> {
    let asked: BTreeSet<&Arn> = asked.iter().collect();
    let Some(other) = got.iter().find(|it| !asked.contains(&it.arn)) else { return Ok(got) };
    let reads = kind.facts().operations.iter().find(|it| it.name.contains("Get"));
    let message = format!("the answer is about {}, which was not asked for", other.arn);
    Err(CloudError::unusable(reads.map_or("Get", |it| it.name), message))
}

/// The object inside an answer, or an error that says what is missing.
pub(super) fn inside<T>(operation: &'static str, member: Option<T>) -> Result<T, CloudError> {
    member.ok_or_else(|| CloudError::unusable(operation, "the answer lacks the object itself"))
}

/// The map that the SDK's builders and answers have; it has no order, so it stays at that edge.
#[expect(clippy::disallowed_types, reason = "the SDK takes and gives no other map")]
type SdkMap = std::collections::HashMap<String, String>;

/// Tags as AWS answered them.
pub(super) fn answered_tags(tags: Option<SdkMap>) -> Tags {
    tags.unwrap_or_default().into_iter().collect()
}

/// Tags as the SDK's builders take them.
#[expect(clippy::unnecessary_wraps, reason = "the builders' setters take an option")]
pub(super) fn sent_tags(tags: &Tags) -> Option<SdkMap> {
    Some(tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The values of a list field, as the SDK's builders take them.
#[expect(clippy::unnecessary_wraps, reason = "the builders' setters take an option")]
pub(super) fn sent_words<T: SdkEnum>(words: &[WireEnum<T>]) -> Option<Vec<T>> {
    Some(words.iter().map(|it| it.0.clone()).collect())
}

/// The values of a list field, as AWS answered them: absent and empty both mean unset.
pub(super) fn answered_words<T: SdkEnum>(words: Option<Vec<T>>) -> Option<Vec<WireEnum<T>>> {
    let words = words.filter(|it| !it.is_empty())?;
    Some(words.into_iter().map(WireEnum).collect())
}

/// A number that AWS always answers; its documented default where it did not.
pub(super) fn answered_or<T>(value: Option<T>, default: T) -> T {
    value.unwrap_or(default)
}
