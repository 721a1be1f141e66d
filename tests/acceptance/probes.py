"""The questions about the service that no document answers, each asked by a few requests of the AWS SDK for Python.

A probe makes what it needs, asks, and deletes it again; what the service refuses is an answer like any other. Nothing
is judged here: the comparison with the emulator does that.
"""

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from target import Unavailable

# How often the burst asks; twice a second's worth of the published rate and more.
BURST = 30


def new_key():
    """The public half of a new key, PEM. The private half is gone with this call."""
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


class Asker:
    """Calls through the proxy. A refusal is an answer; what fails otherwise stops the probe."""

    def __init__(self, run):
        self.run = run
        self.tags = {"ivs-acceptance": run.identity}
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60, parameter_validation=False)
        self.clients = {
            service: boto3.client(
                service, region_name=run.region, endpoint_url=run.proxy.url(service), config=config,
                aws_access_key_id="AKIDACCEPTANCE", aws_secret_access_key="secret")
            for service in ("ivs", "ivs-realtime")
        }

    def ask(self, service, operation, /, **parameters):
        """The answer, or None where it is a refusal."""
        try:
            return getattr(self.clients[service], operation)(**parameters)
        except ClientError:
            return None
        except BotoCoreError as error:
            raise RuntimeError(f"{operation} was not answered: {type(error).__name__}") from error

    def ivs(self, operation, /, **parameters):
        """Low-latency."""
        return self.ask("ivs", operation, **parameters)

    def realtime(self, operation, /, **parameters):
        """Real-time."""
        return self.ask("ivs-realtime", operation, **parameters)

    def made(self, service, operation, member, /, **parameters):
        """The object that a create answers."""
        answer = self.ask(service, operation, **{"tags": self.tags, **parameters})
        if answer is None:
            raise RuntimeError(f"{operation} was refused; the recording says why")
        return answer[member]

    def channel(self, **parameters):
        """A channel."""
        return self.made("ivs", "create_channel", "channel", **parameters)["arn"]

    def stage(self, **parameters):
        """A stage."""
        return self.made("ivs-realtime", "create_stage", "stage", **parameters)["arn"]

    def storage(self):
        """A storage configuration on the bucket of the run."""
        made = self.made("ivs-realtime", "create_storage_configuration", "storageConfiguration",
                         s3={"bucketName": self.run.bucket})
        return made["arn"]

    def until(self, service, operation, member, arn, states):
        """Asks for an object until it is in one of these states."""
        def there():
            answer = self.ask(service, operation, arn=arn)
            return answer is None or answer[member].get("state") in states
        return self.run.wait_for(there)


def errors(ask):
    """What an error looks like, in both services, with and without a body of its own."""
    base = f"arn:aws:ivs:{ask.run.region}:{ask.run.account}"
    ask.ivs("get_channel", arn=f"{base}:channel/AbCdEfGhIjKl")
    ask.ivs("get_channel", arn="nonsense")
    ask.realtime("get_stage", arn=f"{base}:stage/AbCdEfGhIjKl")
    ask.ivs("get_stream", channelArn=f"{base}:channel/AbCdEfGhIjKl")
    ask.ivs("create_channel", name="a name with spaces")
    ask.ivs("delete_channel", arn=f"{base}:channel/AbCdEfGhIjKl")
    ask.realtime("stop_composition", arn=f"{base}:composition/AbCdEfGhIjKl")


