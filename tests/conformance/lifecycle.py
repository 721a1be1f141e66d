#!/usr/bin/env python3
"""Carries out the lifecycle of all kinds on the emulator, with AWS's own client.

    python lifecycle.py http://127.0.0.1:PORT

Prints `N passed, 0 failed`, or names each failed check and exits with 1. Talks to that address only.
Empties the account it finds there.
"""

import json
import time
import urllib.error
import urllib.request

import boto3
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tally import check, endpoint, equal, finish

ENDPOINT = endpoint("lifecycle.py http://127.0.0.1:PORT")
REGION = "us-west-2"
P384 = """-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqofKIr6LBTeOscce8yCtdG4dO2KLp5uY
WfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR8
6doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f
-----END PUBLIC KEY-----
"""


def client(service, region=REGION):
    """A client whose calls can only reach the emulator."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id="AKIDEMULATOR",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
    )


def refused(name, code, call, /, **parameters):
    """The call must fail with this code, this status, and a message."""
    statuses = {
        "ValidationException": 400,
        "ResourceNotFoundException": 404,
        "ChannelNotBroadcasting": 404,
        "ConflictException": 409,
        "ServiceQuotaExceededException": 402,
        "ThrottlingException": 429,
        "InternalServerException": 500,
        "PendingVerification": 403,
    }
    try:
        call(**parameters)
        check(name, False, f"succeeded, wanted {code}")
    except ClientError as error:
        answer = error.response
        found = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
        equal(name, found, (code, statuses[code]))
        check(f"{name}: message", answer["Error"]["Message"] not in ("", None), answer)
        return answer
    return {}


def status(name, answer, wanted):
    """The HTTP status of a success."""
    equal(name, answer["ResponseMetadata"]["HTTPStatusCode"], wanted)


def control(method, path, body=None):
    """A control request: status and answer."""
    request = urllib.request.Request(
        f"{ENDPOINT}/_emulator/{path}",
        method=method,
        data=json.dumps(body or {}).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def advance(seconds):
    """Lets time pass."""
    equal(f"clock +{seconds}", control("POST", "clock", {"advanceSeconds": seconds})[0], 200)


def raw(method, path, body=b"", headers=None, sign=True):
    """A request below boto3: status, headers, body."""
    request = AWSRequest(method=method, url=ENDPOINT + path, data=body, headers=headers or {})
    if sign:
        credentials = Credentials("AKIDEMULATOR", "secret")
        SigV4Auth(credentials, "ivs", REGION).add_auth(request)
    plain = urllib.request.Request(
        ENDPOINT + path, method=method, data=body or None, headers=dict(request.headers)
    )
    try:
        with urllib.request.urlopen(plain, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def pages(call, member, **parameters):
    """All pages of a list: items, and how many pages."""
    items, token, count = [], None, 0
    while True:
        answer = call(**parameters, **({"nextToken": token} if token else {}))
        items.extend(answer[member])
        count += 1
        token = answer.get("nextToken")
        if not token:
            return items, count


def test_protocol(ivs):
    """Signing, routes, status, headers, malformed requests."""
    sts = client("sts").get_caller_identity()
    equal("sts account", sts["Account"], "000000000000")
    code, headers, body = raw("POST", "/ListChannels", b"{}", sign=False)
    equal("unsigned", (code, headers["x-amzn-ErrorType"]), (403, "MissingAuthenticationTokenException"))
    equal("both messages", sorted(json.loads(body)), ["exceptionMessage", "message"])
    code, headers, body = raw("POST", "/ListChannels", b"{}")
    equal("signed", (code, json.loads(body)), (200, {"channels": []}))
    check("date header", headers["Date"] is not None, dict(headers))
    first, second = headers["x-amzn-requestid"], raw("POST", "/ListChannels")[1]["x-amzn-requestid"]
    check("request ids differ", first and first != second, (first, second))
    equal("an empty body is {}", raw("POST", "/ListChannels")[0], 200)
    equal("paths are case-sensitive", raw("POST", "/listchannels", b"{}")[0], 404)
    equal("methods matter", raw("GET", "/ListChannels")[0], 404)
    equal("not JSON", raw("POST", "/ListChannels", b"{")[0], 400)
    equal("not an object", raw("POST", "/ListChannels", b"[]")[0], 400)
    equal("deep JSON", raw("POST", "/ListChannels", b"[" * 200000)[0], 400)
    equal("too large", raw("POST", "/ListChannels", b" " * (1024 * 1024 + 1))[0], 413)
    equal("an Origin", raw("POST", "/ListChannels", b"{}", {"Origin": "http://localhost"})[0], 403)
    equal("a foreign Host", raw("POST", "/ListChannels", b"{}", {"Host": "example.com"})[0], 421)
    equal("unknown members are ignored", raw("POST", "/ListChannels", b'{"x": 1}')[0], 200)
    wrong = refused("404 headers", "ResourceNotFoundException", ivs.get_channel,
                    arn=f"arn:aws:ivs:{REGION}:000000000000:channel/none")
    wrong = wrong["ResponseMetadata"]["HTTPHeaders"]
    equal("error headers", (wrong.get("x-content-type-options"), wrong.get("x-frame-options")),
          ("nosniff", "DENY"))
    far = client("ivs", "eu-west-1")
    arn = far.create_channel()["channel"]["arn"]
    check("region in the ARN", ":eu-west-1:" in arn, arn)
    refused("regions are apart", "ResourceNotFoundException", ivs.get_channel, arn=arn)
    status("delete there", far.delete_channel(arn=arn), 204)
    try:
        client("ivs", "eu-north-1").list_channels()
        check("a region without the service", False, "succeeded")
    except ClientError as error:
        equal("a region without the service", error.response["ResponseMetadata"]["HTTPStatusCode"], 403)


def test_channel(ivs):
    """Channels and their stream keys."""
    made = ivs.create_channel()
    channel, key = made["channel"], made["streamKey"]
    arn = channel["arn"]
    identity = arn.rsplit("/", 1)[1]
    check("channel id", len(identity) == 12 and identity.isalnum(), identity)
    equal("channel defaults", {k: v for k, v in channel.items() if k not in
          ("arn", "ingestEndpoint", "playbackUrl", "srt")}, {
        "name": "", "latencyMode": "LOW", "type": "STANDARD", "authorized": False,
        "insecureIngest": False, "preset": "", "containerFormat": "TS",
        "recordingConfigurationArn": "", "playbackRestrictionPolicyArn": "",
        "adConfigurationArn": "", "failoverSlateConfigurationArn": "",
        "multitrackInputConfiguration": {
            "enabled": False, "policy": "ALLOW", "maximumResolution": "FULL_HD"},
        "tags": {}})
    check("playback url", channel["playbackUrl"].endswith(
        f".us-west-2.playback.live-video.net/api/video/v1/us-west-2.000000000000.channel.{identity}.m3u8"),
        channel["playbackUrl"])
    check("ingest endpoint", channel["ingestEndpoint"].endswith(".global-contribute.live-video.net"))
    check("srt", channel["srt"]["endpoint"].endswith(".srt.live-video.net")
          and channel["srt"]["passphrase"].startswith("sk_emulator_"), channel["srt"])
    equal("key of the channel", (key["channelArn"], key["tags"]), (arn, {}))
    check("key value", key["value"].startswith("sk_emulator_"), key["value"])
    equal("get is create", ivs.get_channel(arn=arn)["channel"], channel)
    equal("get key", ivs.get_stream_key(arn=key["arn"])["streamKey"], key)
    listed = ivs.list_stream_keys(channelArn=arn)["streamKeys"]
    equal("list keys without value", listed, [{"arn": key["arn"], "channelArn": arn, "tags": {}}])
    refused("a second key", "ServiceQuotaExceededException", ivs.create_stream_key, channelArn=arn)
    status("delete key", ivs.delete_stream_key(arn=key["arn"]), 204)
    refused("key gone", "ResourceNotFoundException", ivs.get_stream_key, arn=key["arn"])
    again = ivs.create_stream_key(channelArn=arn, tags={"a": "b"})["streamKey"]
    check("another key", again["value"] != key["value"] and again["tags"] == {"a": "b"}, again)

    changed = ivs.update_channel(arn=arn, name="main", type="ADVANCED_HD", authorized=True)["channel"]
    equal("preset of advanced", changed["preset"], "HIGHER_BANDWIDTH_DELIVERY")
    changed = ivs.update_channel(arn=arn, preset="CONSTRAINED_BANDWIDTH_DELIVERY")["channel"]
    equal("absent is unchanged", (changed["name"], changed["authorized"], changed["type"]),
          ("main", True, "ADVANCED_HD"))
    changed = ivs.update_channel(arn=arn, type="STANDARD", authorized=False)["channel"]
    equal("preset after advanced, false is not absent", (changed["preset"], changed["authorized"]),
          ("", False))
    refused("preset on standard", "ValidationException", ivs.update_channel, arn=arn,
            preset="HIGHER_BANDWIDTH_DELIVERY")
    refused("preset at create", "ValidationException", ivs.create_channel, preset="HIGHER_BANDWIDTH_DELIVERY")
    track = {"enabled": True, "policy": "REQUIRE", "maximumResolution": "HD"}
    refused("multitrack needs fMP4", "ValidationException", ivs.update_channel, arn=arn,
            multitrackInputConfiguration=track)
    refused("multitrack needs policy", "ValidationException", ivs.update_channel, arn=arn,
            containerFormat="FRAGMENTED_MP4", multitrackInputConfiguration={"enabled": True})
    refused("multitrack needs STANDARD", "ValidationException", ivs.create_channel, type="BASIC",
            containerFormat="FRAGMENTED_MP4", multitrackInputConfiguration=track)
    changed = ivs.update_channel(arn=arn, containerFormat="FRAGMENTED_MP4",
                                 multitrackInputConfiguration=track)["channel"]
    equal("multitrack", changed["multitrackInputConfiguration"], track)
    changed = ivs.update_channel(arn=arn, multitrackInputConfiguration={"enabled": False})["channel"]
    equal("multitrack off keeps the rest", changed["multitrackInputConfiguration"],
          {"enabled": False, "policy": "REQUIRE", "maximumResolution": "HD"})
    refused("bad name", "ValidationException", ivs.create_channel, name="a b")
    refused("bad enum", "ValidationException", ivs.create_channel, type="HUGE")
    refused("long name", "ValidationException", ivs.create_channel, name="a" * 129)
    refused("wrong kind of ARN", "ValidationException", ivs.create_channel,
            recordingConfigurationArn=arn)
    refused("missing reference", "ResourceNotFoundException", ivs.create_channel,
            recordingConfigurationArn=f"arn:aws:ivs:{REGION}:000000000000:recording-configuration/none")
    refused("update nothing there", "ResourceNotFoundException", ivs.update_channel,
            arn=arn[:-1] + "-", name="x")

    batch = ivs.batch_get_channel(arns=[arn, arn[:-1] + "-"])
    equal("batch found", [one["arn"] for one in batch["channels"]], [arn])
    equal("batch missing", [one["arn"] for one in batch["errors"]], [arn[:-1] + "-"])
    check("batch error members", batch["errors"][0]["code"] and batch["errors"][0]["message"], batch)
    batch = ivs.batch_get_stream_key(arns=[again["arn"]])
    equal("batch keys", (batch["streamKeys"], batch["errors"]), ([again], []))
    status("delete channel", ivs.delete_channel(arn=arn), 204)
    refused("channel gone", "ResourceNotFoundException", ivs.get_channel, arn=arn)
    refused("its key gone", "ResourceNotFoundException", ivs.get_stream_key, arn=again["arn"])
    refused("delete twice", "ResourceNotFoundException", ivs.delete_channel, arn=arn)


def test_lists(ivs):
    """Pages, tokens, filters, summaries."""
    arns = [ivs.create_channel(name=f"n{i}", tags={"i": str(i)})["channel"]["arn"] for i in range(7)]
    items, count = pages(ivs.list_channels, "channels", maxResults=3)
    equal("pages", ([one["arn"] for one in items], count), (arns, 3))
    equal("summary members", sorted(items[0]), sorted([
        "arn", "name", "latencyMode", "authorized", "recordingConfigurationArn", "tags",
        "insecureIngest", "type", "preset", "playbackRestrictionPolicyArn", "adConfigurationArn",
        "failoverSlateConfigurationArn"]))
    equal("default page", pages(ivs.list_channels, "channels")[1], 1)
    page = ivs.list_channels(maxResults=3)
    check("token form", set(page["nextToken"]) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_-"), page["nextToken"])
    new = ivs.create_channel(name="late")["channel"]["arn"]
    ivs.delete_channel(arn=arns[0])
    rest = ivs.list_channels(nextToken=page["nextToken"])["channels"]
    equal("a token survives changes", [one["arn"] for one in rest], arns[3:] + [new])
    refused("foreign token", "ValidationException", ivs.list_channels, nextToken="abcd")
    refused("token of other filters", "ValidationException", ivs.list_channels,
            nextToken=page["nextToken"], filterByName="n1")
    refused("maxResults 0", "ValidationException", raw_json("ListChannels"), maxResults=0)
    refused("maxResults 101", "ValidationException", raw_json("ListChannels"), maxResults=101)
    found = ivs.list_channels(filterByName="n1")["channels"]
    equal("filter by name", [one["arn"] for one in found], [arns[1]])
    refused("two filters", "ConflictException", ivs.list_channels, filterByName="n1",
            filterByRecordingConfigurationArn=f"arn:aws:ivs:{REGION}:000000000000:recording-configuration/a")
    control("POST", "faults", {"operation": "ListChannels", "kind": "listLag", "seconds": 3600})
    lagged = [one["arn"] for one in ivs.list_channels()["channels"]]
    equal("a lagging list misses what is new", lagged, [])
    control("DELETE", "faults")
    for arn in arns[1:] + [new]:
        ivs.delete_channel(arn=arn)
    equal("empty list", ivs.list_channels()["channels"], [])


def raw_json(operation):
    """The operation without boto3's own checks of its parameters."""

    def call(**parameters):
        code, headers, body = raw("POST", f"/{operation}", json.dumps(parameters).encode(),
                                  {"content-type": "application/json"})
        if code >= 400:
            told = json.loads(body)
            raise ClientError({"Error": {"Code": headers["x-amzn-ErrorType"], "Message": told["message"]},
                               "ResponseMetadata": {"HTTPStatusCode": code, "HTTPHeaders": dict(headers)}},
                              operation)
        return json.loads(body or b"{}")

    return call


