//! Listings page by page: complete, or an error. A listing that repeats itself or does not end is an error as well.

use super::Kind;
use crate::aws::{Class, CloudError, Received};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

/// How often a listing is begun again when AWS does not take its own page token any more.
const RESTARTS: u32 = 3;

/// How many times the quota of its kind a listing may hold. Quotas can be raised; endless listings end.
const QUOTAS: u32 = 20;

/// The objects that a page has at least, on average, in a listing that ends.
const ON_A_PAGE: u32 = 20;

/// The pages that a listing may have whatever the quota: as many take more than three minutes.
const PAGES: u32 = 1_000;

/// The most bytes of a listing: some two hundred thousand channels.
const LISTING_BYTES: u64 = 256 * 1024 * 1024;

/// The most time that the answers of a listing may take, without the wait for their turn at the rate.
const LISTING_TIME: Duration = Duration::from_mins(30);

/// The pages after which a listing is taken for endless.
fn most_pages(operation: &'static str) -> u32 {
    let lists = |kind: &Kind| kind.facts().operations.iter().any(|it| it.name == operation);
    let quotas = Kind::ALL.iter().filter(|it| lists(it)).filter_map(|it| it.facts().quota);
    quotas.max().map_or(PAGES, |quota| (quota.saturating_mul(QUOTAS) / ON_A_PAGE).max(PAGES))
}

/// Drains a listing page by page. A page that repeats a token would end the SDK's own paginator silently, as if
/// the list were complete; here it is an error, and so is a listing that does not end within the limits above. A
/// token that is refused has expired: the listing begins again at its first page, and what was taken before
/// counts as seen twice, of which the later one is believed.
pub(super) async fn drain<P, F>(
    operation: &'static str,
    mut page: impl FnMut(Option<String>) -> F,
    mut take: impl FnMut(P) -> Option<String>,
) -> Result<(), CloudError>
where
    F: Future<Output = Result<P, CloudError>>,
{
    let mut seen = BTreeSet::new();
    let mut token: Option<String> = None;
    let mut restarts = 0;
    let mut pages = 0;
    let received = Received::default();
    let most_pages = most_pages(operation);
    loop {
        let answer = match received.by(Box::pin(page(token.clone()))).await {
            Err(_) if token.is_some() && mutant!(PartialListing) => return Ok(()),
            Err(error)
                if error.class == Class::Invalid && token.is_some() && restarts < RESTARTS =>
            {
                restarts += 1;
                token = None;
                seen.clear();
                continue;
            }
            answer => answer?,
        };
        let next = take(answer).filter(|it| !it.is_empty());
        let Some(next) = next else { return Ok(()) };
        pages += 1;
        let beyond = if pages == most_pages {
            Some(format!("{most_pages} pages"))
        } else if received.bytes() > LISTING_BYTES {
            Some(format!("{} MiB", LISTING_BYTES / (1024 * 1024)))
        } else if received.time() > LISTING_TIME {
            Some(format!("{} minutes", LISTING_TIME.as_secs() / 60))
        } else {
            None
        };
        if let Some(limit) = beyond {
            let message = format!("the listing does not end within {limit}, so it is not read on");
            return Err(CloudError::unusable(operation, message));
        }
        if !seen.insert(next.clone()) {
            return Err(CloudError::unusable(operation, "the listing repeats a page token"));
        }
        token = Some(next);
    }
}
