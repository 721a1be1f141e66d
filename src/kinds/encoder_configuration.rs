//! An encoder configuration: size, rate and bitrate of the video that a composition makes.

use super::{
    AddressMap, Arn, Check, Facts, Kind, Mutable, Observed, Operation, Resource, Scope, Service,
    answered_or, answered_tags, composition, drain, each, inside, json, sent_tags,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone, restore_zeros};
use crate::diag::Code;
use aws_sdk_ivsrealtime::types as sdk;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// The video a composition makes. Nothing but its tags can be changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EncoderConfiguration {
    /// Display name; `metadata.name` at the time when the object is made if absent: a default never replaces the
    /// object. Not unique in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size, rate and bitrate.
    pub video: Video,
    /// Tags of the encoder configuration.
    pub tags: Tags,
}

/// Size, rate and bitrate of a video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Video {
    /// Pixels, even, 2 to 1920.
    pub width: i32,
    /// Pixels, even, 2 to 1920.
    pub height: i32,
    /// Pictures a second, 1 to 60; AWS keeps it as a 32-bit number.
    pub framerate: Framerate,
    /// Bits a second, 1 to 8500000.
    pub bitrate: i32,
}

/// Pictures a second, compared as the 32-bit number that AWS keeps: 29.97 stays 29.97.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Framerate(pub f32);

impl Serialize for Framerate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The shortest text of the 32-bit number, not its 64-bit expansion (29.969999313354492).
        let short: f64 = self.0.to_string().parse().unwrap_or(f64::from(self.0));
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 1 to 60 when valid")]
        if short.fract() == 0.0 && short.abs() < 1e9 {
            return serializer.serialize_i64(short as i64);
        }
        serializer.serialize_f64(short)
    }
}

/// The most pixels a picture may have, 1920 × 1080.
const MOST_PIXELS: i64 = 2_073_600;

impl Default for Video {
    fn default() -> Self {
        Self { width: 1280, height: 720, framerate: Framerate(30.0), bitrate: 2_500_000 }
    }
}

impl Resource for EncoderConfiguration {
    const KIND: Kind = Kind::EncoderConfiguration;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListEncoderConfigurations"),
            Operation::read("GetEncoderConfiguration"),
            Operation::create("CreateEncoderConfiguration"),
            Operation::delete("DeleteEncoderConfiguration"),
            Operation::list("ListCompositions"),
        ],

        mutable: Mutable::TagsOnly,
        quota: Some(20),
        ..Facts::plain(Service::RealTime, "encoder-configuration")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn check(&self, at: &mut Check<'_>) {
        let video = &self.video;
        for (field, value) in [("video.width", video.width), ("video.height", video.height)] {
            at.range(field, value, 2, 1920);
            if value % 2 != 0 {
                at.report(
                    Code::OutOfRange,
                    field,
                    format!("`{value}` is odd: even numbers are allowed"),
                );
            }
        }
        let pixels = i64::from(video.width) * i64::from(video.height);
        if pixels > MOST_PIXELS && video.width <= 1920 && video.height <= 1920 {
            at.report(
                Code::OutOfRange,
                "video",
                format!(
                    "{} × {} is {pixels} pixels: at most {MOST_PIXELS} are allowed",
                    video.width, video.height
                ),
            );
        }
        at.range("video.framerate", video.framerate.0, 1.0, 60.0);
        at.range("video.bitrate", video.bitrate, 1, 8_500_000);
    }

    fn example() -> Self {
        Self {
            name: Some("full-hd".into()),
            video: Video {
                width: 1920,
                height: 1080,
                framerate: Framerate(29.97),
                bitrate: 6_000_000,
            },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListEncoderConfigurations",
            |token| async move {
                let page = aws.realtime.list_encoder_configurations().max_results(100);
                page.set_next_token(token).send().await.sorted("ListEncoderConfigurations")
            },
            |page| {
                found.extend(
                    page.encoder_configurations
                        .into_iter()
                        .map(|it| Observed::listed(Self::KIND, it.arn, answered_tags(it.tags))),
                );
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.realtime.get_encoder_configuration().arn(arn);
            let answer = found(request.send().await.sorted("GetEncoderConfiguration"))?;
            Ok(answer.and_then(|it| it.encoder_configuration).map(read))
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
            .realtime_once
            .create_encoder_configuration()
            .set_name(self.name.clone())
            .video(
                sdk::Video::builder()
                    .width(self.video.width)
                    .height(self.video.height)
                    .framerate(self.video.framerate.0)
                    .bitrate(self.video.bitrate)
                    .build(),
            )
            .set_tags(sent_tags(tags))
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("CreateEncoderConfiguration")?;
        inside("CreateEncoderConfiguration", made.encoder_configuration.map(read))
    }

    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        composition::running(aws, |all| all.filter_by_encoder_configuration_arn(arn.as_str())).await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.realtime_once.delete_encoder_configuration().arn(arn.as_str());
        gone(request.send().await.sorted("DeleteEncoderConfiguration"))
    }
}

/// The answer of AWS as a spec.
fn read(it: sdk::EncoderConfiguration) -> Observed {
    let default = Video::default();
    let video = it.video.map_or(default.clone(), |it| Video {
        width: answered_or(it.width, default.width),
        height: answered_or(it.height, default.height),
        framerate: it.framerate.map_or(default.framerate, Framerate),
        bitrate: answered_or(it.bitrate, default.bitrate),
    });
    let spec =
        EncoderConfiguration { name: Some(it.name.unwrap_or_default()), video, tags: Tags::new() };
    Observed::listed(Kind::EncoderConfiguration, it.arn, answered_tags(it.tags)).with(spec)
}