def test_tags(ivs, realtime):
    """Tags on both services."""
    channel = ivs.create_channel(tags={"a": "1"})["channel"]["arn"]
    stage = realtime.create_stage(tags={"a": "1"})["stage"]["arn"]
    for service, arn in ((ivs, channel), (realtime, stage)):
        status("tag", service.tag_resource(resourceArn=arn, tags={"b": "2 é/:=+-@_.", "a": "3"}), 200)
        tags = service.list_tags_for_resource(resourceArn=arn)["tags"]
        equal("tags", tags, {"a": "3", "b": "2 é/:=+-@_."})
        status("untag", service.untag_resource(resourceArn=arn, tagKeys=["a", "absent", "x y"]), 200)
        equal("untagged", service.list_tags_for_resource(resourceArn=arn)["tags"], {"b": "2 é/:=+-@_."})
        refused("aws: tags", "ValidationException", service.tag_resource, resourceArn=arn,
                tags={"aws:x": "y"})
        refused("tag characters", "ValidationException", service.tag_resource, resourceArn=arn,
                tags={"x": "a*b"})
        many = {str(i): "" for i in range(49)}
        status("fifty tags", service.tag_resource(resourceArn=arn, tags=many), 200)
        refused("51 tags", "ValidationException", service.tag_resource, resourceArn=arn, tags={"z": ""})
        status("replacing at fifty", service.tag_resource(resourceArn=arn, tags={"0": "new"}), 200)
        refused("tags of nothing", "ResourceNotFoundException", service.list_tags_for_resource,
                resourceArn=arn[:-1] + "-")
        refused("no ARN", "ValidationException", service.list_tags_for_resource, resourceArn="x")
    equal("tags in get", len(ivs.get_channel(arn=channel)["channel"]["tags"]), 50)
    refused("tags at create", "ValidationException", ivs.create_channel, tags={"AWS:x": "y"})
    ivs.delete_channel(arn=channel)
    realtime.delete_stage(arn=stage)