def channels(ask):
    """Tags of the stream key that comes with a channel; a second key; name filters; pages; page tokens that wait."""
    policy = ask.made("ivs", "create_playback_restriction_policy", "playbackRestrictionPolicy")["arn"]
    ask.ivs("get_playback_restriction_policy", arn=policy)
    name = f"acceptance-{ask.run.identity}"
    made = [ask.channel(name=name + ending, playbackRestrictionPolicyArn=policy) for ending in ("", "-second")]
    keys = ask.ivs("list_stream_keys", channelArn=made[0], maxResults=50)
    ask.ivs("create_stream_key", channelArn=made[0])
    if keys and keys["streamKeys"]:
        ask.ivs("get_stream_key", arn=keys["streamKeys"][0]["arn"])
    ask.ivs("list_channels", filterByName=name)
    ask.ivs("list_channels", filterByName=name[:-3])
    ask.ivs("list_channels", filterByName=name, filterByPlaybackRestrictionPolicyArn=policy)
    ask.ivs("list_channels", filterByPlaybackRestrictionPolicyArn=policy, maxResults=100)
    page = ask.ivs("list_channels", filterByPlaybackRestrictionPolicyArn=policy, maxResults=1)
    ask.run.pause(10)
    if page and page.get("nextToken"):
        ask.ivs("list_channels", filterByPlaybackRestrictionPolicyArn=policy, maxResults=1,
                nextToken=page["nextToken"])
    ask.ivs("batch_get_channel", arns=made)
    # A policy that a channel refers to.
    ask.ivs("delete_playback_restriction_policy", arn=policy)
    ask.ivs("get_channel", arn=made[0])
    for arn in made:
        ask.ivs("delete_channel", arn=arn)
    ask.ivs("delete_playback_restriction_policy", arn=policy)


def channel_updates(ask):
    """What an update leaves behind: an empty multitrack block, the preset of an ADVANCED type."""
    arn = ask.channel(type="STANDARD", containerFormat="FRAGMENTED_MP4", multitrackInputConfiguration={
        "enabled": True, "policy": "ALLOW", "maximumResolution": "HD"})
    ask.ivs("update_channel", arn=arn, multitrackInputConfiguration={})
    ask.ivs("get_channel", arn=arn)
    ask.ivs("delete_channel", arn=arn)
    arn = ask.channel(type="ADVANCED_SD", preset="CONSTRAINED_BANDWIDTH_DELIVERY")
    ask.ivs("update_channel", arn=arn, type="STANDARD")
    ask.ivs("get_channel", arn=arn)
    ask.ivs("update_channel", arn=arn, type="ADVANCED_HD")
    ask.ivs("update_channel", arn=arn, name="")
    ask.ivs("delete_channel", arn=arn)
    ask.ivs("get_channel", arn=arn)
    ask.ivs("delete_channel", arn=arn)


def slates(ask):
    """A slate that is still made: references, updates, deletes; then an update in part, and a delete while referred to."""
    arn = ask.made("ivs", "create_failover_slate_configuration", "failoverSlateConfiguration",
                   activationThresholdSeconds=5, minSlateDisplaySeconds=9)["arn"]
    early = ask.ivs("create_channel", failoverSlateConfigurationArn=arn, tags=ask.tags)
    ask.ivs("update_failover_slate_configuration", arn=arn, maxSlateDisplaySeconds=120)
    ask.ivs("delete_failover_slate_configuration", arn=arn)
    ask.until("ivs", "get_failover_slate_configuration", "failoverSlateConfiguration", arn, {"CREATED", "CREATE_FAILED"})
    ask.ivs("update_failover_slate_configuration", arn=arn, activationThresholdSeconds=4)
    ask.until("ivs", "get_failover_slate_configuration", "failoverSlateConfiguration", arn, {"CREATED", "CREATE_FAILED"})
    late = ask.ivs("create_channel", failoverSlateConfigurationArn=arn, tags=ask.tags)
    ask.ivs("delete_failover_slate_configuration", arn=arn)
    for answer in (early, late):
        if answer:
            ask.ivs("delete_channel", arn=answer["channel"]["arn"])
    ask.ivs("delete_failover_slate_configuration", arn=arn)


