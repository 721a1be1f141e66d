"""The account as boto3 sees it: one snapshot of every object of every kind."""

import http.client
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .emulator import REGION

OURS = "ivs-apply:"
RUNNING = ("STARTING", "ACTIVE")


class Clients:
    """boto3 clients of both services for one emulator."""

    def __init__(self, url):
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=60, read_timeout=200, parameter_validation=False)
        args = dict(region_name=REGION, endpoint_url=url, aws_access_key_id="AKIDTESTERTESTER0000",
                    aws_secret_access_key="t" * 40, config=config)
        self.ll = boto3.client("ivs", **args)
        self.rt = boto3.client("ivs-realtime", **args)

    def of(self, kind):
        return self.rt if kind in REALTIME else self.ll


class Fast:
    """The same reads as bare HTTP, six times as fast as boto3: for the snapshots between steps. The last word is boto3's."""

    HEADERS = {
        "content-type": "application/json", "x-amz-date": "20260101T000000Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDTESTERTESTER0000/20260101/us-west-2/ivs/aws4_request, "
                         "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
    }

    def __init__(self, url):
        self.host = url.split("//")[1]
        self.connection = None
        self.ll = self.rt = self

    def __getattr__(self, name):
        operation = "".join(part.capitalize() for part in name.split("_"))
        return lambda **args: self._call(operation, args)

    def _call(self, operation, args):
        for attempt in (1, 2):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.host, timeout=200)
                self.connection.request("POST", "/" + operation, json.dumps(args), self.HEADERS)
                answer = self.connection.getresponse()
                body = json.loads(answer.read() or b"{}")
                break
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt == 2:
                    raise
        if answer.status >= 400:
            code = (answer.getheader("x-amzn-errortype") or str(answer.status)).split(":")[0]
            raise ClientError({"Error": {"Code": code, "Message": str(body)}}, operation)
        return body


REALTIME = {"Stage", "EncoderConfiguration", "StorageConfiguration", "Composition", "IngestConfiguration", "PublicKey"}


class Obj:
    """One object: kind, ARN, its raw answer (tags apart), tags."""

    __slots__ = ("kind", "arn", "raw", "tags")

    def __init__(self, kind, raw):
        raw = {k: v for k, v in raw.items() if k != "ResponseMetadata"}
        self.kind, self.arn = kind, raw["arn"]
        self.tags = dict(raw.pop("tags", None) or {})
        self.raw = raw

    @property
    def stack(self):
        return self.tags.get(OURS + "stack")

    @property
    def name(self):
        return self.tags.get(OURS + "name")

    def frozen(self):
        """What may never change on its own: everything but states and times."""
        raw = {k: v for k, v in self.raw.items() if k not in ("state", "activeSessionId", "startTime", "endTime")}
        if self.kind == "Composition":
            raw.pop("destinations", None)
        return (self.kind, self.arn, raw, self.tags)

    def __repr__(self):
        return f"{self.kind}/{self.name or '?'}[{self.arn}]"


