//! Generated worlds: small sets of resources that are valid together, from numbers that shrink well.

use ivs_apply::diag::{Origin, SourceId};
use ivs_apply::kinds::{Address, Desired, Kind, Lifecycle, OnLive, Spec, Stack};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One resource before its references are known: a kind, a name, and knobs for its fields.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) kind: usize,
    pub(crate) name: usize,
    pub(crate) knobs: [u8; 8],
}

/// Up to a dozen pieces.
pub(crate) fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (0..Kind::ALL.len(), 0..3_usize, any::<[u8; 8]>());
    let piece = piece.prop_map(|(kind, name, knobs)| Piece { kind, name, knobs });
    proptest::collection::vec(piece, 0..12)
}

pub(crate) fn stack() -> Stack {
    Stack { tags: [("service".to_owned(), "live".to_owned())].into(), ..Stack::named("laws") }
}

/// Valid resources from these pieces. A reference without a target is left out.
pub(crate) fn resources(pieces: &[Piece]) -> Vec<Desired> {
    let mut chosen: BTreeMap<(Kind, usize), &Piece> = BTreeMap::new();
    for piece in pieces {
        chosen.entry((Kind::ALL[piece.kind], piece.name)).or_insert(piece);
    }
    let mut desired: Vec<Desired> = Vec::new();
    let mut taken: BTreeSet<(Kind, String)> = BTreeSet::new();
    for ((kind, name), piece) in &chosen {
        let name = format!("it-{name}");
        let one_of = |target: Kind, knob: u8| -> Option<String> {
            let names: Vec<usize> =
                chosen.keys().filter(|(kind, _)| *kind == target).map(|(_, name)| *name).collect();
            let some = names.get(usize::from(knob) % (names.len() + 1))?;
            Some(format!("it-{some}"))
        };
        let Some(mut spec) = spec(*kind, piece.knobs, &one_of, &mut taken) else { continue };
        if let Value::Object(map) = &mut spec {
            map.retain(|_, value| !value.is_null());
            if kind.example().tags_mut().is_some() {
                map.insert(
                    "tags".to_owned(),
                    json!({ "knob": (piece.knobs[7] % 3).to_string(), "service": "live" }),
                );
            }
        }
        let mut spec = kind.from_json(spec.clone()).unwrap_or_else(|| panic!("{kind}: {spec}"));
        if let Some(display) = spec.name_mut() {
            display.get_or_insert_with(|| name.clone());
        }
        spec.normalise();
        desired.push(resource(Address::new(*kind, name), spec));
    }
    desired
}

fn resource(address: Address, spec: Spec) -> Desired {
    Desired {
        address,
        spec,
        labels: BTreeMap::new(),
        previous_names: Vec::new(),
        lifecycle: Lifecycle { on_live: OnLive::Interrupt, ..Lifecycle::default() },
        name_is_default: false,
        origin: Origin { source: SourceId(0), document: 0 },
    }
}

fn pick<'a>(words: &[&'a str], knob: u8) -> &'a str {
    words[usize::from(knob) % words.len()]
}

