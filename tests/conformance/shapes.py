#!/usr/bin/env python3
"""Asks the emulator everything that AWS's own service models say about a request and its answer.

    python shapes.py http://127.0.0.1:PORT [WORD …]

For every operation of both services the cases come out of the shapes: each required member left out, each
type, minimum, maximum, pattern and word of an enumeration broken once, at every depth, on a request that is
otherwise right; and each bound, word and optional member once as it should be. A refusal must have the status
and header of its error and both message members, name the member, and change nothing. A success must have the
status of the model and no member that is unknown, missing, of another type or out of bounds, and must give
back what it was given.

The last line is the summary. Exits with 1 if anything fails that is not in EXCEPTIONS, if something in there
does not fail any more, or if fewer than 99.5 % of the cases are clean. Words limit the run to operations whose
names contain one. Talks to that address only, and empties the account it finds there.
"""

import collections
import functools
import http.client
import itertools
import json
import random
import struct
import sys
import urllib.parse

import botocore.parsers
import botocore.session
import regex
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from tally import endpoint

ENDPOINT = endpoint("shapes.py http://127.0.0.1:PORT [WORD …]")
ONLY = sys.argv[2:]
REGION = "us-west-2"
SEED = 86
CLEAN = 99.5
CREDENTIALS = Credentials("AKIDEMULATOR", "secret")
P384 = """-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqofKIr6LBTeOscce8yCtdG4dO2KLp5uY
WfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR8
6doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f
-----END PUBLIC KEY-----
"""
ANOTHER_P384 = """-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAET3AkicRHxvXnMtlPbX/O1QT1gLDFjN+g
zVno+gInheHDH+uUKGwatHZyq1VE+EUKry62IxTxYlKwf9mY9vZcRBOU30jHToKj
ggO1pwLFoyZnDi68B6KaQhU9tsoEA1/l
-----END PUBLIC KEY-----
"""

# What fails and should: (service, shape, member, what) and why. Nothing else may, and each of these must.
EXCEPTIONS = {
    ("ivs", "Channel", "preset", "word ''"): "AWS answers an empty preset for types without one (published samples)",
    ("ivs-realtime", "GridConfiguration", "videoFillMode", "word ''"):
        "AWS answers an empty fill mode for the default layout (published samples)",
    ("ivs", "BatchError", "arn", "pattern"):
        "the type part of the model's ResourceArn is one character long: no real ARN matches it",
}

# What a list of keys calls them.
KEYS = {"PlaybackKeyPair": "keyPairs", "PublicKey": "publicKeys"}

OMIT = object()
random.seed(SEED)


# ---------------------------------------------------------------------------------------------- the wire

class Wire:
    """One connection, kept alive."""

    def __init__(self):
        host = urllib.parse.urlsplit(ENDPOINT)
        self.connection = http.client.HTTPConnection(host.hostname, host.port, timeout=20)

    def send(self, method, path, body=b"", headers=None):
        """Status, headers, body."""
        self.connection.request(method, path, body=body or None, headers=headers or {})
        answer = self.connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def signed(self, method, path, body):
        """A request as AWS would take it."""
        headers = {"content-type": "application/json"} if body else {}
        request = AWSRequest(method=method, url=ENDPOINT + path, data=body, headers=headers)
        SigV4Auth(CREDENTIALS, "ivs", REGION).add_auth(request)
        return self.send(method, path, body, dict(request.headers))

    def control(self, method, path, body=None):
        """A control request, which must succeed."""
        status, _, answer = self.send(method, f"/_emulator/{path}", json.dumps(body or {}).encode(),
                                      {"content-type": "application/json"})
        if status != 200:
            raise RuntimeError(f"{method} {path} {body}: {status} {answer.decode()}")
        return json.loads(answer)


WIRE = Wire()


class Operation:
    """One operation of one service."""

    def __init__(self, service, model):
        self.service, self.model, self.name = service, model, model.name
        self.input, self.output = model.input_shape, model.output_shape
        self.status = model.http.get("responseCode", 200)
        self.errors = {error.name: error for error in model.error_shapes}
        self.parser = botocore.parsers.create_parser(model.metadata["protocol"])

    def call(self, body):
        """Sends a body, the members of path and query taken out of it."""
        path, query, rest = self.model.http["requestUri"], [], dict(body)
        for name, shape in self.input.members.items():
            where = shape.serialization.get("location")
            if where == "uri":
                path = path.replace("{%s}" % shape.serialization["name"], urllib.parse.quote(rest.pop(name), safe=""))
            elif where == "querystring":
                query += [(shape.serialization["name"], value) for value in rest.pop(name, [])]
        if query:
            path += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        plain = self.model.http["method"] != "POST"
        return WIRE.signed(self.model.http["method"], path, b"" if plain else json.dumps(rest).encode())

    def parsed(self, answer):
        """An answer as AWS's own client reads it."""
        status, headers, text = answer
        answer = {"status_code": status, "headers": HTTPHeaders.from_dict(headers), "body": text}
        return self.parser.parse(answer, self.output)

    def do(self, **body):
        """A call that must succeed, to fill the account."""
        status, _, answer = self.call(body)
        if status >= 400:
            raise RuntimeError(f"{self.name} {body}: {status} {answer.decode()}")
        return json.loads(answer or b"{}")


