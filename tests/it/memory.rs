//! A long-lived emulator stays small: what is kept of the past (history, deleted objects, sessions, tokens,
//! rates) is bounded, so that memory follows the objects there are and not the requests there were.
//! `MEMORY_REQUESTS=1000000` for the long run; see `CONTRIBUTING.md`.

use crate::binary::Served;
use crate::client::Client;
use crate::left_out::too_slow;
use serde_json::json;

const REQUESTS: u64 = 60_000;
/// By then everything that is bounded is as large as it gets: see `KEPT` in the emulator's history, `MAX_TOMBSTONES`
/// in its object stores.
const WARM: u64 = 40_000;
/// What the allocator and the pages of the program may add, whatever the number of requests.
const SLACK_KIB: u64 = 6 * 1024;

/// Makes, reads, lists, tags, changes and deletes something of most kinds, goes live and publishes, and is
/// refused in several ways. Leaves nothing behind.
fn live_and_die(client: &mut Client, turn: u64) {
    let name = format!("turn-{turn}");
    let named = json!({"name": name, "tags": {"turn": name}});
    let made = client.call("CreateChannel", &named);
    let channel = json!({"arn": made["channel"]["arn"]});
    let of_channel = json!({"channelArn": made["channel"]["arn"]});
    let key = json!({"arn": made["streamKey"]["arn"]});
    let arn = made["channel"]["arn"].as_str().expect("an ARN").to_owned();
    let gone = json!({"arn": format!("{}-", &arn[..arn.len() - 1])});
    let tags = format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"));

    client.call("GetChannel", &channel);
    client.call("BatchGetChannel", &json!({"arns": [arn, gone["arn"]]}));
    client.call("ListChannels", &json!({"filterByName": name}));
    client.call("ListChannels", &json!({"maxResults": 1}));
    client.call("UpdateChannel", &json!({"arn": arn, "name": "other", "latencyMode": "NORMAL"}));
    client.send("POST", &tags, &json!({"tags": {"a": name, "b": "c"}}), 200);
    client.send("GET", &tags, &json!({}), 200);
    client.send("DELETE", &format!("{tags}?tagKeys=a&tagKeys=b"), &json!({}), 200);
    client.call("GetStreamKey", &key);
    client.call("DeleteStreamKey", &key);
    client.call("CreateStreamKey", &of_channel);
    client.call("ListStreamKeys", &of_channel);

    client.control("POST", "streams", &of_channel);
    client.call("GetStream", &of_channel);
    client.call("ListStreams", &json!({}));
    client.call("PutMetadata", &json!({"channelArn": arn, "metadata": name}));
    client.refused("UpdateChannel", &json!({"arn": arn, "name": name}), 409);
    client.refused("DeleteChannel", &channel, 409);
    client.control("DELETE", "streams", &of_channel);
    client.call("ListStreamSessions", &of_channel);
    client.call("GetStreamSession", &of_channel);

    let bucket = json!({"s3": {"bucketName": "bucket"}});
    let made =
        client.call("CreateRecordingConfiguration", &json!({"destinationConfiguration": bucket}));
    let recording = json!({"arn": made["recordingConfiguration"]["arn"]});
    client.call("GetRecordingConfiguration", &recording);
    client.call("ListRecordingConfigurations", &json!({}));
    client.call("DeleteRecordingConfiguration", &recording);
    let made = client.call("CreatePlaybackRestrictionPolicy", &named);
    let policy = json!({"arn": made["playbackRestrictionPolicy"]["arn"]});
    client.call("UpdatePlaybackRestrictionPolicy", &policy);
    client.call("DeletePlaybackRestrictionPolicy", &policy);

    let made =
        client.call("CreateStage", &json!({"name": name, "participantTokenConfigurations": [{}]}));
    let stage = json!({"arn": made["stage"]["arn"]});
    let of_stage = json!({"stageArn": made["stage"]["arn"]});
    let token = client.call("CreateParticipantToken", &of_stage);
    let id = &token["participantToken"]["participantId"];
    let joined =
        json!({"stageArn": of_stage["stageArn"], "participantId": id, "userId": name.clone()});
    let session = client.control("POST", "participants", &joined);
    let publisher = json!({"stageArn": of_stage["stageArn"], "participantId": id,
                           "sessionId": session["sessionId"]});
    client.call("GetParticipant", &publisher);
    client.call("ListParticipants", &publisher);
    client.call("ListParticipantEvents", &publisher);
    let other = client.call("CreateStage", &json!({}));
    let other = json!({"arn": other["stage"]["arn"]});
    let replication = json!({"sourceStageArn": of_stage["stageArn"], "participantId": id,
                             "destinationStageArn": other["arn"]});
    client.call("StartParticipantReplication", &replication);
    client.refused("StartParticipantReplication", &replication, 409);
    client.call("ListParticipantReplicas", &replication);

    let encoder = client.call("CreateEncoderConfiguration", &json!({}));
    let encoder = json!({"arn": encoder["encoderConfiguration"]["arn"]});
    let started = json!({
        "stageArn": of_stage["stageArn"], "idempotencyToken": name,
        "destinations": [{"channel": {"channelArn": arn, "encoderConfigurationArn": encoder["arn"]}}],
    });
    let composition = client.call("StartComposition", &started);
    client.call("StartComposition", &started);
    let composition = json!({"arn": composition["composition"]["arn"]});
    client.call("GetComposition", &composition);
    client.call("ListCompositions", &json!({"filterByStageArn": of_stage["stageArn"]}));
    client.refused("DeleteEncoderConfiguration", &encoder, 409);
    client.call("StopComposition", &composition);
    client.call("RevokeConnectionToken", &json!({"tokenId": id}));
    client.call("DeleteStage", &stage);
    client.call("DeleteStage", &other);
    // It ends, and five minutes later nothing is to be seen of it.
    client.control("POST", "clock", &json!({"advanceSeconds": 310}));
    client.refused("GetComposition", &composition, 404);
    client.call("DeleteEncoderConfiguration", &encoder);
    let ingest = client.call("CreateIngestConfiguration", &json!({"ingestProtocol": "RTMPS"}));
    client.call("DeleteIngestConfiguration", &json!({"arn": ingest["ingestConfiguration"]["arn"]}));

    client.call("DeleteChannel", &channel);
    client.refused("GetChannel", &channel, 404);
    client.refused("GetChannel", &gone, 404);
    client.refused("CreateChannel", &json!({"name": "not a name", "type": name}), 400);
    client.refused(&format!("Nonsense{turn}"), &json!({}), 404);
    client.send("POST", "/ListChannels", &json!([turn]), 400);
}

