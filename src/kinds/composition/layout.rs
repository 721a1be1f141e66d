//! How the participants of a composition are arranged: side by side, or one inside another.

use crate::diag::{Code, Diagnostic, FieldPath, Origin, Place, Report};
use crate::kinds::encoder_configuration::Video;
use crate::kinds::wire_enum::sdk_enums;
use crate::kinds::{Check, WireEnum};
use aws_sdk_ivsrealtime::types::{
    self as sdk, PipBehavior, PipPosition, VideoAspectRatio, VideoFillMode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

sdk_enums! { PipBehavior, PipPosition, VideoAspectRatio, VideoFillMode }

/// How participants are arranged: `grid` or `pip`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Layout {
    /// Side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// One large, one small inside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip: Option<Pip>,
}

/// Participants side by side.
#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grid {
    /// Attribute that marks the featured participant.
    pub featured_participant_attribute: String,
    /// Whether participants without video are left out.
    pub omit_stopped_video: bool,
    /// Shape of each picture.
    pub video_aspect_ratio: WireEnum<VideoAspectRatio>,
    /// How a picture fills its place; decided by the aspect ratio if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_fill_mode: Option<WireEnum<VideoFillMode>>,
    /// Pixels between pictures, at least 0.
    pub grid_gap: i32,
    /// Attribute that orders participants.
    pub participant_order_attribute: String,
}

/// One participant large, one small inside.
#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pip {
    /// Attribute that marks the featured participant.
    pub featured_participant_attribute: String,
    /// Whether participants without video are left out.
    pub omit_stopped_video: bool,
    /// How a picture fills its place.
    pub video_fill_mode: WireEnum<VideoFillMode>,
    /// Pixels between pictures, at least 0.
    pub grid_gap: i32,
    /// Attribute that marks the participant inside.
    pub pip_participant_attribute: String,
    /// Whether the inner picture disappears when no participant is in it.
    pub pip_behavior: WireEnum<PipBehavior>,
    /// Pixels from the edge, at least 0.
    pub pip_offset: i32,
    /// Corner of the inner picture.
    pub pip_position: WireEnum<PipPosition>,
    /// Width of the inner picture, at least 1; automatic if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_width: Option<i32>,
    /// Height of the inner picture, at least 1; automatic if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_height: Option<i32>,
    /// Attribute that orders participants.
    pub participant_order_attribute: String,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            featured_participant_attribute: String::new(),
            omit_stopped_video: false,
            video_aspect_ratio: WireEnum::of("VIDEO"),
            video_fill_mode: None,
            grid_gap: 2,
            participant_order_attribute: String::new(),
        }
    }
}

impl Default for Pip {
    fn default() -> Self {
        Self {
            featured_participant_attribute: String::new(),
            omit_stopped_video: false,
            video_fill_mode: WireEnum::of("COVER"),
            grid_gap: 0,
            pip_participant_attribute: String::new(),
            pip_behavior: WireEnum::of("STATIC"),
            pip_offset: 0,
            pip_position: WireEnum::of("BOTTOM_RIGHT"),
            pip_width: None,
            pip_height: None,
            participant_order_attribute: String::new(),
        }
    }
}

impl Pip {
    /// An inner picture larger than the whole one has no effect (rule 38).
    pub(super) fn check_inside(&self, video: &Video, origin: Origin, report: &mut Report) {
        for (field, inner, outer) in [
            ("pipWidth", self.pip_width, video.width),
            ("pipHeight", self.pip_height, video.height),
        ] {
            if inner.is_some_and(|inner| inner > outer) {
                let place = Place::value(origin, FieldPath::from("spec.layout.pip").key(field));
                let message =
                    format!("the inner picture is larger than the encoder's {outer} pixels");
                report.push(Diagnostic::new(Code::IneffectiveSetting, place, message));
            }
        }
    }
}

impl Layout {
    /// Every field set, as far as they do not exclude each other.
    pub(super) fn example() -> Self {
        Self {
            grid: None,
            pip: Some(Pip {
                featured_participant_attribute: "host".into(),
                omit_stopped_video: true,
                video_fill_mode: WireEnum::of("CONTAIN"),
                grid_gap: 4,
                pip_participant_attribute: "guest".into(),
                pip_behavior: WireEnum::of("DYNAMIC"),
                pip_offset: 8,
                pip_position: WireEnum::of("TOP_LEFT"),
                pip_width: Some(320),
                pip_height: Some(180),
                participant_order_attribute: "order".into(),
            }),
        }
    }