def test_recording(ivs):
    """Recording configurations."""
    create = ivs.create_recording_configuration
    bucket = {"s3": {"bucketName": "my-bucket"}}
    made = create(destinationConfiguration=bucket, tags={"k": "v"})["recordingConfiguration"]
    arn = made["arn"]
    equal("recording defaults", {k: v for k, v in made.items() if k != "arn"}, {
        "name": "", "destinationConfiguration": bucket, "state": "CREATING", "tags": {"k": "v"},
        "thumbnailConfiguration": {"recordingMode": "INTERVAL", "targetIntervalSeconds": 60,
                                   "storage": ["SEQUENTIAL"]},
        "recordingReconnectWindowSeconds": 0,
        "renditionConfiguration": {"renditionSelection": "ALL"}})
    refused("reference while CREATING", "ValidationException", ivs.create_channel,
            recordingConfigurationArn=arn)
    advance(5)
    equal("ACTIVE", ivs.get_recording_configuration(arn=arn)["recordingConfiguration"]["state"], "ACTIVE")
    listed = ivs.list_recording_configurations()["recordingConfigurations"]
    equal("recording summary", sorted(listed[0]), ["arn", "destinationConfiguration", "name", "state", "tags"])
    channel = ivs.create_channel(recordingConfigurationArn=arn)["channel"]["arn"]
    refused("delete while referenced", "ConflictException", ivs.delete_recording_configuration, arn=arn)
    used = ivs.list_channels(filterByRecordingConfigurationArn=arn)["channels"]
    equal("who uses it", [one["arn"] for one in used], [channel])
    equal("detach", ivs.update_channel(arn=channel, recordingConfigurationArn="")["channel"]
          ["recordingConfigurationArn"], "")
    status("delete recording", ivs.delete_recording_configuration(arn=arn), 204)
    ivs.delete_channel(arn=channel)
    loose = raw_json("CreateRecordingConfiguration")
    refused("no destination", "ValidationException", loose)
    refused("an empty destination", "ValidationException", create, destinationConfiguration={})
    refused("bucket name", "ValidationException", create, destinationConfiguration={"s3": {"bucketName": "A_b"}})
    refused("interval 61", "ValidationException", loose, destinationConfiguration=bucket,
            thumbnailConfiguration={"targetIntervalSeconds": 61})
    refused("interval while disabled", "ValidationException", create, destinationConfiguration=bucket,
            thumbnailConfiguration={"recordingMode": "DISABLED", "targetIntervalSeconds": 5})
    refused("thumbnail storage twice", "ValidationException", create, destinationConfiguration=bucket,
            thumbnailConfiguration={"recordingMode": "INTERVAL", "storage": ["LATEST", "LATEST"]})
    refused("custom without renditions", "ValidationException", create, destinationConfiguration=bucket,
            renditionConfiguration={"renditionSelection": "CUSTOM"})
    control("POST", "faults", {"operation": "CreateRecordingConfiguration", "kind": "createFailed", "nth": 1})
    arn = create(destinationConfiguration=bucket)["recordingConfiguration"]["arn"]
    advance(5)
    equal("CREATE_FAILED", ivs.get_recording_configuration(arn=arn)["recordingConfiguration"]["state"],
          "CREATE_FAILED")
    ivs.delete_recording_configuration(arn=arn)
    control("DELETE", "faults")
    arns = [create(destinationConfiguration=bucket)["recordingConfiguration"]["arn"] for _ in range(20)]
    refused("quota", "ServiceQuotaExceededException", create, destinationConfiguration=bucket)
    for arn in arns:
        ivs.delete_recording_configuration(arn=arn)


