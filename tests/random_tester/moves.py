"""Changes by hand, foreign objects, audiences and faults, by boto3 and control requests."""

from botocore.exceptions import BotoCoreError, ClientError

from .emulator import ACCOUNT, REGION
from .keys import PEMS
from .account import OURS, Account, parts

OTHER_STACK = "other-stack"


def foreign_objects(rnd, clients, emulator, names):
    """Unowned objects and objects of another stack, with names that the manifests use. Returns the account afterwards."""
    ll, rt = clients.ll, clients.rt
    count = 0

    def tags():
        nonlocal count
        count += 1
        if rnd.random() < 0.5:
            return rnd.choice([{}, {"team": "x"}, {"Name": "main"}])
        ours = {OURS + "stack": OTHER_STACK, OURS + "name": rnd.choice(names)}
        if rnd.random() < 0.3:  # as an earlier version wrote it
            return {**ours, OURS + "digest": "0123456789abcdef", OURS + "op": f"01M7ZG4SSH3Y3C9XY5DKM0{count:04d}"}
        return {**ours, OURS + "record": f"0123456789abcdef op=01M7ZG4SSH3Y3C9XY5DKM0{count:04d}"}

    def name():
        return rnd.choice([n for n in names if "." not in n] + ["", "foreign"])

    made = {}
    if rnd.random() < 0.4:
        made["recording"] = ll.create_recording_configuration(name=name(), tags=tags(), destinationConfiguration={"s3": {"bucketName": "theirs"}})["recordingConfiguration"]["arn"]
    if rnd.random() < 0.3:
        made["policy"] = ll.create_playback_restriction_policy(name=name(), tags=tags(), allowedCountries=["CH", "DE"])["playbackRestrictionPolicy"]["arn"]
    if rnd.random() < 0.3:
        ll.create_ad_configuration(name=name(), tags=tags(), mediaTailorPlaybackConfigurations=[
            {"playbackConfigurationArn": f"arn:aws:mediatailor:{REGION}:{ACCOUNT}:playbackConfiguration/theirs"}])
    if rnd.random() < 0.3:
        ll.create_failover_slate_configuration(name=name(), tags=tags(), activationThresholdSeconds=5)
    if rnd.random() < 0.3:
        ll.import_playback_key_pair(name=name(), tags=tags(), publicKeyMaterial=PEMS[-1])
    if rnd.random() < 0.3:
        rt.import_public_key(name=name(), tags=tags(), publicKeyMaterial=PEMS[-2])
    emulator.advance(120)  # recording configurations and slates come up
    for _ in range(rnd.randint(0, 2)):
        args = {}
        if "recording" in made and rnd.random() < 0.5:
            args["recordingConfigurationArn"] = made["recording"]
        if "policy" in made and rnd.random() < 0.5:
            args["playbackRestrictionPolicyArn"] = made["policy"]
        ll.create_channel(name=name(), latencyMode="NORMAL", tags=tags(), **args)
    stage = None
    if rnd.random() < 0.4:
        stage = rt.create_stage(name=name(), tags=tags())["stage"]["arn"]
    if rnd.random() < 0.3:
        rt.create_encoder_configuration(name=name(), tags=tags(), video={"width": 640})
    if rnd.random() < 0.3:
        rt.create_storage_configuration(name=name(), tags=tags(), s3={"bucketName": "theirs"})
    if rnd.random() < 0.3:
        rt.create_ingest_configuration(name=name(), tags=tags(), ingestProtocol="RTMPS", **({"stageArn": stage} if stage else {}))
    return Account(clients)


def tag(clients, obj, tags):
    clients.of(obj.kind).tag_resource(resourceArn=obj.arn, tags=tags)


def untag(clients, obj, keys):
    clients.of(obj.kind).untag_resource(resourceArn=obj.arn, tagKeys=list(keys))


