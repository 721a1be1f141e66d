//! An ad configuration: which `MediaTailor` configurations put ads into a channel's stream.

use super::{
    AddressMap, Arn, Check, Elsewhere, Facts, Kind, Observed, On, Operation, Resource, Scope,
    Service, answered_tags, channel, drain, each, inside, json, sent_tags,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone, restore_zeros};
use crate::diag::{Code, quote};
use crate::kinds::spec::FieldChange;
use aws_sdk_ivs::types as sdk;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which `MediaTailor` playback configurations put ads into the streams of the channels that refer to it. Those
/// channels must have container format TS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdConfiguration {
    /// Display name; `metadata.name` if absent. Not unique in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One to three, in order: the first is the one that is used unless a viewer's player asks for another.
    pub media_tailor_playback_configurations: Vec<MediaTailor>,
    /// Ads after the end of a stream; none if absent.
    #[serde(default)]
    pub post_roll_configuration: PostRoll,
    /// Tags of the ad configuration.
    #[serde(default)]
    pub tags: Tags,
}

/// One `MediaTailor` playback configuration, which is made elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaTailor {
    /// Its ARN.
    pub playback_configuration_arn: String,
}

/// Ads after the end of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostRoll {
    /// Whether there are any.
    pub enabled: bool,
    /// Seconds of ads, 1 to 300.
    pub duration_seconds: i32,
}

impl Default for PostRoll {
    fn default() -> Self {
        Self { enabled: false, duration_seconds: 15 }
    }
}

impl AdConfiguration {
    fn sent_list(&self) -> Vec<sdk::MediaTailorPlaybackConfiguration> {
        let sent = |it: &MediaTailor| {
            sdk::MediaTailorPlaybackConfiguration::builder()
                .playback_configuration_arn(&it.playback_configuration_arn)
                .build()
        };
        self.media_tailor_playback_configurations.iter().map(sent).collect()
    }

    fn sent_post_roll(&self) -> Result<sdk::PostRollConfiguration, CloudError> {
        sdk::PostRollConfiguration::builder()
            .enabled(self.post_roll_configuration.enabled)
            .duration_seconds(self.post_roll_configuration.duration_seconds)
            .build()
            .map_err(|error| CloudError::unusable("post-roll configuration", error.to_string()))
    }
}

/// `arn:aws:mediatailor:<region>:<account>:playbackConfiguration/<name>`, at most 128 characters (rule 24).
fn is_media_tailor(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", "aws", "mediatailor", region, account, resource] = parts[..] else { return false };
    let plain = |text: &str, allowed: fn(char) -> bool| {
        !text.is_empty() && text.chars().all(|it| allowed(it) || it == '-')
    };
    let name = resource.strip_prefix("playbackConfiguration/").unwrap_or_default();
    arn.len() <= 128
        && plain(region, |it| it.is_ascii_lowercase() || it.is_ascii_digit())
        && !account.is_empty()
        && account.chars().all(|it| it.is_ascii_digit())
        && plain(name, |it| it.is_ascii_alphanumeric())
}

/// Reading the playback configurations that it names.
const READ_MEDIA_TAILOR: Elsewhere = Elsewhere {
    sid: "ReadMediaTailorConfigurations",
    actions: &["mediatailor:GetPlaybackConfiguration"],
};