def test_streams(ivs):
    """Going live and what it forbids."""
    arn = ivs.create_channel(name="live")["channel"]["arn"]
    refused("not live", "ChannelNotBroadcasting", ivs.get_stream, channelArn=arn)
    refused("nothing to stop", "ChannelNotBroadcasting", ivs.stop_stream, channelArn=arn)
    equal("go live", control("POST", "streams", {"channelArn": arn, "viewerCount": 12})[0], 200)
    stream = ivs.get_stream(channelArn=arn)["stream"]
    equal("stream", (stream["state"], stream["health"], stream["viewerCount"]), ("LIVE", "HEALTHY", 12))
    check("stream id", len(stream["streamId"]) == 26 and stream["streamId"].startswith("st-"), stream)
    listed = ivs.list_streams()["streams"]
    equal("streams", [(one["channelArn"], one["viewerCount"]) for one in listed], [(arn, 12)])
    equal("streams by health", ivs.list_streams(filterBy={"health": "STARVING"})["streams"], [])
    refused("update live", "ConflictException", ivs.update_channel, arn=arn, authorized=True)
    refused("rename live", "ConflictException", ivs.update_channel, arn=arn, name="other")
    refused("delete live", "ConflictException", ivs.delete_channel, arn=arn)
    status("tag live", ivs.tag_resource(resourceArn=arn, tags={"a": "b"}), 200)
    status("metadata", ivs.put_metadata(channelArn=arn, metadata="hello"), 204)
    refused("large metadata", "ValidationException", ivs.put_metadata, channelArn=arn, metadata="x" * 1025)
    refused("no ads", "ConflictException", ivs.insert_ad_break, channelArn=arn, durationSeconds=30)
    status("stop", ivs.stop_stream(channelArn=arn), 200)
    refused("still live for a moment", "ConflictException", ivs.delete_channel, arn=arn)
    advance(5)
    refused("stopped", "ChannelNotBroadcasting", ivs.get_stream, channelArn=arn)
    sessions = ivs.list_stream_sessions(channelArn=arn)["streamSessions"]
    equal("sessions", [one["streamId"] for one in sessions], [stream["streamId"]])
    session = ivs.get_stream_session(channelArn=arn)["streamSession"]
    equal("session channel", session["channel"]["name"], "live")
    check("session ended", "endTime" in session, session)
    control("POST", "streams", {"channelArn": arn})
    [key] = ivs.list_stream_keys(channelArn=arn)["streamKeys"]
    ivs.delete_stream_key(arn=key["arn"])
    equal("live without its key", [one["channelArn"] for one in ivs.list_streams()["streams"]], [arn])
    equal("end by control", control("DELETE", "streams", {"channelArn": arn})[0], 200)
    status("revoke", ivs.start_viewer_session_revocation(channelArn=arn, viewerId="v"), 200)
    batch = ivs.batch_start_viewer_session_revocation(viewerSessions=[
        {"channelArn": arn, "viewerId": "v"}, {"channelArn": arn[:-1] + "-", "viewerId": "v"}])
    equal("batch revoke", [one["code"] for one in batch["errors"]], ["403"])
    ivs.delete_channel(arn=arn)