def hand_field(rnd, clients, obj):
    """One field changed by hand to a value it does not have; answers the field, or None where the kind has none."""
    ll, rt, raw, arn = clients.ll, clients.rt, obj.raw, obj.arn

    def other(now, *values):
        return rnd.choice([v for v in values if v != now])

    if obj.kind == "Channel":
        field = rnd.choice(["name", "latencyMode", "authorized", "insecureIngest", "detach", "type", "attach"])
        if field == "name":
            ll.update_channel(arn=arn, name=other(raw.get("name"), "by-hand", "oops", ""))
        elif field == "latencyMode":
            ll.update_channel(arn=arn, latencyMode=other(raw["latencyMode"], "LOW", "NORMAL"))
        elif field == "type":
            if raw["multitrackInputConfiguration"]["enabled"] or raw["type"].startswith("ADV"):
                return None
            ll.update_channel(arn=arn, type=other(raw["type"], "BASIC", "STANDARD"))
        elif field == "detach":
            attached = [f for f in raw if f.endswith("Arn") and raw[f]]
            if not attached:
                return None
            field = rnd.choice(attached)
            ll.update_channel(arn=arn, **{field: ""})
        elif field == "attach":
            policies = [p["arn"] for p in ll.list_playback_restriction_policies(maxResults=100)["playbackRestrictionPolicies"]]
            policies = [p for p in policies if p != raw.get("playbackRestrictionPolicyArn")]
            if not policies:
                return None
            field = "playbackRestrictionPolicyArn"
            ll.update_channel(arn=arn, playbackRestrictionPolicyArn=rnd.choice(policies))
        else:
            ll.update_channel(arn=arn, **{field: not raw[field]})
        return field
    if obj.kind == "PlaybackRestrictionPolicy":
        field = rnd.choice(["name", "allowedCountries", "enableStrictOriginEnforcement"])
        value = {"name": other(raw.get("name"), "by-hand", "oops"), "allowedCountries": ["SE"],
                 "enableStrictOriginEnforcement": not raw["enableStrictOriginEnforcement"]}[field]
        ll.update_playback_restriction_policy(arn=arn, **{field: value})
        return field
    if obj.kind == "AdConfiguration":
        if rnd.random() < 0.5:
            ll.update_ad_configuration(arn=arn, name=other(raw.get("name"), "by-hand", "oops"))
            return "name"
        now = raw.get("postRollConfiguration") or {}
        ll.update_ad_configuration(arn=arn, postRollConfiguration={"enabled": True, "durationSeconds": other(now.get("durationSeconds"), 77, 78)})
        return "postRollConfiguration"
    if obj.kind == "FailoverSlateConfiguration":
        ll.update_failover_slate_configuration(arn=arn, maxSlateDisplaySeconds=other(raw["maxSlateDisplaySeconds"], 77, 99))
        return "maxSlateDisplaySeconds"
    if obj.kind == "Stage":
        now = raw["autoParticipantRecordingConfiguration"]
        if now["storageConfigurationArn"] and rnd.random() < 0.6:
            if rnd.random() < 0.5:
                rt.update_stage(arn=arn, autoParticipantRecordingConfiguration={"storageConfigurationArn": ""})
            else:
                changed = {**now, "recordingReconnectWindowSeconds": other(now["recordingReconnectWindowSeconds"], 11, 12)}
                rt.update_stage(arn=arn, autoParticipantRecordingConfiguration=changed)
            return "autoParticipantRecordingConfiguration"
        rt.update_stage(arn=arn, name=other(raw.get("name"), "by-hand", "oops"))
        return "name"
    if obj.kind == "IngestConfiguration":
        if raw.get("stageArn") and rnd.random() < 0.5:
            rt.update_ingest_configuration(arn=arn, stageArn="")
            return "stageArn"
        rt.update_ingest_configuration(arn=arn, stageArn=raw.get("stageArn", ""), redundantIngest=not raw.get("redundantIngest", False))
        return "redundantIngest"
    return None


def hand_tags(rnd, clients, obj):
    """One tag of the user's changed by hand; answers the key."""
    mine = [k for k in obj.tags if not k.startswith((OURS, "cost:", "aux-"))]  # those may be ignored by the Stack
    what = rnd.choice(["add", "change", "remove"])
    if what == "add" or not mine:
        tag(clients, obj, {"by-hand": "x"})
        return "by-hand"
    key = rnd.choice(mine)
    if what == "change":
        tag(clients, obj, {key: "changed by hand"})
    else:
        untag(clients, obj, [key])
    return key