/// What the process holds, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::print_stderr, reason = "the figures are what one runs it for")]
fn memory_follows_the_objects_there_are_and_not_the_requests_there_were() {
    let wanted = std::env::var("MEMORY_REQUESTS");
    if wanted.is_err() && too_slow("the memory of an emulator after many requests") {
        return;
    }
    let requests = wanted.map_or(REQUESTS, |it| it.parse().expect("a number of requests"));
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::start(home.path(), &[]);
    let mut client = Client::new(&served.url);
    // One of the refusals is that of a new name for a live channel.
    client.control("POST", "switches", &json!({ "liveRename": "refuse" }));
    let warm = WARM.max(requests / 10);
    let (mut turn, mut before) = (0, None);
    let begun = std::time::Instant::now();
    let mut told = 0;
    while client.sent < requests {
        live_and_die(&mut client, turn);
        turn += 1;
        if before.is_none() && client.sent >= warm {
            before = Some((client.sent, resident(served.process())));
        }
        if client.sent >= told {
            told += requests / 10;
            eprintln!(
                "{:>9} requests {:>7} KiB {:>4} s",
                client.sent,
                resident(served.process()),
                begun.elapsed().as_secs()
            );
        }
    }
    let objects = client.control("GET", "objects", &json!({}));
    let nothing = json!({ "objects": [], "replications": [] });
    assert_eq!(objects, nothing, "nothing is left that memory could be for");
    let (at, before) = before.expect("more requests than it takes to get warm");
    let after = resident(served.process());
    eprintln!(
        "{before} KiB after {at} requests, {after} KiB after {}, {} s",
        client.sent,
        begun.elapsed().as_secs()
    );
    assert!(after < before + SLACK_KIB, "{before} KiB have become {after} KiB");
}
