//! What a recording configuration asks for that its channel cannot give (`docs/service-reference.md` §2, rules 12 and
//! 17). Warns, and refuses nothing.

use super::Channel;
use crate::diag::{Code, Diagnostic, Place, Report};
use crate::kinds::{DeclaredSet, RecordingConfiguration, Ref};

pub(super) fn check(set: &DeclaredSet<'_>, report: &mut Report) {
    for (it, channel) in set.of::<Channel>() {
        let recording = channel.recording_configuration.as_ref().map(Ref::pointer);
        let Some(recording) = recording.and_then(|it| set.get::<RecordingConfiguration>(it)) else {
            continue;
        };
        let mut warn = |message: &str| {
            let place = Place::value(it.origin, "spec.recordingConfiguration");
            report.push(Diagnostic::new(Code::IneffectiveSetting, place, message));
        };
        let basic = channel.r#type.as_str() == "BASIC";
        if basic && recording.rendition_configuration.rendition_selection.as_str() == "CUSTOM" {
            warn("a BASIC channel has one rendition: CUSTOM renditions have no effect on it");
        }
        let untouched = basic || channel.multitrack_input_configuration.enabled;
        // Sixty seconds is what AWS takes without being asked.
        let interval = recording.thumbnail_configuration.target_interval_seconds;
        if untouched && interval.is_some_and(|it| it < 60) {
            warn(
                "this channel's video is not transcoded: thumbnails come no more often than its keyframes, \
                 regardless of `targetIntervalSeconds`",
            );
        }
    }
}