@functools.cache
def operations():
    """All operations of both services by name; the tag operations of the second one by `realtime`."""
    session, found = botocore.session.get_session(), {}
    for service in ("ivs", "ivs-realtime"):
        model = session.get_service_model(service)
        for name in sorted(model.operation_names):
            found[(service, name)] = Operation(service, model.operation_model(name))
    return found


def do(name, service=None, /, **body):
    """Calls an operation of whichever service has it."""
    service = service or ("ivs" if ("ivs", name) in operations() else "ivs-realtime")
    return operations()[(service, name)].do(**body)


# ------------------------------------------------------------------------------------------ the account

class TestAccount:
    """Something real behind every reference that a request can make."""

    def __init__(self):
        WIRE.control("POST", "reset")
        quotas = WIRE.control("GET", "quotas")
        WIRE.control("POST", "quotas", {name: 1_000_000 for name in quotas} | {"streamKeysPerChannel": 2})
        self.count = itertools.count(1)
        recordings = [self.recording() for _ in range(2)]
        slates = [self.slate() for _ in range(2)]
        self.pass_time()
        policies, ads = [self.policy() for _ in range(2)], [self.ad() for _ in range(2)]
        storages = [self.storage() for _ in range(2)]
        encoders = [self.encoder() for _ in range(2)]
        self.storage_arn, self.encoder_arn = storages[0], encoders[0]
        # A channel with a past and two keys; two more that are live.
        channel = self.channel(
            recordingConfigurationArn=recordings[0], playbackRestrictionPolicyArn=policies[0],
            adConfigurationArn=ads[0], failoverSlateConfigurationArn=slates[0])
        for _ in range(2):
            WIRE.control("POST", "streams", {"channelArn": channel})
            stream = WIRE.control("POST", "streams", {"channelArn": channel})["streamId"]
            WIRE.control("DELETE", "streams", {"channelArn": channel})
        key = do("CreateStreamKey", channelArn=channel)["streamKey"]["arn"]
        self.live = [self.channel(adConfigurationArn=ads[0]) for _ in range(2)]
        for one in self.live:
            WIRE.control("POST", "streams", {"channelArn": one, "viewerCount": 3})
        # A stage with a past and two publishers; one of them also appears on two other stages.
        stage = self.stage(autoParticipantRecordingConfiguration={"storageConfigurationArn": storages[0]})
        for _ in range(2):
            gone = WIRE.control("POST", "participants", {"stageArn": stage, "userId": "u"})["participantId"]
            WIRE.control("DELETE", "participants", {"stageArn": stage, "participantId": gone})
            WIRE.control("POST", "clock", {"advanceSeconds": 180})
        ingests = [self.ingest(stageArn=stage, redundantIngest=True) for _ in range(2)]
        joined = [WIRE.control("POST", "ingests", {"ingestConfigurationArn": one}) for one in ingests]
        for _ in range(2):
            do("StartParticipantReplication", sourceStageArn=stage, destinationStageArn=self.stage(),
               participantId=joined[0]["participantId"])
        compositions = [self.composition(stage, encoders[0], storages[0], self.channel()) for _ in range(2)]
        self.pass_time()
        self.references = {
            ("ivs", "AdConfigurationArn"): ads[0],
            ("ivs", "ChannelAdConfigurationArn"): ads[0],
            ("ivs", "ChannelArn"): channel,
            ("ivs", "ChannelFailoverSlateConfigurationArn"): slates[0],
            ("ivs", "ChannelPlaybackRestrictionPolicyArn"): policies[0],
            ("ivs", "ChannelRecordingConfigurationArn"): recordings[0],
            ("ivs", "FailoverSlateConfigurationArn"): slates[0],
            ("ivs", "PlaybackKeyPairArn"): self.key("PlaybackKeyPair"),
            ("ivs", "PlaybackPublicKeyMaterial"): P384,
            ("ivs", "PlaybackRestrictionPolicyArn"): policies[0],
            ("ivs", "RecordingConfigurationArn"): recordings[0],
            ("ivs", "ResourceArn"): channel,
            ("ivs", "StreamId"): stream,
            ("ivs", "StreamKeyArn"): key,
            ("ivs-realtime", "AutoParticipantRecordingStorageConfigurationArn"): storages[0],
            ("ivs-realtime", "ChannelArn"): channel,
            ("ivs-realtime", "CompositionArn"): compositions[0],
            ("ivs-realtime", "EncoderConfigurationArn"): encoders[0],
            ("ivs-realtime", "IngestConfigurationArn"): ingests[0],
            ("ivs-realtime", "IngestConfigurationStageArn"): stage,
            ("ivs-realtime", "ParticipantId"): joined[0]["participantId"],
            ("ivs-realtime", "ParticipantTokenId"): joined[0]["participantId"],
            ("ivs-realtime", "PublicKeyArn"): self.key("PublicKey"),
            ("ivs-realtime", "PublicKeyMaterial"): P384,
            ("ivs-realtime", "ResourceArn"): stage,
            ("ivs-realtime", "StageArn"): stage,
            ("ivs-realtime", "StageSessionId"): joined[0]["sessionId"],
            ("ivs-realtime", "StorageConfigurationArn"): storages[0],
        }

    @staticmethod
    def pass_time():
        """Until everything that is being made is made."""
        WIRE.control("POST", "clock", {"advanceSeconds": 2})

    @staticmethod
    def recording():
        bucket = {"s3": {"bucketName": "bucket"}}
        return do("CreateRecordingConfiguration", destinationConfiguration=bucket)["recordingConfiguration"]["arn"]

    @staticmethod
    def slate():
        return do("CreateFailoverSlateConfiguration")["failoverSlateConfiguration"]["arn"]

    def made_slate(self):
        slate = self.slate()
        self.pass_time()
        return slate

    @staticmethod
    def policy():
        return do("CreatePlaybackRestrictionPolicy")["playbackRestrictionPolicy"]["arn"]

    @staticmethod
    def ad():
        entry = [{"playbackConfigurationArn": "arn:aws:mediatailor:us-west-2:1:playbackConfiguration/x"}]
        return do("CreateAdConfiguration", mediaTailorPlaybackConfigurations=entry)["adConfiguration"]["arn"]

    @staticmethod
    def channel(**members):
        return do("CreateChannel", type="ADVANCED_HD", **members)["channel"]["arn"]

    def live_channel(self):
        channel = self.channel(adConfigurationArn=self.references[("ivs", "AdConfigurationArn")])
        WIRE.control("POST", "streams", {"channelArn": channel})
        return channel

    def keyless_channel(self):
        channel = self.channel()
        do("DeleteStreamKey", arn=do("ListStreamKeys", channelArn=channel)["streamKeys"][0]["arn"])
        return channel

    def stream_key(self):
        return do("ListStreamKeys", channelArn=self.channel())["streamKeys"][0]["arn"]

    @staticmethod
    def stage(**members):
        return do("CreateStage", **members)["stage"]["arn"]

    @staticmethod
    def storage():
        return do("CreateStorageConfiguration", s3={"bucketName": "bucket"})["storageConfiguration"]["arn"]

    @staticmethod
    def encoder():
        return do("CreateEncoderConfiguration")["encoderConfiguration"]["arn"]

    @staticmethod
    def ingest(**members):
        return do("CreateIngestConfiguration", ingestProtocol="RTMPS", **members)["ingestConfiguration"]["arn"]

    def composition(self, stage=None, encoder=None, storage=None, channel=None):
        to_channel = {"channel": {"channelArn": channel or self.channel(),
                                  "encoderConfigurationArn": encoder or self.encoder_arn}}
        to_s3 = {"s3": {"storageConfigurationArn": storage or self.storage_arn,
                        "encoderConfigurationArns": [encoder or self.encoder_arn]}}
        made = do("StartComposition", stageArn=stage or self.references[("ivs-realtime", "StageArn")],
                  destinations=[to_channel, to_s3], layout={"grid": {"videoFillMode": "COVER"}})
        return made["composition"]["arn"]

    def publisher(self):
        """A participant who has just joined a stage of its own."""
        stage = self.stage()
        joined = WIRE.control("POST", "participants", {"stageArn": stage, "userId": "u"})
        return stage, joined["participantId"]

    def replication(self, start):
        source, participant = self.publisher()
        named = {"sourceStageArn": source, "destinationStageArn": self.stage(), "participantId": participant}
        if start:
            do("StartParticipantReplication", **named)
        return named

    @staticmethod
    def no_keys(kind):
        """No key can be imported twice."""
        for one in do(f"List{kind}s")[KEYS[kind]]:
            do(f"Delete{kind}", arn=one["arn"])
        return {}

    def key(self, kind):
        """The one key, made anew."""
        self.no_keys(kind)
        return do(f"Import{kind}", publicKeyMaterial=P384)[KEYS[kind][:-1]]["arn"]

    def two_keys(self, kind):
        """So that a list has a second page."""
        self.key(kind)
        do(f"Import{kind}", publicKeyMaterial=ANOTHER_P384)
        return {}

    def bind(self, operation):
        """The members of an operation that need something of their own: by member, or by shape."""
        fresh = {
            "CreateStreamKey": lambda: {"channelArn": self.keyless_channel()},
            "DeleteAdConfiguration": lambda: {"arn": self.ad()},
            "DeleteChannel": lambda: {"arn": self.channel()},
            "DeleteEncoderConfiguration": lambda: {"arn": self.encoder()},
            "DeleteFailoverSlateConfiguration": lambda: {"arn": self.made_slate()},
            "DeleteIngestConfiguration": lambda: {"arn": self.ingest()},
            "DeletePlaybackKeyPair": lambda: {"arn": self.key("PlaybackKeyPair")},
            "DeletePlaybackRestrictionPolicy": lambda: {"arn": self.policy()},
            "DeletePublicKey": lambda: {"arn": self.key("PublicKey")},
            "DeleteRecordingConfiguration": lambda: {"arn": self.recording()},
            "DeleteStage": lambda: {"arn": self.stage()},
            "DeleteStorageConfiguration": lambda: {"arn": self.storage()},
            "DeleteStreamKey": lambda: {"arn": self.stream_key()},
            "DisconnectParticipant": lambda: dict(zip(("stageArn", "participantId"), self.publisher())),
            "GetPlaybackKeyPair": lambda: {"arn": self.key("PlaybackKeyPair")},
            "GetPublicKey": lambda: {"arn": self.key("PublicKey")},
            "GetStream": lambda: {"channelArn": self.live[0]},
            "ImportPlaybackKeyPair": lambda: self.no_keys("PlaybackKeyPair"),
            "ImportPublicKey": lambda: self.no_keys("PublicKey"),
            "InsertAdBreak": lambda: {"channelArn": self.live[0]},
            "ListPlaybackKeyPairs": lambda: self.two_keys("PlaybackKeyPair"),
            "ListPublicKeys": lambda: self.two_keys("PublicKey"),
            "PutMetadata": lambda: {"channelArn": self.live[0]},
            "StartComposition": lambda: {"ChannelArn": self.channel(),
                                         "CompositionClientToken": f"token-{next(self.count)}"},
            "StartParticipantReplication": lambda: self.replication(False),
            "StopComposition": lambda: {"arn": self.composition()},
            "StopParticipantReplication": lambda: self.replication(True),
            "StopStream": lambda: {"channelArn": self.live_channel()},
            "TagResource": lambda: {"resourceArn": self.channel() if operation.service == "ivs" else self.stage()},
            "UpdateAdConfiguration": lambda: {"arn": self.ad()},
            "UpdateChannel": lambda: {"arn": self.channel()},
            "UpdateFailoverSlateConfiguration": lambda: {"arn": self.made_slate()},
            "UpdateIngestConfiguration": lambda: {"arn": self.ingest()},
            "UpdatePlaybackRestrictionPolicy": lambda: {"arn": self.policy()},
            "UpdateStage": lambda: {"arn": self.stage()},
        }
        return fresh.get(operation.name, dict)()