def test_stage(realtime):
    """Stages and participant recording."""
    stage = realtime.create_stage()["stage"]
    recording = {
        "storageConfigurationArn": "", "mediaTypes": ["AUDIO_VIDEO"],
        "thumbnailConfiguration": {"targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"],
                                   "recordingMode": "DISABLED"},
        "recordingReconnectWindowSeconds": 0,
        "hlsConfiguration": {"targetSegmentDurationSeconds": 6}, "recordParticipantReplicas": True}
    equal("stage defaults", (stage["name"], stage["tags"], stage["autoParticipantRecordingConfiguration"]),
          ("", {}, recording))
    equal("endpoints", sorted(stage["endpoints"]), ["events", "rtmp", "rtmps", "whip"])
    check("no session", "activeSessionId" not in stage, stage)
    arn = stage["arn"]
    storage = realtime.create_storage_configuration(s3={"bucketName": "abc"})["storageConfiguration"]
    equal("storage", (storage["name"], storage["s3"], storage["tags"]), ("", {"bucketName": "abc"}, {}))
    equal("storage list is complete", realtime.list_storage_configurations()["storageConfigurations"], [storage])
    field = "autoParticipantRecordingConfiguration"
    on = {**recording, "storageConfigurationArn": storage["arn"], "recordParticipantReplicas": False,
          "recordingReconnectWindowSeconds": 30}
    del on["thumbnailConfiguration"]
    changed = realtime.update_stage(arn=arn, **{field: on})["stage"][field]
    equal("replicas false", (changed["recordParticipantReplicas"], changed["recordingReconnectWindowSeconds"]),
          (False, 30))
    changed = realtime.update_stage(arn=arn, name="named")["stage"]
    equal("a rename keeps recording", changed[field]["recordingReconnectWindowSeconds"], 30)
    changed = realtime.update_stage(arn=arn, **{field: {"storageConfigurationArn": storage["arn"]}})
    changed = changed["stage"][field]
    equal("a partial update resets", (changed["recordParticipantReplicas"],
                                      changed["recordingReconnectWindowSeconds"]), (True, 0))
    control("POST", "switches", {"stageUpdate": "merge"})
    realtime.update_stage(arn=arn, **{field: {"storageConfigurationArn": storage["arn"],
                                              "recordingReconnectWindowSeconds": 9}})
    changed = realtime.update_stage(arn=arn, **{field: {"storageConfigurationArn": storage["arn"]}})
    equal("or merges", changed["stage"][field]["recordingReconnectWindowSeconds"], 9)
    control("POST", "switches", {"stageUpdate": "reset"})
    refused("storage in use", "ConflictException", realtime.delete_storage_configuration, arn=storage["arn"])
    changed = realtime.update_stage(arn=arn, **{field: {"storageConfigurationArn": ""}})["stage"][field]
    equal("off resets all", changed, recording)
    status("delete storage", realtime.delete_storage_configuration(arn=storage["arn"]), 200)
    refused("missing storage at create is validation", "ValidationException", realtime.create_stage,
            **{field: {"storageConfigurationArn": storage["arn"]}})
    refused("missing storage at update", "ResourceNotFoundException", realtime.update_stage, arn=arn,
            **{field: {"storageConfigurationArn": storage["arn"]}})
    refused("two media types", "ValidationException", realtime.update_stage, arn=arn,
            **{field: {"storageConfigurationArn": "", "mediaTypes": ["AUDIO_VIDEO", "AUDIO_ONLY"]}})

    code, joined = control("POST", "participants", {"stageArn": arn, "userId": "u"})
    equal("join", code, 200)
    equal("active session", realtime.get_stage(arn=arn)["stage"]["activeSessionId"], joined["sessionId"])
    listed = realtime.list_stages()["stages"]
    equal("stage summary", sorted(listed[0]), ["activeSessionId", "arn", "name", "tags"])
    where = {"stageArn": arn, "sessionId": joined["sessionId"]}
    people = realtime.list_participants(**where)["participants"]
    equal("participants", [(one["userId"], one["state"], one["published"]) for one in people],
          [("u", "CONNECTED", True)])
    one = realtime.get_participant(**where, participantId=joined["participantId"])["participant"]
    equal("participant", (one["recordingState"], one["replicationType"]), ("DISABLED", "NONE"))
    status("disconnect", realtime.disconnect_participant(
        stageArn=arn, participantId=joined["participantId"]), 200)
    refused("disconnect again", "ResourceNotFoundException", realtime.disconnect_participant,
            stageArn=arn, participantId=joined["participantId"])
    check("session lasts", "activeSessionId" in realtime.get_stage(arn=arn)["stage"])
    control("POST", "clock", {"advanceSeconds": 180})
    check("session over", "activeSessionId" not in realtime.get_stage(arn=arn)["stage"])
    sessions = realtime.list_stage_sessions(stageArn=arn)["stageSessions"]
    equal("stage sessions", [one["sessionId"] for one in sessions], [joined["sessionId"]])
    events = realtime.list_participant_events(**where, participantId=joined["participantId"])["events"]
    equal("events", [one["name"] for one in events],
          ["JOINED", "PUBLISH_STARTED", "PUBLISH_STOPPED", "LEFT"])
    token = realtime.create_participant_token(stageArn=arn, userId="t")["participantToken"]
    equal("token", (token["duration"], token["capabilities"]), (720, ["PUBLISH", "SUBSCRIBE"]))
    control("POST", "participants", {"stageArn": arn, "participantId": token["participantId"]})
    status("revoke token", realtime.revoke_connection_token(tokenId=token["participantId"]), 200)
    control("POST", "clock", {"advanceSeconds": 180})
    check("revoked", "activeSessionId" not in realtime.get_stage(arn=arn)["stage"])
    made = realtime.create_stage(participantTokenConfigurations=[{"userId": "a"}, {}])
    equal("tokens at create", len(made["participantTokens"]), 2)
    realtime.delete_stage(arn=made["stage"]["arn"])
    status("delete stage", realtime.delete_stage(arn=arn), 200)
    refused("stage gone", "ResourceNotFoundException", realtime.get_stage, arn=arn)


def test_encoder(realtime):
    """Encoder configurations."""
    made = realtime.create_encoder_configuration()["encoderConfiguration"]
    equal("encoder defaults", (made["name"], made["video"], made["tags"]),
          ("", {"width": 1280, "height": 720, "framerate": 30.0, "bitrate": 2500000}, {}))
    listed = realtime.list_encoder_configurations()["encoderConfigurations"]
    equal("encoder summary", sorted(listed[0]), ["arn", "name", "tags"])
    for video in ({"width": 1281}, {"width": 1920, "height": 1082}, {"framerate": 61}, {"bitrate": 8500001},
                  {"height": 1}):
        refused(f"video {video}", "ValidationException", raw_json("CreateEncoderConfiguration"),
                video=video)
    wide = realtime.create_encoder_configuration(video={"width": 1080, "height": 1920, "framerate": 29.97})
    equal("framerate", wide["encoderConfiguration"]["video"]["framerate"], 29.97)
    for arn in (made["arn"], wide["encoderConfiguration"]["arn"]):
        status("delete encoder", realtime.delete_encoder_configuration(arn=arn), 200)


