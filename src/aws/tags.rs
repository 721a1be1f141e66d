//! The three tag operations, on whichever of the two services owns the object.

use super::{Clients, CloudError, Sorted, Tags};

/// Which of the two services owns an object: whether either takes the other's ARNs is unknown
/// (`docs/service-reference.md` §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Low-latency (`ivs`).
    LowLatency,
    /// Real-time (`ivs-realtime`).
    RealTime,
}

impl Clients {
    /// Adds or replaces these tags, leaving others alone.
    pub async fn tag(&self, service: Service, arn: &str, tags: &Tags) -> Result<(), CloudError> {
        let tags = Some(tags.clone().into_iter().collect());
        match service {
            Service::LowLatency => {
                let request = self.ivs_once.tag_resource().resource_arn(arn).set_tags(tags);
                request.send().await.sorted("TagResource").map(drop)
            }
            Service::RealTime => {
                let request = self.realtime_once.tag_resource().resource_arn(arn).set_tags(tags);
                request.send().await.sorted("TagResource").map(drop)
            }
        }
    }

    /// Removes these tags; absent ones are no error.
    pub async fn untag(
        &self,
        service: Service,
        arn: &str,
        keys: &[String],
    ) -> Result<(), CloudError> {
        let keys = Some(keys.to_vec());
        match service {
            Service::LowLatency => {
                let request = self.ivs_once.untag_resource().resource_arn(arn).set_tag_keys(keys);
                request.send().await.sorted("UntagResource").map(drop)
            }
            Service::RealTime => {
                let request =
                    self.realtime_once.untag_resource().resource_arn(arn).set_tag_keys(keys);
                request.send().await.sorted("UntagResource").map(drop)
            }
        }
    }

    /// All tags an object has at this moment.
    pub async fn tags_of(&self, service: Service, arn: &str) -> Result<Tags, CloudError> {
        let tags = match service {
            Service::LowLatency => {
                let request = self.ivs.list_tags_for_resource().resource_arn(arn);
                request.send().await.sorted("ListTagsForResource")?.tags
            }
            Service::RealTime => {
                let request = self.realtime.list_tags_for_resource().resource_arn(arn);
                request.send().await.sorted("ListTagsForResource")?.tags
            }
        };
        Ok(tags.into_iter().collect())
    }
}