def recordings(ask):
    """Which defaults a recording configuration is answered with, and references while it is made."""
    destination = {"s3": {"bucketName": ask.run.bucket}}
    arn = ask.made("ivs", "create_recording_configuration", "recordingConfiguration",
                   destinationConfiguration=destination)["arn"]
    early = ask.ivs("create_channel", recordingConfigurationArn=arn, tags=ask.tags)
    ask.until("ivs", "get_recording_configuration", "recordingConfiguration", arn, {"ACTIVE", "CREATE_FAILED"})
    late = ask.ivs("create_channel", recordingConfigurationArn=arn, tags=ask.tags)
    ask.ivs("delete_recording_configuration", arn=arn)
    for answer in (early, late):
        if answer:
            ask.ivs("delete_channel", arn=answer["channel"]["arn"])
    ask.ivs("delete_recording_configuration", arn=arn)
    arn = ask.made("ivs", "create_recording_configuration", "recordingConfiguration",
                   destinationConfiguration=destination,
                   thumbnailConfiguration={"recordingMode": "DISABLED"})["arn"]
    ask.until("ivs", "get_recording_configuration", "recordingConfiguration", arn, {"ACTIVE", "CREATE_FAILED"})
    ask.ivs("delete_recording_configuration", arn=arn)


def keys(ask):
    """The same public key twice, for playback and for tokens."""
    for service, kind, member in (("ivs", "playback_key_pair", "keyPair"), ("ivs-realtime", "public_key", "publicKey")):
        material = new_key()
        arn = ask.made(service, f"import_{kind}", member, publicKeyMaterial=material)["arn"]
        again = ask.ask(service, f"import_{kind}", publicKeyMaterial=material, tags=ask.tags)
        ask.ask(service, f"get_{kind}", arn=arn)
        ask.ask(service, f"delete_{kind}", arn=arn)
        if again:
            ask.ask(service, f"delete_{kind}", arn=again[member]["arn"])


def stages(ask):
    """A recording block in part, an interval without its mode, and a storage configuration that a stage records to."""
    storage = ask.storage()
    block = "autoParticipantRecordingConfiguration"
    arn = ask.stage(**{block: {"storageConfigurationArn": storage, "recordingReconnectWindowSeconds": 30,
                               "recordParticipantReplicas": False}})
    ask.realtime("update_stage", arn=arn, name="renamed")
    ask.realtime("update_stage", arn=arn, **{block: {"storageConfigurationArn": storage,
                                                     "mediaTypes": ["AUDIO_ONLY"]}})
    ask.realtime("get_stage", arn=arn)
    other = ask.realtime("create_stage", tags=ask.tags, **{block: {
        "storageConfigurationArn": storage, "thumbnailConfiguration": {"targetIntervalSeconds": 60}}})
    ask.realtime("delete_storage_configuration", arn=storage)
    ask.realtime("get_stage", arn=arn)
    ask.realtime("update_stage", arn=arn, **{block: {"storageConfigurationArn": ""}})
    for stage in [arn] + ([other["stage"]["arn"]] if other else []):
        ask.realtime("delete_stage", arn=stage)
    ask.realtime("delete_storage_configuration", arn=storage)


def foreign_tags(ask):
    """Tags of an object of one service, asked of the other."""
    stage, channel = ask.stage(), ask.channel()
    ask.ivs("list_tags_for_resource", resourceArn=stage)
    ask.realtime("list_tags_for_resource", resourceArn=channel)
    ask.ivs("tag_resource", resourceArn=stage, tags={"a": "b"})
    ask.realtime("list_tags_for_resource", resourceArn=stage)
    ask.realtime("delete_stage", arn=stage)
    ask.ivs("delete_channel", arn=channel)