def test_composition(ivs, realtime):
    """Compositions from start to oblivion."""
    stage = realtime.create_stage()["stage"]["arn"]
    channel = ivs.create_channel()["channel"]["arn"]
    encoder = realtime.create_encoder_configuration()["encoderConfiguration"]["arn"]
    storage = realtime.create_storage_configuration(s3={"bucketName": "abc"})["storageConfiguration"]["arn"]
    to_channel = {"channel": {"channelArn": channel, "encoderConfigurationArn": encoder}}
    to_s3 = {"s3": {"storageConfigurationArn": storage, "encoderConfigurationArns": [encoder]}}
    start = realtime.start_composition
    refused("two of a kind", "ValidationException", start, stageArn=stage, destinations=[to_s3, to_s3])
    refused("neither", "ValidationException", start, stageArn=stage, destinations=[{"name": "x"}])
    refused("no stage", "ResourceNotFoundException", start, stageArn=stage[:-1] + "-", destinations=[to_s3])
    refused("grid and pip", "ValidationException", start, stageArn=stage, destinations=[to_s3],
            layout={"grid": {}, "pip": {}})
    control("POST", "streams", {"channelArn": channel})
    refused("the channel is live", "ConflictException", start, stageArn=stage, destinations=[to_channel])
    control("DELETE", "streams", {"channelArn": channel})

    made = start(stageArn=stage, destinations=[to_channel, to_s3], idempotencyToken="t1",
                 tags={"a": "b"})["composition"]
    arn = made["arn"]
    equal("composition", (made["state"], made["stageArn"], made["tags"]), ("STARTING", stage, {"a": "b"}))
    equal("layout defaults", made["layout"], {"grid": {
        "featuredParticipantAttribute": "", "omitStoppedVideo": False, "videoAspectRatio": "VIDEO",
        "videoFillMode": "", "gridGap": 2, "participantOrderAttribute": ""}})
    s3 = made["destinations"][1]
    equal("destination name", s3["configuration"]["name"], "")
    equal("s3 defaults", s3["configuration"]["s3"]["recordingConfiguration"],
          {"format": "HLS", "hlsConfiguration": {"targetSegmentDurationSeconds": 2}})
    check("recording prefix", s3["detail"]["s3"]["recordingPrefix"], s3)
    same = start(stageArn=stage, destinations=[to_channel, to_s3], idempotencyToken="t1", tags={"a": "b"})
    equal("same token", same["composition"]["arn"], arn)
    refused("same token, other parameters", "ConflictException", start, stageArn=stage,
            destinations=[to_s3], idempotencyToken="t1")
    equal("live through it", [one["channelArn"] for one in ivs.list_streams()["streams"]], [channel])
    refused("its channel is live", "ConflictException", ivs.update_channel, arn=channel, name="x")
    refused("encoder in use", "ConflictException", realtime.delete_encoder_configuration, arn=encoder)
    refused("storage in use", "ConflictException", realtime.delete_storage_configuration, arn=storage)
    _, joined = control("POST", "participants", {"stageArn": stage, "userId": "u"})
    advance(5)
    got = realtime.get_composition(arn=arn)["composition"]
    equal("ACTIVE", (got["state"], [one["state"] for one in got["destinations"]]),
          ("ACTIVE", ["ACTIVE", "ACTIVE"]))
    listed = realtime.list_compositions(filterByEncoderConfigurationArn=encoder)["compositions"]
    equal("composition summary", sorted(listed[0]),
          ["arn", "destinations", "stageArn", "startTime", "state", "tags"])
    equal("destination summary", sorted(listed[0]["destinations"][0]), ["id", "startTime", "state"])
    refused("two filters", "ConflictException", realtime.list_compositions, filterByStageArn=stage,
            filterByEncoderConfigurationArn=encoder)
    advance(600)
    equal("runs while a participant publishes", realtime.get_composition(arn=arn)["composition"]["state"], "ACTIVE")
    control("DELETE", "participants", {"stageArn": stage, "participantId": joined["participantId"]})
    advance(59)
    equal("patience", realtime.get_composition(arn=arn)["composition"]["state"], "ACTIVE")
    advance(5)
    got = realtime.get_composition(arn=arn)["composition"]
    equal("ends alone", got["state"], "STOPPED")
    check("end time", "endTime" in got, got)
    refused("stop when stopped", "ConflictException", realtime.stop_composition, arn=arn)
    equal("offline again", ivs.list_streams()["streams"], [])
    advance(301)
    refused("gone after five minutes", "ResourceNotFoundException", realtime.get_composition, arn=arn)

    made = start(stageArn=stage, destinations=[to_s3], layout={"grid": {"gridGap": 0}})["composition"]
    equal("a gap of zero", made["layout"]["grid"]["gridGap"], 0)
    status("stop", realtime.stop_composition(arn=made["arn"]), 200)
    equal("STOPPING first", realtime.get_composition(arn=made["arn"])["composition"]["state"], "STOPPING")
    advance(5)
    equal("then STOPPED", realtime.get_composition(arn=made["arn"])["composition"]["state"], "STOPPED")
    made = start(stageArn=stage, destinations=[to_channel], layout={"pip": {}})["composition"]
    equal("pip defaults", made["layout"], {"pip": {
        "featuredParticipantAttribute": "", "omitStoppedVideo": False, "videoFillMode": "COVER",
        "gridGap": 0, "pipParticipantAttribute": "", "pipBehavior": "STATIC", "pipOffset": 0,
        "pipPosition": "BOTTOM_RIGHT", "participantOrderAttribute": ""}})
    _, joined = control("POST", "participants", {"stageArn": stage})
    advance(24 * 3600 + 5)
    equal("a day at most", realtime.get_composition(arn=made["arn"])["composition"]["state"], "STOPPED")
    running = [start(stageArn=stage, destinations=[to_s3])["composition"]["arn"] for _ in range(5)]
    refused("five a stage", "ServiceQuotaExceededException", start, stageArn=stage, destinations=[to_s3])
    status("the stage goes", realtime.delete_stage(arn=stage), 200)
    advance(5)
    states = [realtime.get_composition(arn=one)["composition"]["state"] for one in running]
    equal("compositions go with it", states, ["STOPPED"] * 5)
    status("encoder free", realtime.delete_encoder_configuration(arn=encoder), 200)
    status("storage free", realtime.delete_storage_configuration(arn=storage), 200)
    ivs.delete_channel(arn=channel)