#[expect(clippy::many_single_char_names, reason = "knobs have no meaning of their own")]
/// A spec by its knobs; `None` where a reference that the kind cannot do without has no target.
fn spec(
    kind: Kind,
    knobs: [u8; 8],
    one_of: &dyn Fn(Kind, u8) -> Option<String>,
    taken: &mut BTreeSet<(Kind, String)>,
) -> Option<Value> {
    let [a, b, c, d, e, f, g, h] = knobs;
    Some(match kind {
        Kind::Channel => json!({
            "latencyMode": pick(&["LOW", "NORMAL"], a),
            "type": pick(&["STANDARD", "BASIC", "ADVANCED_HD"], b),
            "authorized": c % 2 == 0,
            "insecureIngest": d % 2 == 0,
            "recordingConfiguration": one_of(Kind::RecordingConfiguration, e),
            "playbackRestrictionPolicy": one_of(Kind::PlaybackRestrictionPolicy, f),
            "adConfiguration": one_of(Kind::AdConfiguration, g),
            "failoverSlateConfiguration": one_of(Kind::FailoverSlateConfiguration, h),
            "name": (f % 4 == 0).then_some("other-name"),
        }),
        Kind::PlaybackKeyPair | Kind::PublicKey => {
            let letter = pick(&["A", "B", "C", "D"], a);
            taken.insert((kind, letter.to_owned())).then_some(())?;
            // The head of every P-384 key, and a point that is on no curve.
            let key = format!("MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE{}", letter.repeat(128));
            json!({ "publicKeyMaterial": format!(
                "-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"
            ) })
        }
        Kind::PlaybackRestrictionPolicy => json!({
            "allowedCountries": [pick(&["CH", "NO"], a), pick(&["DE", "US"], b)],
            "allowedOrigins": (c % 2 == 0).then_some(["https://b.example", "https://a.example"]),
            "enableStrictOriginEnforcement": d % 2 == 0,
        }),
        Kind::AdConfiguration => {
            let arn = |name: &str| {
                json!({ "playbackConfigurationArn":
                    format!("arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/{name}") })
            };
            json!({
                "mediaTailorPlaybackConfigurations": match a % 3 {
                    0 => vec![arn("one")],
                    1 => vec![arn("one"), arn("two")],
                    _ => vec![arn("two"), arn("one")],
                },
                "postRollConfiguration":
                    (b % 2 == 0).then(|| json!({ "enabled": c % 2 == 0, "durationSeconds": 15 + i32::from(d % 2) })),
            })
        }
        Kind::FailoverSlateConfiguration => json!({
            "activationThresholdSeconds": 3 + i32::from(a % 3),
            "minSlateDisplaySeconds": 3 + i32::from(b % 8),
            "maxSlateDisplaySeconds": 60 + i32::from(c % 121),
        }),
        Kind::IngestConfiguration => {
            let protocol = pick(&["RTMPS", "RTMP"], a);
            json!({
                "ingestProtocol": protocol,
                "insecureIngest": protocol == "RTMP" || b % 2 == 0,
                "stage": one_of(Kind::Stage, c),
                "redundantIngest": d % 2 == 0,
                "userId": pick(&["", "camera"], e),
                "attributes": (f % 2 == 0).then(|| json!({ "side": pick(&["left", "right"], g) })),
            })
        }
        Kind::ParticipantReplication => {
            let (source, destination) = (one_of(Kind::Stage, a)?, one_of(Kind::Stage, b)?);
            let pair = format!("{source} {destination}");
            (source != destination && taken.insert((kind, pair))).then_some(())?;
            json!({
                "sourceStage": source,
                "destinationStage": destination,
                "participantId": "abCD12efGH34",
                // Generated accounts have no publishers, so ALWAYS would never be done.
                "run": pick(&["WHILE_STAGE_ACTIVE", "STOPPED"], c),
                "reconnectWindowSeconds": i32::from(d),
                "attributes": (e % 2 == 0).then(|| json!({ "side": pick(&["left", "right"], f) })),
            })
        }
        Kind::StreamKey => {
            let channel = one_of(Kind::Channel, a)?;
            taken.insert((kind, channel.clone())).then_some(())?;
            json!({ "channel": channel, "rotation": (b % 3 == 0).then(|| format!("r{}", b % 2)) })
        }
        Kind::RecordingConfiguration => json!({
            "destinationConfiguration": { "s3": { "bucketName": pick(&["bucket-a", "bucket-b"], a) } },
            "recordingReconnectWindowSeconds": i32::from(b % 3) * 30,
            "thumbnailConfiguration": { "recordingMode": pick(&["INTERVAL", "DISABLED"], c) },
            "renditionConfiguration": match d % 3 {
                0 => json!({ "renditionSelection": "ALL" }),
                1 => json!({ "renditionSelection": "NONE" }),
                _ => json!({ "renditionSelection": "CUSTOM", "renditions": ["SD", "FULL_HD"] }),
            },
        }),
        Kind::Stage => match one_of(Kind::StorageConfiguration, a) {
            None => json!({}),
            Some(storage) => json!({ "autoParticipantRecordingConfiguration": {
                "storageConfiguration": storage,
                "mediaTypes": [pick(&["AUDIO_VIDEO", "AUDIO_ONLY"], b)],
                "recordParticipantReplicas": c % 2 == 0,
                "recordingReconnectWindowSeconds": i32::from(d % 2) * 60,
                "thumbnailConfiguration": { "recordingMode": pick(&["DISABLED", "INTERVAL"], e) },
                "hlsConfiguration": { "targetSegmentDurationSeconds": 2 + i32::from(f % 9) },
            } }),
        },
        Kind::EncoderConfiguration => json!({ "video": {
            "width": 2 * (1 + i32::from(a)), "height": 2 * (1 + i32::from(b)),
            "framerate": pick(&["30", "29.97", "60"], c).parse::<f64>().expect("a number"),
            "bitrate": 1 + i32::from(d) * 1000,
        } }),
        Kind::StorageConfiguration => {
            json!({ "s3": { "bucketName": pick(&["shows-a", "shows-b"], a) } })
        }
        Kind::Composition => {
            let stage = one_of(Kind::Stage, a)?;
            let encoder = one_of(Kind::EncoderConfiguration, b);
            let channel = one_of(Kind::Channel, c).filter(|it| taken.insert((kind, it.clone())));
            let storage = one_of(Kind::StorageConfiguration, d);
            let mut destinations = Vec::new();
            if let Some(channel) = channel {
                let mut channel = json!({ "channel": channel });
                if let Some(encoder) = &encoder {
                    channel["encoderConfiguration"] = json!(encoder);
                }
                destinations.push(json!({ "name": "air", "channel": channel }));
            }
            if let (Some(storage), Some(encoder)) = (storage, encoder) {
                destinations.push(json!({ "s3": {
                    "storageConfiguration": storage, "encoderConfigurations": [encoder],
                } }));
            }
            if destinations.is_empty() {
                return None;
            }
            let layout = match e % 3 {
                0 => json!({}),
                1 => {
                    json!({ "grid": { "gridGap": i32::from(f % 4), "omitStoppedVideo": f % 2 == 0 } })
                }
                _ => json!({ "pip": { "pipOffset": i32::from(f % 4), "pipWidth": 100 } }),
            };
            let run = pick(&["ALWAYS", "WHILE_STAGE_ACTIVE", "STOPPED"], f);
            json!({ "stage": stage, "run": run, "destinations": destinations, "layout": layout })
        }
    })
}