def compositions(ask):
    """A composition without a publisher: tokens, filters, and stopping what is stopped. Each is stopped at once."""
    stage, storage = ask.stage(), ask.storage()
    encoder = ask.made("ivs-realtime", "create_encoder_configuration", "encoderConfiguration",
                       video={"width": 640, "height": 360, "framerate": 30, "bitrate": 500000})["arn"]
    destination = {"s3": {"storageConfigurationArn": storage, "encoderConfigurationArns": [encoder]}}
    same = {"stageArn": stage, "destinations": [destination], "idempotencyToken": f"token-{ask.run.identity}",
            "tags": ask.tags}
    started = set()

    def start(**parameters):
        answer = ask.realtime("start_composition", **parameters)
        if answer:
            started.add(answer["composition"]["arn"])

    start(**same)
    if not started:
        raise RuntimeError("StartComposition was refused; the recording says why")
    first = next(iter(started))
    start(**same)
    start(**{**same, "layout": {"grid": {"gridGap": 7}}})
    ask.realtime("list_compositions", filterByStageArn=stage)
    ask.realtime("list_compositions", filterByStageArn=stage, filterByEncoderConfigurationArn=encoder)
    ask.run.pause(10)
    start(**same)
    for arn in sorted(started):
        ask.realtime("stop_composition", arn=arn)
    ask.realtime("stop_composition", arn=first)
    for arn in sorted(started):
        ask.until("ivs-realtime", "get_composition", "composition", arn, {"STOPPED", "FAILED"})
    ask.realtime("stop_composition", arn=first)
    ask.run.wait_for(lambda: ask.realtime("delete_encoder_configuration", arn=encoder) is not None)
    ask.run.wait_for(lambda: ask.realtime("delete_storage_configuration", arn=storage) is not None)
    ask.realtime("delete_stage", arn=stage)


def live_channel(ask):
    """What a live channel refuses, when a stopped stream has ended, and when its channel can be changed after that. A
    stream of seconds."""
    answer = ask.ivs("create_channel", name="live", tags=ask.tags, type="BASIC")
    channel, key = answer["channel"], answer["streamKey"]
    arn = channel["arn"]
    ingest = f"rtmps://{channel['ingestEndpoint']}:443/app/{key['value']}"
    with ask.run.stream("streams", arn, ingest):
        ask.run.wait_for(lambda: ask.ivs("get_stream", channelArn=arn) is not None, seconds=20)
        ask.ivs("update_channel", arn=arn, name="renamed")
        ask.ivs("update_channel", arn=arn, authorized=True)
        ask.ivs("tag_resource", resourceArn=arn, tags={"a": "b"})
        ask.ivs("untag_resource", resourceArn=arn, tagKeys=["a"])
        ask.ivs("delete_channel", arn=arn)
        ask.ivs("stop_stream", channelArn=arn)
        ask.ivs("get_stream", channelArn=arn)
        ask.ivs("stop_stream", channelArn=arn)
        ask.ivs("update_channel", arn=arn, authorized=True)
        ask.run.wait_for(lambda: ask.ivs("get_stream", channelArn=arn) is None, seconds=60)
        # The stream that was stopped is over; when its channel can be changed again is not documented.
        ask.ivs("update_channel", arn=arn, authorized=True)
        ask.run.pause(5)
        ask.ivs("update_channel", arn=arn, authorized=True)
    ask.ivs("list_stream_sessions", channelArn=arn)
    ask.run.wait_for(lambda: ask.ivs("delete_channel", arn=arn) is not None, seconds=60)


def busy_stage(ask):
    """A stage that somebody publishes on: disconnecting, and deleting it. Two streams of seconds."""
    stage = ask.stage(name="busy")
    made = ask.made("ivs-realtime", "create_ingest_configuration", "ingestConfiguration",
                    ingestProtocol="RTMPS", stageArn=stage, userId="acceptance")
    arn = made["arn"]
    endpoint = ((ask.realtime("get_stage", arn=stage) or {}).get("stage") or {}).get("endpoints", {}).get("rtmps", "")
    ingest = f"{endpoint.rstrip('/')}/{made['streamKey']}" if endpoint.startswith("rtmps://") else None

    def on_air():
        answer = ask.realtime("get_ingest_configuration", arn=arn)
        return answer is not None and answer["ingestConfiguration"]["state"] == "ACTIVE"

    def session():
        answer = ask.realtime("get_stage", arn=stage)
        return (answer["stage"] if answer else {}).get("activeSessionId")

    with ask.run.stream("ingests", arn, ingest):
        ask.run.wait_for(on_air, seconds=20)
        active = session()
        if active:
            ask.realtime("list_participants", stageArn=stage, sessionId=active)
            ask.realtime("get_participant", stageArn=stage, sessionId=active, participantId=made["participantId"])
        ask.realtime("update_ingest_configuration", arn=arn, stageArn="")
        ask.realtime("disconnect_participant", stageArn=stage, participantId=made["participantId"])
        ask.realtime("get_ingest_configuration", arn=arn)
        session()
    ask.run.pause(10)
    session()
    ask.realtime("list_stage_sessions", stageArn=stage)
    ask.realtime("update_ingest_configuration", arn=arn, stageArn=stage)
    with ask.run.stream("ingests", arn, ingest):
        ask.run.wait_for(on_air, seconds=20)
        ask.realtime("delete_stage", arn=stage)
        ask.realtime("get_ingest_configuration", arn=arn)
    ask.realtime("delete_ingest_configuration", arn=arn, force=True)
    ask.realtime("delete_stage", arn=stage)