def test_other_kinds(ivs):
    """Policies, ads, slates, key pairs."""
    policy = ivs.create_playback_restriction_policy()["playbackRestrictionPolicy"]
    equal("policy defaults", {k: v for k, v in policy.items() if k != "arn"}, {
        "allowedCountries": [], "allowedOrigins": [], "enableStrictOriginEnforcement": False,
        "name": "", "tags": {}})
    another = ivs.create_playback_restriction_policy(allowedCountries=["DE", "US"])["playbackRestrictionPolicy"]
    items, count = pages(ivs.list_playback_restriction_policies, "playbackRestrictionPolicies")
    equal("one policy a page", ([one["arn"] for one in items], count), ([policy["arn"], another["arn"]], 2))
    changed = ivs.update_playback_restriction_policy(arn=another["arn"], allowedCountries=[])
    equal("an empty list resets", changed["playbackRestrictionPolicy"]["allowedCountries"], [])
    refused("no country", "ValidationException", ivs.create_playback_restriction_policy, allowedCountries=["XX"])
    entry = [{"playbackConfigurationArn": f"arn:aws:mediatailor:{REGION}:1:playbackConfiguration/x"}]
    ad = ivs.create_ad_configuration(mediaTailorPlaybackConfigurations=entry)["adConfiguration"]
    equal("ad defaults", (ad["postRollConfiguration"], ad["name"], ad["tags"]),
          ({"durationSeconds": 15, "enabled": False}, "", {}))
    changed = ivs.update_ad_configuration(arn=ad["arn"], name="ad")["adConfiguration"]
    equal("ad update", (changed["name"], changed["mediaTailorPlaybackConfigurations"]), ("ad", entry))
    refused("no entries", "ValidationException", raw_json("CreateAdConfiguration"),
            mediaTailorPlaybackConfigurations=[])
    slate = ivs.create_failover_slate_configuration(maxSlateDisplaySeconds=180)["failoverSlateConfiguration"]
    equal("slate defaults", {k: v for k, v in slate.items() if k != "arn"}, {
        "name": "", "activationThresholdSeconds": 3, "minSlateDisplaySeconds": 3,
        "maxSlateDisplaySeconds": 180, "state": "CREATING", "tags": {}})
    refused("busy slate", "ConflictException", ivs.delete_failover_slate_configuration, arn=slate["arn"])
    advance(5)
    get = ivs.get_failover_slate_configuration
    equal("CREATED", get(arn=slate["arn"])["failoverSlateConfiguration"]["state"], "CREATED")
    changed = ivs.update_failover_slate_configuration(arn=slate["arn"], minSlateDisplaySeconds=9)
    changed = changed["failoverSlateConfiguration"]
    equal("UPDATING", (changed["state"], changed["minSlateDisplaySeconds"]), ("UPDATING", 9))
    advance(5)
    equal("CREATED again", get(arn=slate["arn"])["failoverSlateConfiguration"]["state"], "CREATED")
    channel = ivs.create_channel(
        playbackRestrictionPolicyArn=policy["arn"], adConfigurationArn=ad["arn"],
        failoverSlateConfigurationArn=slate["arn"])["channel"]["arn"]
    refused("ads need TS", "ValidationException", ivs.update_channel, arn=channel,
            containerFormat="FRAGMENTED_MP4")
    control("POST", "streams", {"channelArn": channel})
    broken = ivs.insert_ad_break(channelArn=channel, durationSeconds=30)
    equal("ad break", len(broken["adBreakId"]), 12)
    control("DELETE", "streams", {"channelArn": channel})
    deletes = (
        (ivs.delete_playback_restriction_policy, policy["arn"]),
        (ivs.delete_ad_configuration, ad["arn"]),
        (ivs.delete_failover_slate_configuration, slate["arn"]))
    for delete, arn in deletes:
        refused("referenced", "ConflictException", delete, arn=arn)
    ivs.update_channel(arn=channel, playbackRestrictionPolicyArn="", adConfigurationArn="",
                       failoverSlateConfigurationArn="")
    for delete, arn in deletes:
        status("delete", delete(arn=arn), 204)
    ivs.delete_playback_restriction_policy(arn=another["arn"])
    ivs.delete_channel(arn=channel)

    pair = ivs.import_playback_key_pair(publicKeyMaterial=P384, name="k")["keyPair"]
    equal("fingerprint form", [len(part) for part in pair["fingerprint"].split(":")], [2] * 16)
    check("no material back", "publicKeyMaterial" not in pair, pair)
    refused("the same key twice", "ConflictException", ivs.import_playback_key_pair, publicKeyMaterial=P384)
    refused("no key", "ValidationException", ivs.import_playback_key_pair, publicKeyMaterial="hello")
    equal("key summary", sorted(ivs.list_playback_key_pairs()["keyPairs"][0]), ["arn", "name", "tags"])
    status("delete key pair is 200", ivs.delete_playback_key_pair(arn=pair["arn"]), 200)