    /// AWS's rules for a layout.
    pub(super) fn check(&self, at: &mut Check<'_>) {
        if self.grid.is_some() && self.pip.is_some() {
            at.report(Code::ConflictingFields, "layout", "a layout is `grid` or `pip`, not both");
        }
        if let Some(grid) = &self.grid {
            let attribute = &grid.featured_participant_attribute;
            at.name("layout.grid.featuredParticipantAttribute", attribute);
            let attribute = &grid.participant_order_attribute;
            at.name("layout.grid.participantOrderAttribute", attribute);
            at.range("layout.grid.gridGap", grid.grid_gap, 0, i32::MAX);
        }
        if let Some(pip) = &self.pip {
            let attribute = &pip.featured_participant_attribute;
            at.name("layout.pip.featuredParticipantAttribute", attribute);
            at.name("layout.pip.pipParticipantAttribute", &pip.pip_participant_attribute);
            at.name("layout.pip.participantOrderAttribute", &pip.participant_order_attribute);
            at.range("layout.pip.gridGap", pip.grid_gap, 0, i32::MAX);
            at.range("layout.pip.pipOffset", pip.pip_offset, 0, i32::MAX);
            for (field, value) in [("pipWidth", pip.pip_width), ("pipHeight", pip.pip_height)] {
                if let Some(value) = value {
                    at.range(&format!("layout.pip.{field}"), value, 1, i32::MAX);
                }
            }
        }
    }

    /// The layout as AWS answered it. An empty mapping says as little as none.
    pub(super) fn read(it: sdk::LayoutConfiguration) -> Self {
        let no_grid = sdk::GridConfiguration::builder().build();
        let no_pip = sdk::PipConfiguration::builder().build();
        Self {
            grid: it.grid.filter(|it| *it != no_grid).map(read_grid),
            pip: it.pip.filter(|it| *it != no_pip).map(read_pip),
        }
    }

    /// The layout as the SDK takes it.
    pub(super) fn sent(&self) -> sdk::LayoutConfiguration {
        let grid = self.grid.as_ref().map(|it| {
            sdk::GridConfiguration::builder()
                .featured_participant_attribute(&it.featured_participant_attribute)
                .omit_stopped_video(it.omit_stopped_video)
                .video_aspect_ratio(it.video_aspect_ratio.0.clone())
                .set_video_fill_mode(it.video_fill_mode.as_ref().map(|it| it.0.clone()))
                .grid_gap(it.grid_gap)
                .participant_order_attribute(&it.participant_order_attribute)
                .build()
        });
        let pip = self.pip.as_ref().map(|it| {
            sdk::PipConfiguration::builder()
                .featured_participant_attribute(&it.featured_participant_attribute)
                .omit_stopped_video(it.omit_stopped_video)
                .video_fill_mode(it.video_fill_mode.0.clone())
                .grid_gap(it.grid_gap)
                .pip_participant_attribute(&it.pip_participant_attribute)
                .pip_behavior(it.pip_behavior.0.clone())
                .pip_offset(it.pip_offset)
                .pip_position(it.pip_position.0.clone())
                .set_pip_width(it.pip_width)
                .set_pip_height(it.pip_height)
                .participant_order_attribute(&it.participant_order_attribute)
                .build()
        });
        sdk::LayoutConfiguration::builder().set_grid(grid).set_pip(pip).build()
    }
}

fn read_grid(it: sdk::GridConfiguration) -> Grid {
    Grid {
        featured_participant_attribute: it.featured_participant_attribute.unwrap_or_default(),
        omit_stopped_video: it.omit_stopped_video,
        video_aspect_ratio: WireEnum::answered(it.video_aspect_ratio)
            .unwrap_or(Grid::default().video_aspect_ratio),
        video_fill_mode: WireEnum::answered(it.video_fill_mode),
        grid_gap: it.grid_gap,
        participant_order_attribute: it.participant_order_attribute.unwrap_or_default(),
    }
}

fn read_pip(it: sdk::PipConfiguration) -> Pip {
    let default = Pip::default();
    Pip {
        featured_participant_attribute: it.featured_participant_attribute.unwrap_or_default(),
        omit_stopped_video: it.omit_stopped_video,
        video_fill_mode: WireEnum::answered(it.video_fill_mode).unwrap_or(default.video_fill_mode),
        grid_gap: it.grid_gap,
        pip_participant_attribute: it.pip_participant_attribute.unwrap_or_default(),
        pip_behavior: WireEnum::answered(it.pip_behavior).unwrap_or(default.pip_behavior),
        pip_offset: it.pip_offset,
        pip_position: WireEnum::answered(it.pip_position).unwrap_or(default.pip_position),
        pip_width: it.pip_width,
        pip_height: it.pip_height,
        participant_order_attribute: it.participant_order_attribute.unwrap_or_default(),
    }
}