impl Resource for AdConfiguration {
    const KIND: Kind = Kind::AdConfiguration;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListAdConfigurations").unpublished_rate(),
            Operation::read("GetAdConfiguration").unpublished_rate(),
            Operation::create("CreateAdConfiguration").unpublished_rate(),
            // IAM knows no resource for it.
            Operation::change("UpdateAdConfiguration").unpublished_rate().on(On::Anything),
            Operation::delete("DeleteAdConfiguration").unpublished_rate(),
            Operation::list("ListChannels"),
        ],
        ..Facts::plain(Service::LowLatency, "ad-configuration")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn check(&self, at: &mut Check<'_>) {
        let list = &self.media_tailor_playback_configurations;
        let field = "mediaTailorPlaybackConfigurations";
        if !(1..=3).contains(&list.len()) {
            let message = format!("{} items: one to three are allowed", list.len());
            at.report(Code::TooManyItems, field, message);
        }
        for (index, it) in list.iter().enumerate() {
            let arn = &it.playback_configuration_arn;
            if !is_media_tailor(arn) {
                let message = format!("{} is not an ARN of MediaTailor", quote(arn));
                at.report(
                    Code::WrongArn,
                    &format!("{field}[{index}].playbackConfigurationArn"),
                    message,
                )
                .help("expected `arn:aws:mediatailor:<region>:<account>:playbackConfiguration/<name>`");
            }
        }
        let seconds = self.post_roll_configuration.duration_seconds;
        at.range("postRollConfiguration.durationSeconds", seconds, 1, 300);
    }

    fn example() -> Self {
        let arn = "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/";
        let of = |name: &str| MediaTailor { playback_configuration_arn: format!("{arn}{name}") };
        Self {
            name: Some("breaks".into()),
            media_tailor_playback_configurations: vec![of("wide"), of("mobile")],
            post_roll_configuration: PostRoll { enabled: true, duration_seconds: 30 },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    fn elsewhere(&self) -> Vec<(Elsewhere, String)> {
        let arns = self.media_tailor_playback_configurations.iter();
        arns.map(|it| (READ_MEDIA_TAILOR, it.playback_configuration_arn.clone())).collect()
    }

    /// The duration of a post-roll that is disabled has no effect.
    fn normalise(&mut self) {
        if !self.post_roll_configuration.enabled {
            self.post_roll_configuration = PostRoll::default();
        }
    }

    /// The summary is the whole object, so a listing is all that is ever read.
    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListAdConfigurations",
            |token| async move {
                let page = aws.ivs.list_ad_configurations().max_results(100);
                page.set_next_token(token).send().await.sorted("ListAdConfigurations")
            },
            |page| {
                found.extend(page.ad_configurations.into_iter().map(|it| {
                    let list = it.media_tailor_playback_configurations;
                    let tags = answered_tags(it.tags);
                    read(it.arn, it.name, list, it.post_roll_configuration, tags)
                }));
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.ivs.get_ad_configuration().arn(arn);
            let answer = found(request.send().await.sorted("GetAdConfiguration"))?;
            Ok(answer.and_then(|it| it.ad_configuration).map(whole))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let made = aws
            .ivs_once
            .create_ad_configuration()
            .set_name(self.name.clone())
            .set_media_tailor_playback_configurations(Some(self.sent_list()))
            .post_roll_configuration(self.sent_post_roll()?)
            .set_tags(sent_tags(tags))
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("CreateAdConfiguration")?;
        inside("CreateAdConfiguration", made.ad_configuration.map(whole))
    }

    async fn update(
        &self,
        aws: &Clients,
        arn: &Arn,
        _: &[FieldChange],
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let updated = aws
            .ivs_once
            .update_ad_configuration()
            .arn(arn.as_str())
            .set_name(self.name.clone())
            .set_media_tailor_playback_configurations(Some(self.sent_list()))
            .post_roll_configuration(self.sent_post_roll()?)
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("UpdateAdConfiguration")?;
        inside("UpdateAdConfiguration", updated.ad_configuration.map(whole))
    }

    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        channel::listed(aws, |all| all.filter_by_ad_configuration_arn(arn.as_str())).await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.ivs_once.delete_ad_configuration().arn(arn.as_str());
        gone(request.send().await.sorted("DeleteAdConfiguration"))
    }
}

fn whole(it: sdk::AdConfiguration) -> Observed {
    let list = it.media_tailor_playback_configurations;
    read(it.arn, it.name, list, it.post_roll_configuration, answered_tags(it.tags))
}

/// The answer of AWS as a spec.
fn read(
    arn: String,
    name: Option<String>,
    list: Vec<sdk::MediaTailorPlaybackConfiguration>,
    post_roll: Option<sdk::PostRollConfiguration>,
    tags: Tags,
) -> Observed {
    let spec = AdConfiguration {
        name: Some(name.unwrap_or_default()),
        media_tailor_playback_configurations: list
            .into_iter()
            .map(|it| MediaTailor {
                playback_configuration_arn: it.playback_configuration_arn.unwrap_or_default(),
            })
            .collect(),
        post_roll_configuration: post_roll
            .filter(|it| it.enabled)
            .map(|it| PostRoll { enabled: true, duration_seconds: it.duration_seconds })
            .unwrap_or_default(),
        tags: Tags::new(),
    };
    Observed::listed(Kind::AdConfiguration, arn, tags).with(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_playback_configurations_of_media_tailor_will_do() {
        let good = "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/a-B1";
        assert!(is_media_tailor(good));
        for bad in [
            "",
            "arn:aws:mediatailor:us-west-2:123456789012:channel/a",
            "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/",
            "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/a_b",
            "arn:aws:mediatailor::123456789012:playbackConfiguration/a",
            "arn:aws:ivs:us-west-2:123456789012:playbackConfiguration/a",
            &format!("{good}{}", "x".repeat(80)),
        ] {
            assert!(!is_media_tailor(bad), "{bad}");
        }
    }
}