def test_ingest(realtime):
    """Ingest configurations, public keys, replication."""
    stage = realtime.create_stage()["stage"]["arn"]
    other = realtime.create_stage()["stage"]["arn"]
    create = realtime.create_ingest_configuration
    refused("RTMP is insecure", "ValidationException", create, ingestProtocol="RTMP")
    refused("missing stage is validation", "ValidationException", create, ingestProtocol="RTMPS",
            stageArn=stage[:-1] + "-")
    refused("large attributes", "ValidationException", create, ingestProtocol="RTMPS",
            attributes={"a": "x" * 1024})
    made = create(ingestProtocol="RTMPS", stageArn=stage, userId="u", tags={"a": "b"})["ingestConfiguration"]
    arn = made["arn"]
    equal("ingest", (made["state"], made["name"], made["stageArn"], made["redundantIngest"], made["tags"]),
          ("INACTIVE", "", stage, False, {"a": "b"}))
    check("ingest key", made["streamKey"].startswith("rt_000000000000_us-west-2_")
          and "sk_emulator_" in made["streamKey"], made)
    check("insecureIngest is write-only", "insecureIngest" not in made)
    listed = realtime.list_ingest_configurations(filterByStageArn=stage)["ingestConfigurations"]
    equal("ingest summary has no tags", sorted(listed[0]),
          ["arn", "ingestProtocol", "name", "participantId", "redundantIngest", "stageArn", "state", "userId"])
    changed = realtime.update_ingest_configuration(arn=arn, redundantIngest=True)["ingestConfiguration"]
    check("redundant", len(changed["redundantIngestCredentials"]) >= 1, changed)
    code, joined = control("POST", "ingests", {"ingestConfigurationArn": arn})
    equal("publish", (code, joined.get("participantId")), (200, made["participantId"]))
    equal("ACTIVE", realtime.get_ingest_configuration(arn=arn)["ingestConfiguration"]["state"], "ACTIVE")
    refused("update ACTIVE", "ConflictException", realtime.update_ingest_configuration, arn=arn, stageArn="")
    refused("delete ACTIVE", "ConflictException", realtime.delete_ingest_configuration, arn=arn)

    pair = {"sourceStageArn": stage, "destinationStageArn": other, "participantId": made["participantId"]}
    status("replicate", realtime.start_participant_replication(**pair), 200)
    refused("twice", "ConflictException", realtime.start_participant_replication, **pair)
    replicas = realtime.list_participant_replicas(sourceStageArn=stage, participantId=made["participantId"])
    equal("replicas", [one["replicationState"] for one in replicas["replicas"]], ["ACTIVE"])
    check("replica is there", "activeSessionId" in realtime.get_stage(arn=other)["stage"])
    status("stop replication", realtime.stop_participant_replication(**pair), 200)
    control("POST", "clock", {"advanceSeconds": 180})
    check("replica is gone", "activeSessionId" not in realtime.get_stage(arn=other)["stage"])
    refused("no such publisher", "ResourceNotFoundException", realtime.start_participant_replication,
            **{**pair, "participantId": "unknown"})

    status("delete the stage", realtime.delete_stage(arn=stage), 200)
    got = realtime.get_ingest_configuration(arn=arn)["ingestConfiguration"]
    equal("the ingest forgot its stage", (got["stageArn"], got["state"]), ("", "INACTIVE"))
    equal("no stage, no publishing", control("POST", "ingests", {"ingestConfigurationArn": arn})[0], 409)
    realtime.update_ingest_configuration(arn=arn, stageArn=other)
    control("POST", "ingests", {"ingestConfigurationArn": arn})
    status("delete by force", realtime.delete_ingest_configuration(arn=arn, force=True), 200)
    _, history = control("GET", "history")
    last = history["events"][-1]
    equal("history knows who was cut off", (last["operation"], last["arn"], last["cutOff"]),
          ("DeleteIngestConfiguration", arn, True))
    realtime.delete_stage(arn=other)

    key = realtime.import_public_key(publicKeyMaterial=P384)["publicKey"]
    equal("material comes back", key["publicKeyMaterial"], P384)
    equal("public key summary", sorted(realtime.list_public_keys()["publicKeys"][0]), ["arn", "name", "tags"])
    status("delete public key", realtime.delete_public_key(arn=key["arn"]), 200)


def test_faults(ivs):
    """Injected faults and call counts."""
    control("DELETE", "calls")
    control("POST", "faults", {"operation": "CreateChannel", "kind": "throttle", "nth": 2})
    first = ivs.create_channel()["channel"]["arn"]
    refused("throttled", "ThrottlingException", ivs.create_channel)
    control("POST", "faults", {"operation": "CreateChannel", "kind": "error500", "nth": 1, "done": True})
    refused("failed but done", "InternalServerException", ivs.create_channel)
    equal("it was done", len(ivs.list_channels()["channels"]), 2)
    control("POST", "faults", {"operation": "CreateChannel", "kind": "loseReply", "nth": 1})
    try:
        ivs.create_channel()
        check("lost reply", False, "an answer came")
    except Exception as error:  # pylint: disable=broad-except
        check("lost reply", "Connection" in type(error).__name__, repr(error))
    equal("it was done too", len(ivs.list_channels()["channels"]), 3)
    control("POST", "faults", {"operation": "GetChannel", "kind": "delay", "nth": 1, "seconds": 0.3})
    begun = time.monotonic()
    ivs.get_channel(arn=first)
    check("delayed", time.monotonic() - begun >= 0.3)
    control("POST", "faults", {"kind": "error", "name": "PendingVerification", "nth": 1})
    refused("any error", "PendingVerification", ivs.get_channel, arn=first)
    equal("calls", control("GET", "calls")[1], {"CreateChannel": 4, "GetChannel": 2, "ListChannels": 2})
    equal("a bad fault", control("POST", "faults", {"kind": "nonsense"})[0], 400)
    equal("nothing there", control("POST", "nonsense")[0], 404)
    control("DELETE", "faults")
    equal("reset", control("POST", "reset")[0], 200)
    equal("empty", ivs.list_channels()["channels"], [])


def test_every_operation_answers():
    """No operation of either model is unknown to the emulator."""
    session = botocore.session.get_session()
    for service in ("ivs", "ivs-realtime"):
        model = session.get_service_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            path = operation.http["requestUri"].replace("{resourceArn}", "x")
            code, headers, _ = raw(operation.http["method"], path, b"{}"
                                   if operation.http["method"] == "POST" else b"")
            kind = headers.get("x-amzn-ErrorType")
            check(f"{name} answers", code < 500 and kind != "UnknownOperationException", (code, kind))


def main():
    """Runs every test; one that breaks counts as a failure and does not stop the others."""
    control("POST", "reset")
    ivs, realtime = client("ivs"), client("ivs-realtime")
    for test, needs in (
        (test_protocol, [ivs]), (test_channel, [ivs]), (test_lists, [ivs]),
        (test_tags, [ivs, realtime]), (test_recording, [ivs]), (test_streams, [ivs]),
        (test_stage, [realtime]), (test_encoder, [realtime]), (test_composition, [ivs, realtime]),
        (test_other_kinds, [ivs]), (test_ingest, [realtime]), (test_faults, [ivs]),
        (test_every_operation_answers, []),
    ):
        try:
            test(*needs)
        except Exception as error:  # pylint: disable=broad-except
            check(test.__name__, False, repr(error))
        control("POST", "reset")
    finish()


main()
