"""The account as boto3 sees it: one snapshot of every object of every kind."""

import json
import re
import socket

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .emulator import REGION

OURS = "ivs-apply:"
# What the record holds beside `was`; earlier versions wrote each as a tag of its own.
PARTS = ("digest", "op", "replaces", "rotation")
RUNNING = ("STARTING", "ACTIVE")


def parts(tags):
    """digest, op, replaces, was, rotation of an object: from `<digest> op=… replaces=… was=… rotation=…`, or from separate tags."""
    out = {p: tags[OURS + p] for p in PARTS if OURS + p in tags}
    if tags.get(OURS + "record"):
        head, mark, rotation = tags[OURS + "record"].partition(" rotation=")  # the last part, and the only one with spaces
        digest, *rest = head.split(" ")
        out = {"digest": digest, **dict(part.partition("=")[::2] for part in rest), **({"rotation": rotation} if mark else {})}
    return out


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

    def many(self, calls):
        """As `Fast.many`."""
        out = []
        for operation, args in calls:
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
            try:
                out.append(getattr(self.ll if hasattr(self.ll, name) else self.rt, name)(**args))
            except ClientError as error:
                out.append(error)
        return out


class Fast:
    """The same reads as bare HTTP, many requests in one write: for the snapshots between steps. The verdict uses boto3."""

    HEADERS = (
        "content-type: application/json\r\nx-amz-date: 20260101T000000Z\r\n"
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDTESTERTESTER0000/20260101/us-west-2/ivs/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64 + "\r\n"
    )

    def __init__(self, url):
        self.host = url.split("//")[1]
        self.socket = self.reader = None

    def close(self):
        if self.socket:
            self.reader.close()
            self.socket.close()
        self.socket = self.reader = None

    def many(self, calls):
        """Answers of (operation, arguments), in order; a refusal is a ClientError in its place."""
        out = []
        for i in range(0, len(calls), 40):
            part = calls[i:i + 40]
            for attempt in (1, 2):
                try:
                    out += self._pipeline(part)
                    break
                except (OSError, ValueError):
                    self.close()
                    if attempt == 2:
                        raise
        return out

    def _pipeline(self, calls):
        if self.socket is None:
            host, port = self.host.split(":")
            self.socket = socket.create_connection((host, int(port)), timeout=200)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.reader = self.socket.makefile("rb")
        data = []
        for operation, args in calls:
            body = json.dumps(args)
            data.append(f"POST /{operation} HTTP/1.1\r\nhost: {self.host}\r\n{self.HEADERS}content-length: {len(body)}\r\n\r\n{body}")
        self.socket.sendall("".join(data).encode())
        return [self._answer(operation) for operation, _ in calls]

    def _answer(self, operation):
        line = self.reader.readline()
        if not line:
            raise OSError("closed")
        status, headers = int(line.split()[1]), {}
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(self.reader.read(int(headers.get("content-length", 0))) or b"{}")
        if status >= 400:
            code = (headers.get("x-amzn-errortype") or str(status)).split(":")[0]
            return ClientError({"Error": {"Code": code, "Message": str(body)}}, operation)
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


# Kind, the listing, its key, and where the listing is not whole, the read of one object and its key.
KINDS = (
    ("PlaybackRestrictionPolicy", "ListPlaybackRestrictionPolicies", "playbackRestrictionPolicies", None, None),
    ("AdConfiguration", "ListAdConfigurations", "adConfigurations", None, None),
    ("FailoverSlateConfiguration", "ListFailoverSlateConfigurations", "failoverSlateConfigurations", None, None),
    ("StorageConfiguration", "ListStorageConfigurations", "storageConfigurations", None, None),
    ("RecordingConfiguration", "ListRecordingConfigurations", "recordingConfigurations", "GetRecordingConfiguration", "recordingConfiguration"),
    ("PlaybackKeyPair", "ListPlaybackKeyPairs", "keyPairs", "GetPlaybackKeyPair", "keyPair"),
    ("Stage", "ListStages", "stages", "GetStage", "stage"),
    ("EncoderConfiguration", "ListEncoderConfigurations", "encoderConfigurations", "GetEncoderConfiguration", "encoderConfiguration"),
    ("IngestConfiguration", "ListIngestConfigurations", "ingestConfigurations", "GetIngestConfiguration", "ingestConfiguration"),
    ("PublicKey", "ListPublicKeys", "publicKeys", "GetPublicKey", "publicKey"),
    ("Composition", "ListCompositions", "compositions", "GetComposition", "composition"),
)