def hand_delete(clients, obj):
    """Deletes an object by hand, as AWS permits it."""
    ll, rt = clients.ll, clients.rt
    call = {
        "Channel": ll.delete_channel, "StreamKey": ll.delete_stream_key, "RecordingConfiguration": ll.delete_recording_configuration,
        "PlaybackKeyPair": ll.delete_playback_key_pair, "PlaybackRestrictionPolicy": ll.delete_playback_restriction_policy,
        "AdConfiguration": ll.delete_ad_configuration, "FailoverSlateConfiguration": ll.delete_failover_slate_configuration,
        "Stage": rt.delete_stage, "EncoderConfiguration": rt.delete_encoder_configuration,
        "StorageConfiguration": rt.delete_storage_configuration, "Composition": rt.stop_composition,
        "IngestConfiguration": rt.delete_ingest_configuration, "PublicKey": rt.delete_public_key,
    }[obj.kind]
    call(arn=obj.arn)


def earlier_tags(clients, obj):
    """The ownership as an earlier version wrote it: every part of the record as a tag of its own."""
    record = obj.tags.get(OURS + "record", "")
    if not record or "%" in record or " was=" in record or len(obj.tags) > 44:
        return None
    tag(clients, obj, {OURS + part: value for part, value in parts(obj.tags).items()})
    untag(clients, obj, [OURS + "record"])
    return record


def garble(rnd, clients, obj):
    """A record that cannot be parsed."""
    value = rnd.choice(["", "x", "op=01M7ZG4SSH3Y3C9XY5DKM00000", obj.tags[OURS + "record"][3:7] + "==="])
    tag(clients, obj, {OURS + "record": value})
    return repr(value)


def clone_tags(clients, obj):
    """Another object of the same kind that carries a copy of our tags; answers its ARN."""
    if obj.kind == "Channel":
        return clients.ll.create_channel(name="clone", tags=obj.tags)["channel"]["arn"]
    if obj.kind == "Stage":
        return clients.rt.create_stage(name="clone", tags=obj.tags)["stage"]["arn"]
    if obj.kind == "PlaybackRestrictionPolicy":
        return clients.ll.create_playback_restriction_policy(name="clone", tags=obj.tags)["playbackRestrictionPolicy"]["arn"]
    return None


def quietly(call, *args, **kw):
    """A hand change that AWS refuses is no change."""
    try:
        return call(*args, **kw)
    except (ClientError, BotoCoreError) as error:
        return error


def audience(rnd, emulator, account, stack, streams):
    """A stream, participant or encoder starts or stops; returns what happened."""
    what = rnd.choice(["stream", "stream", "unstream", "join", "join", "leave", "ingest", "ingest", "uningest"])
    if what == "stream":
        channels = [c for c in account.of("Channel") if c.arn not in account.streams]
        if channels:
            c = rnd.choice(channels)
            done = emulator.control("POST", "streams", {"channelArn": c.arn, "viewerCount": rnd.randint(0, 9)}, quiet=True)
            if done:
                streams.add(done["streamId"])
            return f"stream on {c}: {done}"
    elif what == "unstream" and account.streams:
        arn = rnd.choice(list(account.streams))
        emulator.control("DELETE", "streams", {"channelArn": arn}, quiet=True)
        return f"stream on {arn} ends"
    elif what == "join":
        stages = account.owned(stack, "Stage")
        if stages:
            s = rnd.choice(stages)
            body = {"stageArn": s.arn, "userId": "guest"}
            if rnd.random() < 0.3:
                body["published"] = False
            done = emulator.control("POST", "participants", body, quiet=True)
            return f"a participant joins {s} ({body}): {done}"
    elif what == "leave" and account.participants:
        stage, pid = rnd.choice(list(account.participants))
        emulator.control("DELETE", "participants", {"stageArn": stage, "participantId": pid}, quiet=True)
        return f"{pid} leaves {stage}"
    elif what == "ingest":
        ingests = [i for i in account.owned(stack, "IngestConfiguration") if i.raw.get("stageArn")]
        if ingests:
            i = rnd.choice(ingests)
            done = emulator.control("POST", "ingests", {"ingestConfigurationArn": i.arn}, quiet=True)
            return f"{i} becomes active: {done}"
    elif what == "uningest":
        active = [i for i in account.of("IngestConfiguration") if i.raw.get("state") == "ACTIVE"]
        if active:
            i = rnd.choice(active)
            emulator.control("DELETE", "ingests", {"ingestConfigurationArn": i.arn}, quiet=True)
            return f"{i} becomes inactive"
    return "nothing"