class World:
    """A whole snapshot."""

    def __init__(self, clients):
        self.objects = {}
        self.streams, self.participants, self.replicas = {}, {}, set()
        self.secrets = set()
        ll, rt = clients.ll, clients.rt

        def pages(call, key, **args):
            token, out = None, []
            for _ in range(50):
                answer = call(**args, **({"nextToken": token} if token else {}))
                out += answer[key]
                token = answer.get("nextToken")
                if not token:
                    return out
            raise RuntimeError("endless listing")

        def add(kind, raw):
            self.objects[raw["arn"]] = Obj(kind, raw)

        channels = [c["arn"] for c in pages(ll.list_channels, "channels", maxResults=100)]
        for i in range(0, len(channels), 50):
            for raw in ll.batch_get_channel(arns=channels[i:i + 50])["channels"]:
                add("Channel", raw)
                if (raw.get("srt") or {}).get("passphrase"):
                    self.secrets.add(raw["srt"]["passphrase"])
        keys = []
        for arn in channels:
            try:
                keys += [k["arn"] for k in pages(ll.list_stream_keys, "streamKeys", channelArn=arn, maxResults=50)]
            except ClientError:
                pass
        for i in range(0, len(keys), 50):
            for raw in ll.batch_get_stream_key(arns=keys[i:i + 50])["streamKeys"]:
                self.secrets.add(raw["value"])
                add("StreamKey", raw)
        for kind, listing, key in (
            ("PlaybackRestrictionPolicy", ll.list_playback_restriction_policies, "playbackRestrictionPolicies"),
            ("AdConfiguration", ll.list_ad_configurations, "adConfigurations"),
            ("FailoverSlateConfiguration", ll.list_failover_slate_configurations, "failoverSlateConfigurations"),
            ("StorageConfiguration", rt.list_storage_configurations, "storageConfigurations"),
        ):
            for raw in pages(listing, key, maxResults=100):
                add(kind, raw)
        for kind, listing, key, get, one in (
            ("RecordingConfiguration", ll.list_recording_configurations, "recordingConfigurations",
             ll.get_recording_configuration, "recordingConfiguration"),
            ("PlaybackKeyPair", ll.list_playback_key_pairs, "keyPairs", ll.get_playback_key_pair, "keyPair"),
            ("Stage", rt.list_stages, "stages", rt.get_stage, "stage"),
            ("EncoderConfiguration", rt.list_encoder_configurations, "encoderConfigurations",
             rt.get_encoder_configuration, "encoderConfiguration"),
            ("IngestConfiguration", rt.list_ingest_configurations, "ingestConfigurations",
             rt.get_ingest_configuration, "ingestConfiguration"),
            ("PublicKey", rt.list_public_keys, "publicKeys", rt.get_public_key, "publicKey"),
            ("Composition", rt.list_compositions, "compositions", rt.get_composition, "composition"),
        ):
            for summary in pages(listing, key, maxResults=100):
                if kind == "Composition" and summary["state"] not in RUNNING:
                    continue
                try:
                    add(kind, get(arn=summary["arn"])[one])
                except ClientError as error:
                    if error.response["Error"]["Code"] != "ResourceNotFoundException":
                        raise
        for ingest in self.of("IngestConfiguration"):
            self.secrets.add(ingest.raw.get("streamKey"))
            for credential in ingest.raw.get("redundantIngestCredentials") or []:
                self.secrets.add(credential.get("streamKey"))
        self.secrets.discard(None)
        self.secrets.discard("")

        for stream in pages(ll.list_streams, "streams", maxResults=100):
            if stream["state"] == "LIVE":
                self.streams[stream["channelArn"]] = stream["streamId"]
        for stage in self.of("Stage"):
            session = stage.raw.get("activeSessionId")
            if not session:
                continue
            for person in pages(rt.list_participants, "participants", stageArn=stage.arn, sessionId=session, maxResults=100):
                if person["state"] == "CONNECTED":
                    self.participants[(stage.arn, person["participantId"])] = person
        for ingest in self.of("IngestConfiguration"):
            if ingest.raw.get("state") == "ACTIVE" and ingest.raw.get("stageArn"):
                for replica in pages(rt.list_participant_replicas, "replicas", sourceStageArn=ingest.raw["stageArn"],
                                     participantId=ingest.raw["participantId"], maxResults=50):
                    if replica["replicationState"] == "ACTIVE":
                        self.replicas.add((replica["sourceStageArn"], replica["destinationStageArn"], replica["participantId"]))

    def of(self, kind):
        return [o for o in self.objects.values() if o.kind == kind]

    def owned(self, stack, kind=None, name=None):
        return [o for o in self.objects.values() if o.stack == stack
                and (kind is None or o.kind == kind) and (name is None or o.name == name)]

    def publishing(self, stage_arn):
        return any(arn == stage_arn and p.get("published") for (arn, _), p in self.participants.items())

    def live(self):
        """Everything an audience would miss: streams, people, active ingests, running compositions with publishers."""
        out = {("stream", arn): sid for arn, sid in self.streams.items()}
        out.update({("participant", stage, pid): True for stage, pid in self.participants})
        for ingest in self.of("IngestConfiguration"):
            if ingest.raw.get("state") == "ACTIVE":
                out[("ingest", ingest.arn)] = True
        for composition in self.of("Composition"):
            if self.publishing(composition.raw["stageArn"]):
                out[("composition", composition.arn)] = True
        for source, destination, participant in self.replicas:
            out[("replica", source, destination, participant)] = True
        return out