class Account:
    """A whole snapshot. `client`: what has `many`."""

    def __init__(self, client):
        self.objects = {}
        self.streams, self.participants, self.replicas = {}, {}, set()
        self.secrets = set()

        def lists(calls):
            """(operation, arguments, key) each read to its end."""
            answers = client.many([(operation, args) for operation, args, _ in calls])
            out = []
            for (operation, args, key), answer in zip(calls, answers):
                if isinstance(answer, ClientError):
                    out.append(answer)
                    continue
                items, pages = list(answer[key]), 1
                while answer.get("nextToken"):
                    [answer] = client.many([(operation, {**args, "nextToken": answer["nextToken"]})])
                    if isinstance(answer, ClientError):
                        raise answer
                    items += answer[key]
                    pages += 1
                    if pages > 50:
                        raise RuntimeError("endless listing")
                out.append(items)
            return out

        def must(answer):
            if isinstance(answer, ClientError):
                raise answer
            return answer

        def add(kind, raw):
            self.objects[raw["arn"]] = Obj(kind, raw)

        # First every listing, then every object, then what hangs on objects.
        first = [("ListChannels", {"maxResults": 100}, "channels"), ("ListStreams", {"maxResults": 100}, "streams")]
        first += [(listing, {"maxResults": 100}, key) for _, listing, key, _, _ in KINDS]
        channels, streams, *listed = [must(x) for x in lists(first)]
        channels = [c["arn"] for c in channels]
        gets, what = [], []
        for i in range(0, len(channels), 50):
            gets.append(("BatchGetChannel", {"arns": channels[i:i + 50]}))
            what.append(("Channel", "channels"))
        for (kind, _, _, get, one), summaries in zip(KINDS, listed):
            for summary in summaries:
                if get is None:
                    add(kind, summary)
                elif kind != "Composition" or summary["state"] in RUNNING:
                    gets.append((get, {"arn": summary["arn"]}))
                    what.append((kind, one))
        for (kind, one), answer in zip(what, client.many(gets)):
            if isinstance(answer, ClientError):
                if answer.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise answer
                continue
            for raw in answer[one] if kind == "Channel" else [answer[one]]:
                add(kind, raw)
                if kind == "Channel" and (raw.get("srt") or {}).get("passphrase"):
                    self.secrets.add(raw["srt"]["passphrase"])
        keys = []
        for answer in lists([("ListStreamKeys", {"channelArn": arn, "maxResults": 50}, "streamKeys") for arn in channels]):
            keys += [] if isinstance(answer, ClientError) else [k["arn"] for k in answer]
        for answer in client.many([("BatchGetStreamKey", {"arns": keys[i:i + 50]}) for i in range(0, len(keys), 50)]):
            for raw in must(answer)["streamKeys"]:
                self.secrets.add(raw["value"])
                add("StreamKey", raw)
        for ingest in self.of("IngestConfiguration"):
            self.secrets.add(ingest.raw.get("streamKey"))
            for credential in ingest.raw.get("redundantIngestCredentials") or []:
                self.secrets.add(credential.get("streamKey"))
        self.secrets.discard(None)
        self.secrets.discard("")

        for stream in streams:
            if stream["state"] == "LIVE":
                self.streams[stream["channelArn"]] = stream["streamId"]
        stages = [s for s in self.of("Stage") if s.raw.get("activeSessionId")]
        ingests = [i for i in self.of("IngestConfiguration") if i.raw.get("state") == "ACTIVE" and i.raw.get("stageArn")]
        calls = [("ListParticipants", {"stageArn": s.arn, "sessionId": s.raw["activeSessionId"], "maxResults": 100}, "participants") for s in stages]
        calls += [("ListParticipantReplicas", {"sourceStageArn": i.raw["stageArn"], "participantId": i.raw["participantId"], "maxResults": 50},
                   "replicas") for i in ingests]
        answers = [must(x) for x in lists(calls)]
        for stage, participants in zip(stages, answers):
            for person in participants:
                if person["state"] == "CONNECTED":
                    self.participants[(stage.arn, person["participantId"])] = person
        for replicas in answers[len(stages):]:
            for replica in replicas:
                if replica["replicationState"] == "ACTIVE":
                    self.replicas.add((replica["sourceStageArn"], replica["destinationStageArn"], replica["participantId"]))

    def of(self, kind):
        return [o for o in self.objects.values() if o.kind == kind]

    def owned(self, stack, kind=None, name=None):
        return [o for o in self.objects.values() if o.stack == stack
                and (kind is None or o.kind == kind) and (name is None or o.name == name)]

    def publishing(self, stage_arn):
        return any(arn == stage_arn and p.get("published") for (arn, _), p in self.participants.items())

    def on_air(self, obj):
        """docs/glossary.md: a channel has a stream, a stage has participants, a composition runs, an ingest has a publisher."""
        if obj.kind == "StreamKey":
            return obj.raw["channelArn"] in self.streams
        if obj.kind == "Stage":
            return any(arn == obj.arn for arn, _ in self.participants)
        return obj.arn in self.streams or obj.kind == "Composition" or obj.raw.get("state") == "ACTIVE"

    def live(self):
        """Everything that an audience watches: streams, participants, active ingests, running compositions with publishers."""
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