def all_leave(emulator, account):
    """Ends all streams and disconnects all participants and encoders."""
    for i in account.of("IngestConfiguration"):
        if i.raw.get("state") == "ACTIVE":
            emulator.control("DELETE", "ingests", {"ingestConfigurationArn": i.arn}, quiet=True)
    for stage, pid in account.participants:
        emulator.control("DELETE", "participants", {"stageArn": stage, "participantId": pid}, quiet=True)
    for arn in account.streams:
        emulator.control("DELETE", "streams", {"channelArn": arn}, quiet=True)


WRITES = [
    "CreateChannel", "UpdateChannel", "DeleteChannel", "CreateStreamKey", "DeleteStreamKey", "CreateRecordingConfiguration",
    "DeleteRecordingConfiguration", "ImportPlaybackKeyPair", "DeletePlaybackKeyPair", "CreatePlaybackRestrictionPolicy",
    "UpdatePlaybackRestrictionPolicy", "CreateAdConfiguration", "UpdateAdConfiguration", "CreateFailoverSlateConfiguration",
    "UpdateFailoverSlateConfiguration", "CreateStage", "UpdateStage", "DeleteStage", "CreateEncoderConfiguration",
    "CreateStorageConfiguration", "StartComposition", "StopComposition", "CreateIngestConfiguration", "UpdateIngestConfiguration",
    "DeleteIngestConfiguration", "ImportPublicKey", "TagResource", "UntagResource", "StartParticipantReplication",
]
CREATES = [w for w in WRITES if w.startswith(("Create", "Import", "Start"))]
READS = [
    "ListChannels", "BatchGetChannel", "ListStreams", "ListStages", "GetStage", "ListCompositions", "ListIngestConfigurations",
    "ListRecordingConfigurations", "GetRecordingConfiguration", "ListStreamKeys", "ListTagsForResource", "ListPublicKeys", "ListParticipants",
]
LISTS = ["ListChannels", "ListStages", "ListRecordingConfigurations", "ListEncoderConfigurations", "ListCompositions",
         "ListPlaybackRestrictionPolicies", "ListIngestConfigurations", "ListFailoverSlateConfigurations"]


def random_fault(rnd):
    """The fields of one fault."""
    kind = rnd.choices(["throttle", "error500", "loseReply", "delay", "listLag", "stall"], [30, 18, 26, 12, 14, 0.5])[0]
    if kind == "throttle":
        return rnd.choice([
            {"operation": "*", "kind": kind, "probability": rnd.choice([0.03, 0.1, 0.3])},
            {"operation": rnd.choice(WRITES + READS), "kind": kind, "nth": rnd.randint(1, 3)},
            {"operation": rnd.choice(WRITES), "kind": kind, "probability": 0.5},
        ])
    if kind == "error500":
        pool = READS + [w for w in WRITES if w not in CREATES] if rnd.random() < 0.93 else CREATES
        return {"operation": rnd.choice(pool), "kind": kind, "nth": rnd.randint(1, 3)}
    if kind == "loseReply":
        return rnd.choice([
            {"operation": rnd.choice(WRITES), "kind": kind, "nth": rnd.randint(1, 3)},
            {"operation": rnd.choice(WRITES), "kind": kind, "probability": 0.4},
            {"operation": rnd.choice(READS), "kind": kind, "nth": 1},
        ])
    if kind == "delay":
        return {"operation": rnd.choice(WRITES + READS), "kind": kind, "seconds": rnd.choice([0.2, 0.6]), "nth": rnd.randint(1, 2)}
    if kind == "listLag":
        return {"operation": rnd.choice(LISTS), "kind": kind, "seconds": rnd.choice([1, 3, 6])}
    return {"operation": rnd.choice(WRITES + READS), "kind": "stall", "nth": 1, "seconds": 3}