# ---------------------------------------------------------------------------------------------- values

def matches(shape, text):
    """Whether a pattern accepts a text as a whole."""
    pattern = shape.metadata.get("pattern")
    return pattern is None or regex.fullmatch(pattern, text) is not None


def bounds(shape):
    """The least and the most, `None` where the model has none."""
    return shape.metadata.get("min"), shape.metadata.get("max")


def places(shape, path=(), required=False):
    """Every place in a shape: its path, its own shape, whether it must be there. `[]` is an item, `{k}` and
    `{v}` are of a map."""
    if path:
        yield path, shape, required
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from places(member, path + (name,), name in shape.required_members)
    elif shape.type_name == "list":
        yield from places(shape.member, path + ("[]",))
    elif shape.type_name == "map":
        yield from places(shape.key, path + ("{k}",))
        yield from places(shape.value, path + ("{v}",))


class Requests:
    """Makes requests of one operation: right but for what is put at one place."""

    def __init__(self, account, operation):
        self.account, self.operation = account, operation
        self.bound = {}

    def prepare(self):
        """Something new for whatever the operation uses up."""
        self.bound = self.account.bind(self.operation)

    def reference(self, shape, path):
        """What a place refers to, `None` if it is free."""
        if len(path) == 1 and path[0] in self.bound:
            return self.bound[path[0]]
        if shape.name in self.bound:
            return self.bound[shape.name]
        if shape.name == "PaginationToken":
            return self.token()
        return self.account.references.get((self.operation.service, shape.name))

    def token(self):
        """A token of this very list, from a page of one."""
        body = {name: self.sample(self.operation.input.members[name], (name,))
                for name in self.operation.input.required_members}
        answer = self.operation.do(**body, maxResults=1)
        if "nextToken" not in answer:
            raise RuntimeError(f"{self.operation.name}: the account has too little for a second page: {answer}")
        return answer["nextToken"]

    def sample(self, shape, path, place=0):
        """A value that is right. `place` tells items of one list apart."""
        found = self.reference(shape, path)
        if found is not None:
            return found
        kind, (least, most) = shape.type_name, bounds(shape)
        if kind == "structure":
            value = {name: self.sample(shape.members[name], path + (name,)) for name in shape.required_members}
            return self.complete(shape, value, path)
        if kind == "list":
            return [self.sample(shape.member, path + ("[]",), n) for n in range(max(least or 0, 1))]
        if kind == "map":
            return {self.sample(shape.key, path + ("{k}",)): self.sample(shape.value, path + ("{v}",))}
        if kind == "boolean":
            return True
        if kind in ("integer", "long"):
            value = random.randint(least or 0, most if most is not None else (least or 0) + 100)
            return value - value % 2 if shape.name in ("Width", "Height") else value
        if kind == "float":
            return random.randint(int(least), int(most)) + 0.5 - (most == least)
        if kind == "timestamp":
            return "2030-01-01T00:00:00Z"
        if shape.name == "IngestProtocol":
            # The other one needs a second member.
            return "RTMPS"
        if shape.enum:
            return shape.enum[place % len(shape.enum)]
        if shape.name == "PlaybackRestrictionPolicyAllowedCountry":
            return ["DE", "US", "FR"][place % 3]
        for text in (f"sample-{place}", f"sample{place:06}",
                     f"arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/sample-{place}"):
            if matches(shape, text) and (least or 0) <= len(text) <= (most or len(text)):
                return text
        raise RuntimeError(f"no sample for {shape.name}: {shape.metadata}")

    def long(self, shape, path, length, place=0):
        """A text of a length that still matches."""
        if not length:
            return ""
        text = self.sample(shape, path, place)
        if shape.name == "PlaybackRestrictionPolicyAllowedOrigin":
            text = "https://sample"
        text = (text + text[-1] * length)[:length]
        return text

    def build(self, shape, at, path=(), put=OMIT):
        """A value that is right but for `put` at the place `at` inside it."""
        if not at:
            return put
        step = at[0]
        if step == "[]":
            inner = self.build(shape.member, at[1:], path + (step,), put)
            least = bounds(shape)[0] or 0
            return [inner] + [self.sample(shape.member, path + (step,), n) for n in range(1, least)]
        if step == "{k}":
            return {put: self.sample(shape.value, path + ("{v}",))}
        if step == "{v}":
            inner = self.build(shape.value, at[1:], path + (step,), put)
            return {self.sample(shape.key, path + ("{k}",)): inner}
        value = {name: self.sample(shape.members[name], path + (name,))
                 for name in shape.required_members if name != step}
        inner = self.build(shape.members[step], at[1:], path + (step,), put)
        if inner is not OMIT:
            value[step] = inner
        return self.complete(shape, value, path)

    def complete(self, shape, value, path):
        """What the prose of the models asks for beside the shapes."""
        name = shape.name
        if name == "DestinationConfiguration" and not {"s3", "channel"} & value.keys():
            value["s3"] = self.sample(shape.members["s3"], path + ("s3",))
        elif name == "MediaTailorPlaybackConfiguration" and not value:
            member = shape.members["playbackConfigurationArn"]
            value["playbackConfigurationArn"] = self.sample(member, path + ("playbackConfigurationArn",))
        elif name == "ParticipantThumbnailConfiguration" and "targetIntervalSeconds" in value:
            value.setdefault("recordingMode", "INTERVAL")
        elif name == "RenditionConfiguration" and value.get("renditionSelection") == "CUSTOM":
            value.setdefault("renditions", ["HD"])
        elif name == "MultitrackInputConfiguration" and value.get("enabled") is True:
            value.update(policy="ALLOW", maximumResolution="HD")
        elif name == "Video" and "height" in value:
            # With the default width it may be more pixels than 1920×1080.
            value["width"] = 1080
        elif name in ("CreateChannelRequest", "UpdateChannelRequest"):
            multitrack = value.get("multitrackInputConfiguration")
            if isinstance(multitrack, dict) and multitrack.get("enabled") is True:
                value.update(type="STANDARD", containerFormat="FRAGMENTED_MP4")
            # A type that has a preset, so that the answer has one as well.
            value.setdefault("type", "ADVANCED_HD")
        elif name == "CreateIngestConfigurationRequest" and value.get("ingestProtocol") == "RTMP":
            if value.setdefault("insecureIngest", True) is False:
                value["ingestProtocol"] = "RTMPS"
        elif name == "GridConfiguration":
            value.setdefault("videoFillMode", "COVER")
        elif name == "LayoutConfiguration" and not value:
            value["grid"] = {"videoFillMode": "COVER"}
        elif name == "StartCompositionRequest":
            value.setdefault("layout", {"grid": {"videoFillMode": "COVER"}})
        return value

    def right(self, shape, path):
        """Values that must be taken at a place, each with what it is an example of."""
        kind, (least, most) = shape.type_name, bounds(shape)
        refers = self.reference(shape, path) is not None
        words = shape.enum if kind == "string" else []
        if not words:
            yield "sample", lambda: self.sample(shape, path)
        if kind == "boolean":
            yield "false", lambda: False
        elif kind == "structure":
            if not shape.required_members:
                yield "empty", lambda: self.complete(shape, {}, path)
        elif kind == "list":
            if not least and "location" not in shape.serialization:
                yield "empty", lambda: []
            if most is not None and path != ("destinations",):
                yield f"{most} items", lambda: [self.sample(shape.member, path + ("[]",), n) for n in range(most)]
            elif most is not None:
                to = shape.member.members
                yield f"{most} items", lambda: [
                    {name: self.sample(to[name], path + ("[]", name))} for name in ("channel", "s3")]
        elif kind == "map":
            if not least:
                yield "empty", lambda: {}
            if most is not None:
                yield f"{most} entries", lambda: {
                    self.sample(shape.key, path, n): self.sample(shape.value, path) for n in range(most)}
        elif kind in ("integer", "long", "float"):
            for what, bound in (("least", least), ("most", most)):
                if bound is not None:
                    yield f"{what} {bound}", lambda bound=bound: bound
        elif words:
            for word in words:
                yield f"word {word}", lambda word=word: word
        elif kind == "string" and refers:
            if not least and matches(shape, "") and shape.name.endswith("Arn"):
                yield "empty", lambda: ""
        elif kind == "string" and shape.name != "PlaybackRestrictionPolicyAllowedCountry":
            if least is not None and matches(shape, "a" * least):
                yield f"least {least}", lambda: self.long(shape, path, least)
            if most is not None:
                yield f"most {most}", lambda: self.long(shape, path, most)

    def wrong(self, shape, path, required, carried):
        """Values that must be refused at a place. `carried` says where the member travels, if not in the body."""
        kind, (least, most) = shape.type_name, bounds(shape)
        if required and carried != "uri":
            yield "left out", OMIT
            if not carried:
                yield "null", None
        if not carried and path[-1] != "{k}":
            other = {"string": 7, "boolean": "yes", "integer": "7", "long": "7", "float": "7",
                     "timestamp": True, "structure": [], "list": {}, "map": []}
            yield "type", other[kind]
            if kind in ("integer", "long"):
                yield "type, a fraction", (least or 0) + 0.5
            if kind == "timestamp":
                yield "type, not a time", "tomorrow"
        if kind in ("integer", "long", "float"):
            if least is not None:
                yield f"below {least}", least - 1
            if most is not None:
                yield f"above {most}", most + 1
        elif kind == "list":
            if least:
                yield f"under {least} items", [self.sample(shape.member, path + ("[]",), n) for n in range(least - 1)]
            if most is not None:
                yield f"over {most} items", [self.sample(shape.member, path + ("[]",), n) for n in range(most + 1)]
        elif kind == "map":
            if most is not None:
                yield f"over {most} entries", {
                    self.sample(shape.key, path, n): self.sample(shape.value, path) for n in range(most + 1)}
        elif kind == "string":
            if shape.enum:
                yield "no word of the enumeration", "NONSENSE"
            if least and not (least == 1 and carried == "uri"):
                yield f"under {least} characters", self.long(shape, path, least - 1)
            if most is not None:
                yield f"over {most} characters", self.long(shape, path, most + 1)
            if "pattern" in shape.metadata:
                yield "pattern", self.off_pattern(shape, path)

    def off_pattern(self, shape, path):
        """A text of a good length that the pattern does not accept."""
        text = self.sample(shape, path)
        for odd in "*! \n%é":
            for broken in (text[:-1] + odd, odd + text[1:], text[: len(text) // 2] + odd + text[len(text) // 2 + 1:]):
                if not matches(shape, broken):
                    return broken
        raise RuntimeError(f"nothing breaks {shape.metadata['pattern']}")


# -------------------------------------------------------------------------------------------- judgement

def off_shape(service, shape, value, owner="", member=""):
    """What is wrong with a value that came back: (service, shape, member, what)."""
    def wrong(what):
        return [(service, owner, member, what)]

    kind, (least, most) = shape.type_name, bounds(shape)
    types = {"structure": dict, "map": dict, "list": list, "string": str, "boolean": bool, "timestamp": str,
             "integer": int, "long": int, "float": (int, float)}
    if not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return wrong(f"type {type(value).__name__}")
    found, size = [], value
    if kind == "structure":
        body = {name: one for name, one in shape.members.items() if "location" not in one.serialization}
        for name in value.keys() - body.keys():
            found.append((service, shape.name, name, "unknown"))
        for name in shape.required_members:
            if name not in value:
                found.append((service, shape.name, name, "missing"))
        for name in value.keys() & body.keys():
            found += off_shape(service, body[name], value[name], shape.name, name)
        return found
    if kind == "list":
        found = sum((off_shape(service, shape.member, one, owner, member) for one in value), [])
    elif kind == "map":
        for key, one in value.items():
            found += off_shape(service, shape.key, key, owner, member)
            found += off_shape(service, shape.value, one, owner, member)
    elif kind == "timestamp":
        if not regex.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
            return wrong(f"time {value}")
    elif kind == "string":
        if shape.enum and value not in shape.enum:
            return wrong(f"word '{value}'")
        if not matches(shape, value):
            return wrong("pattern")
    if kind in ("list", "map", "string"):
        size = len(value)
    if kind not in ("boolean", "timestamp"):
        if least is not None and size < least:
            found += wrong(f"below {least}")
        if most is not None and size > most:
            found += wrong(f"above {most}")
    return found


def given_back(sent, got):
    """Whether what was sent is in what came back, defaults beside it."""
    if isinstance(sent, dict):
        if isinstance(got, dict) and "configuration" in got:
            got = got["configuration"]
        return isinstance(got, dict) and all(name in got and given_back(sent[name], got[name]) for name in sent)
    if isinstance(sent, list):
        if not sent:
            return True
        if all(isinstance(one, str) for one in sent):
            return sorted(sent) == sorted(got)
        return len(sent) == len(got) and all(map(given_back, sent, got))
    if isinstance(sent, float):
        # Single precision in the model.
        return struct.pack("f", sent) == struct.pack("f", got)
    return sent == got


class Judge:
    """Counts cases, and finds what is wrong with them."""

    def __init__(self):
        self.cases, self.failed, self.seen = collections.Counter(), [], set()

    def case(self, name, service, problems, detail=""):
        """One case: clean, or wrong in a way that is excused, or wrong."""
        self.cases[service] += 1
        if problems:
            unexcused = [one for one in problems if one not in EXCEPTIONS]
            self.seen |= set(problems) & EXCEPTIONS.keys()
            self.failed.append(name)
            if unexcused:
                print(f"FAILED {service} {name}: {unexcused} {detail}"[:1500])
                self.seen.add("unexcused")

    def success(self, name, operation, body, answer):
        """An answer that must be a success of the right shape."""
        status, headers, text = answer
        service, problems = operation.service, []

        def wrong(what):
            problems.append((service, operation.name, "", what))

        if status != operation.status:
            wrong(f"status {status}")
        if "x-amzn-requestid" not in headers or "date" not in headers:
            wrong("headers of every answer")
        output = operation.output
        for shape in (output.members if output else {}).values():
            if shape.serialization.get("location") == "header" and shape.serialization["name"].lower() not in headers:
                wrong(f"header {shape.serialization['name']}")
        if status == 204:
            if text:
                wrong("a body")
        elif status == 200:
            value = json.loads(text)
            problems += off_shape(service, output, value)
            operation.parsed(answer)
            problems += self.lost(operation, body, value)
        self.case(name, service, problems, f"{body} -> {status} {text.decode()}")
        return status, text

    @staticmethod
    def lost(operation, body, value):
        """What was given to a create or update and has not come back."""
        if not operation.name.startswith(("Create", "Update", "Import", "Start")):
            return []
        for wrapper, shape in operation.output.members.items():
            if shape.type_name == "structure" and wrapper in value:
                return [(operation.service, shape.name, name, "not given back") for name in body
                        if name in shape.members and not given_back(body[name], value[wrapper].get(name))]
        return []

    def refusal(self, name, operation, body, answer, error, member):
        """An answer that must be this error, and say what it is about."""
        status, headers, text = answer
        service, problems = operation.service, []

        def wrong(what):
            problems.append((service, operation.name, "", what))

        shape = operation.errors.get(error)
        if status != shape.metadata["error"]["httpStatusCode"]:
            wrong(f"status {status}")
        if headers.get("x-amzn-errortype") != error:
            wrong(f"error type {headers.get('x-amzn-errortype')}")
        for one in shape.members.values():
            if one.serialization.get("location") == "header" and one.serialization["name"].lower() not in headers:
                wrong(f"header {one.serialization['name']}")
        read = operation.parsed(answer).get("Error", {})
        if read.get("Code") != error or not read.get("Message"):
            wrong(f"botocore reads {read}")
        try:
            told = json.loads(text)
            if not told.get("message") or told.get("message") != told.get("exceptionMessage"):
                wrong("messages")
            if member not in str(told.get("message")):
                wrong(f"the message does not name {member}")
        except ValueError:
            wrong("no JSON")
        self.case(name, service, problems, f"{body} -> {status} {text.decode()}")


def where(path):
    """A path as text."""
    return ".".join(path) or "(request)"


def last_named(path):
    """The member that a path leads to or through."""
    return next(step for step in reversed(path) if step[0] not in "[{")


def refusals(account, operation, judge):
    """Everything that must be refused, and that it changes nothing."""
    requests = Requests(account, operation)
    requests.prepare()
    # What a token is asked for and what is being made is done before the picture is taken.
    account.pass_time()
    before = WIRE.control("GET", "objects")
    for path, shape, required in places(operation.input):
        carried = operation.input.members[path[0]].serialization.get("location")
        for what, value in requests.wrong(shape, path, required, carried):
            body = requests.build(operation.input, path, put=value)
            name = f"{operation.name} {where(path)}: {what}"
            judge.refusal(name, operation, body, operation.call(body), "ValidationException", last_named(path))
        nothing = requests.reference(shape, path)
        if str(nothing).startswith("arn:aws:ivs:") and not path[0].startswith("filter"):
            nothing = nothing[:-1] + "-"
            body = requests.build(operation.input, path, put=nothing)
            name = f"{operation.name} {where(path)}: names nothing"
            if operation.name.startswith("Batch"):
                judge.success(name, operation, body, operation.call(body))
            else:
                error = "ResourceNotFoundException"
                error = error if error in operation.errors else "ValidationException"
                judge.refusal(name, operation, body, operation.call(body), error, nothing)
    changed = WIRE.control("GET", "objects") != before
    problems = [(operation.service, operation.name, "", "a refusal changed something")] if changed else []
    judge.case(f"{operation.name}: refusals change nothing", operation.service, problems)


def successes(account, operation, judge):
    """Everything that must be taken."""
    requests = Requests(account, operation)

    def good(what, make):
        requests.prepare()
        body = make()
        name = f"{operation.name} {what}"
        judge.success(name, operation, body, operation.call(body))

    members = operation.input.members
    # Nothing but what is required, not even what makes the answer tidy.
    good("required members only", lambda: {
        name: requests.sample(members[name], (name,)) for name in operation.input.required_members})
    requests.prepare()
    for path, shape, _ in places(operation.input):
        if path[-1] == "{k}" and shape.name == "String":
            continue
        for what, value in list(requests.right(shape, path)):
            good(f"{where(path)}: {what}", lambda value=value, path=path: requests.build(
                operation.input, path, put=value()))


def main():
    judge, chosen = Judge(), [
        one for one in operations().values() if not ONLY or any(word in one.name for word in ONLY)]
    # Reads before writes: the lists then show the prepared account, and not what the cases have left in it.
    chosen.sort(key=lambda one: not one.name.startswith(("Get", "BatchGet", "List")))
    for phase in (refusals, successes):
        account = TestAccount()
        for operation in chosen:
            phase(account, operation, judge)
    WIRE.control("POST", "reset")
    stale = [] if ONLY else [one for one in EXCEPTIONS if one not in judge.seen]
    for one in stale:
        print(f"FAILED {one} does not fail any more: take it off the list of exceptions")
    total, failed = sum(judge.cases.values()), len(judge.failed)
    for service, count in sorted(judge.cases.items()):
        print(f"{service}: {count} cases")
    for one in sorted(judge.seen - {"unexcused"}):
        print(f"excused {'.'.join(one[:3])}, {one[3]}: {EXCEPTIONS[one]}")
    clean = 100 * (total - failed) / total
    print(f"{total} cases of {len(chosen)} operations, {clean:.2f} % clean, {failed} with an exception or failed")
    sys.exit(1 if stale or "unexcused" in judge.seen or clean < CLEAN else 0)


if __name__ == "__main__":
    main()