def recorded_stage(ask):
    """A stage that records its participants: its recording block, sent again while a recording runs, and a new name
    beside it. A stream of seconds."""
    storage = ask.storage()
    block = {"autoParticipantRecordingConfiguration": {"storageConfigurationArn": storage,
                                                       "mediaTypes": ["AUDIO_VIDEO"]}}
    stage = ask.stage(name="recorded", **block)
    made = ask.made("ivs-realtime", "create_ingest_configuration", "ingestConfiguration",
                    ingestProtocol="RTMPS", stageArn=stage, userId="acceptance")
    arn = made["arn"]
    endpoint = ((ask.realtime("get_stage", arn=stage) or {}).get("stage") or {}).get("endpoints", {}).get("rtmps", "")
    ingest = f"{endpoint.rstrip('/')}/{made['streamKey']}" if endpoint.startswith("rtmps://") else None

    def on_air():
        answer = ask.realtime("get_ingest_configuration", arn=arn)
        return answer is not None and answer["ingestConfiguration"]["state"] == "ACTIVE"

    with ask.run.stream("ingests", arn, ingest):
        ask.run.wait_for(on_air, seconds=20)
        ask.realtime("update_stage", arn=stage, **block)
        ask.realtime("update_stage", arn=stage, name="renamed")
        ask.realtime("get_stage", arn=stage)
    ask.realtime("delete_ingest_configuration", arn=arn, force=True)
    ask.realtime("delete_stage", arn=stage)
    ask.run.wait_for(lambda: ask.realtime("delete_storage_configuration", arn=storage) is not None, seconds=60)


def burst(ask):
    """More reads than the rate allows, of an operation that models a throttle and of one that does not."""
    arn = ask.channel()
    ask.run.rates(True)
    try:
        ask.run.step("burst of GetChannel")
        for _ in range(BURST):
            ask.ivs("get_channel", arn=arn)
        ask.run.step("burst of ListCompositions")
        for _ in range(BURST):
            ask.realtime("list_compositions", filterByStageArn=arn.replace(":channel/", ":stage/"))
    finally:
        ask.run.rates(False)
        ask.run.step("probe burst")
    ask.run.pause(3)
    ask.ivs("delete_channel", arn=arn)


# Those of the second list put something on the air.
QUIET = [errors, channels, channel_updates, slates, recordings, keys, stages, foreign_tags, compositions, burst]
LIVE = [live_channel, busy_stage, recorded_stage]


def run_all(run, live, only=()):
    """Every probe; one that cannot go on is told of, and the others go on."""
    ask = Asker(run)
    run.target.stop_clock(True)
    try:
        for probe in QUIET + (LIVE if live else []):
            if not only or probe.__name__ in only:
                run_one(run, ask, probe)
    finally:
        run.target.stop_clock(False)


def run_one(run, ask, probe):
    """One probe."""
    run.step(f"probe {probe.__name__}")
    run.say(f"probe {probe.__name__}")
    try:
        probe(ask)
    except Unavailable as error:
        run.left_out(probe.__name__, error)
    except (RuntimeError, KeyError) as error:
        run.failed(f"probe {probe.__name__}", error)
