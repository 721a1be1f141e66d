//! The trail behind the SDK: a client whose requests pass the gate of the run, at their own published rate.

use super::super::endpoint::{endpoint_of_service, is_loopback};
use super::super::{Clients, CloudError, ConnectError, Sorted};
use super::{By, LOOK_UP, Page, Recorded, Window};
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// The recorded events of the account and region in force.
#[derive(Debug)]
pub struct Trail {
    client: aws_sdk_cloudtrail::Client,
}

/// AWS's own largest page.
const PAGE: i32 = 50;

impl Clients {
    /// The trail at the address that the SDK's own chain names for CloudTrail. Sends nothing.
    pub fn trail(&self) -> Result<Trail, ConnectError> {
        let endpoint = endpoint_of_service(&self.config, "CloudTrail")
            .or_else(|| self.config.endpoint_url().map(ToOwned::to_owned));
        if let Some(url) =
            endpoint.as_ref().filter(|it| !it.starts_with("https://") && !is_loopback(it))
        {
            return Err(ConnectError::PlainHttp(url.clone()));
        }
        if let Some(https) = &self.https
            && endpoint.is_none_or(|it| !it.starts_with("http://"))
        {
            https.trusted().map_err(ConnectError::NoCertificates)?;
        }
        Ok(Trail { client: self.cloudtrail.clone() })
    }
}

impl Trail {
    /// One page of the events of a time, the newest first.
    pub async fn look_up(
        &self,
        by: By<'_>,
        window: Option<Window>,
        token: Option<String>,
    ) -> Result<Page, CloudError> {
        let (key, value) = match by {
            By::ResourceName(name) => (LookupAttributeKey::ResourceName, name),
            By::EventSource(name) => (LookupAttributeKey::EventSource, name),
        };
        let attribute = LookupAttribute::builder().attribute_key(key).attribute_value(value);
        let attribute =
            attribute.build().map_err(|error| CloudError::unusable(LOOK_UP, error.to_string()))?;
        let request = self
            .client
            .lookup_events()
            .lookup_attributes(attribute)
            .set_start_time(window.map(|it| DateTime::from_secs(it.from.as_second())))
            .set_end_time(window.map(|it| DateTime::from_secs(it.to.as_second() + 1)))
            .max_results(PAGE)
            .set_next_token(token);
        let answer = request.send().await.sorted(LOOK_UP)?;
        let events = answer.events.unwrap_or_default().into_iter().map(recorded).collect();
        Ok(Page { events, next: answer.next_token.filter(|it| !it.is_empty()) })
    }
}

fn recorded(event: Event) -> Recorded {
    let record = event.cloud_trail_event.as_deref().map(serde_json::from_str);
    Recorded {
        id: event.event_id.unwrap_or_default(),
        name: event.event_name.unwrap_or_default(),
        at: event.event_time.and_then(|it| Timestamp::from_second(it.secs()).ok()),
        user: event.username,
        record: record.and_then(Result::ok).unwrap_or_default(),
    }
}
