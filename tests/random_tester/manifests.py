"""Random valid manifests, edits of them, and writing them to a folder."""

import copy
import json
import pathlib

import yaml

from .emulator import ACCOUNT, REGION
from .keys import PEMS

API = "ivs-apply.dev/v1"
KINDS = [
    "RecordingConfiguration", "PlaybackRestrictionPolicy", "AdConfiguration", "FailoverSlateConfiguration",
    "PlaybackKeyPair", "PublicKey", "StorageConfiguration", "EncoderConfiguration", "Channel", "StreamKey", "Stage",
    "IngestConfiguration", "Composition", "ParticipantReplication",
]
NAMED = set(KINDS) - {"StreamKey", "Composition", "ParticipantReplication"}
TAGGED = set(KINDS) - {"ParticipantReplication"}
# How many the stack has at most; foreign objects count against the quotas as well.
MOST = {"StorageConfiguration": 2, "PlaybackKeyPair": 2, "PublicKey": 2, "Composition": 2, "ParticipantReplication": 2}
TAG_KEYS = ["team", "env", "tier", "owner name", "a/b", "x.y"]
COUNTRIES = ["CH", "DE", "NO", "FR", "US", "JP", "BR"]
NAMES = ["main", "aux", "hd", "Sports", "a.b", "x_y", "n-1", "night", "p9", "zeta"]
# Fields whose change is a replacement (ivs-api.md, section 1); every field of these kinds is.
IMMUTABLE_KINDS = {"RecordingConfiguration", "PlaybackKeyPair", "PublicKey", "StorageConfiguration", "EncoderConfiguration"}


def dump(documents):
    return yaml.dump_all(documents, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


class Res:
    """One manifest."""

    def __init__(self, kind, name, spec):
        self.kind, self.name, self.spec = kind, name, spec
        self.lifecycle, self.previous, self.labels = {}, [], {}

    @property
    def key(self):
        return (self.kind, self.name)

    @property
    def address(self):
        return f"{self.kind}/{self.name}"

    def document(self):
        meta = {"name": self.name}
        if self.labels:
            meta["labels"] = self.labels
        if self.previous:
            meta["previousNames"] = list(self.previous)
        doc = {"apiVersion": API, "kind": self.kind, "metadata": meta, "spec": copy.deepcopy(self.spec)}
        if self.lifecycle:
            doc["lifecycle"] = copy.deepcopy(self.lifecycle)
        return doc


class Manifests:
    """A whole set: the Stack and its resources."""

    def __init__(self, stack):
        self.stack = stack
        self.stack_tags, self.ignore_tags, self.prune = {}, [], None
        self.all = {}
        self.used_names = set()

    def add(self, res):
        self.all[res.key] = res
        self.used_names.add(res.key)

    def of(self, kind):
        return [r for r in self.all.values() if r.kind == kind]

    def get(self, kind, name):
        return self.all.get((kind, name))

    def stack_document(self):
        spec = {"region": REGION, "account": ACCOUNT}
        if self.stack_tags:
            spec["tags"] = dict(self.stack_tags)
        if self.ignore_tags:
            spec["ignoreTags"] = list(self.ignore_tags)
        if self.prune is not None:
            spec["prune"] = self.prune
        return {"apiVersion": API, "kind": "Stack", "metadata": {"name": self.stack}, "spec": spec}

    def write(self, folder):
        """One file a kind; some as JSON."""
        for res in self.all.values():
            if "." in res.name and res.kind in NAMED and "name" not in res.spec:
                res.spec["name"] = "dotted"  # the logical name is no display name
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*"):
            old.unlink()
        (folder / "stack.yaml").write_text(dump([self.stack_document()]))
        for kind in KINDS:
            docs = [r.document() for r in self.of(kind)]
            if kind == "PublicKey" and len(docs) == 1:
                (folder / f"{kind}.json").write_text(json.dumps(docs[0], indent=1))
            elif docs:
                (folder / f"{kind}.yaml").write_text(dump(docs))

    def text(self):
        return dump([self.stack_document()] + [r.document() for r in self.all.values()])

    # --- references ---------------------------------------------------------------------------------

    def references(self, res):
        """Every reference of a manifest: (target kind, value, setter taking None to clear, required)."""
        out = []

        def ref(holder, field, kind, required=False):
            if isinstance(holder, dict) and holder.get(field) is not None:
                def put(value, holder=holder, field=field):
                    if value is None:
                        holder.pop(field, None)
                    else:
                        holder[field] = value
                out.append((kind, holder[field], put, required))

        s = res.spec
        if res.kind == "Channel":
            for field, kind in CHANNEL_REFS.items():
                ref(s, field, kind)
        elif res.kind == "StreamKey":
            ref(s, "channel", "Channel", True)
        elif res.kind == "Stage":
            ref(s.get("autoParticipantRecordingConfiguration"), "storageConfiguration", "StorageConfiguration", True)
        elif res.kind == "IngestConfiguration":
            ref(s, "stage", "Stage")
        elif res.kind == "Composition":
            ref(s, "stage", "Stage", True)
            for d in s["destinations"]:
                ref(d.get("channel"), "channel", "Channel", True)
                ref(d.get("channel"), "encoderConfiguration", "EncoderConfiguration")
                if "s3" in d:
                    ref(d["s3"], "storageConfiguration", "StorageConfiguration", True)
                    encoders = d["s3"]["encoderConfigurations"]

                    def put(value, encoders=encoders):
                        encoders[0] = value
                    out.append(("EncoderConfiguration", encoders[0], put, True))
        elif res.kind == "ParticipantReplication":
            ref(s, "sourceStage", "Stage", True)
            ref(s, "destinationStage", "Stage", True)
            ref(s, "participant", "IngestConfiguration", True)
        return out

    def remove(self, key):
        """Take a manifest away, and clear or take away what refers to it."""
        if key not in self.all:
            return
        del self.all[key]
        for res in list(self.all.values()):
            for kind, value, put, required in self.references(res):
                if (kind, value) == key and res.key in self.all:
                    if res.kind == "Stage":
                        res.spec.pop("autoParticipantRecordingConfiguration", None)
                    elif required:
                        self.remove(res.key)
                    else:
                        put(None)

    def rename(self, pairs):
        """Other names, all at once: {key: new name}."""
        referrers = [(put, pairs[kind, value]) for r in self.all.values()
                     for kind, value, put, _ in self.references(r) if (kind, value) in pairs]
        for put, new in referrers:
            put(new)
        order = list(self.all.values())
        for res in [self.all[key] for key in pairs]:
            new = pairs[res.key]
            res.previous.insert(0, res.name)
            res.name = new
            res.previous = [n for n in res.previous if n != new]
            self.used_names.add(res.key)
        self.all = {r.key: r for r in order}

    def fresh_name(self, rnd, kind):
        free = [n for n in NAMES if (kind, n) not in self.used_names]
        return rnd.choice(free) if free else f"n{len(self.used_names)}"


CHANNEL_REFS = {
    "recordingConfiguration": "RecordingConfiguration", "playbackRestrictionPolicy": "PlaybackRestrictionPolicy",
    "adConfiguration": "AdConfiguration", "failoverSlateConfiguration": "FailoverSlateConfiguration",
}


def random_tags(rnd, most=3):
    return {rnd.choice(TAG_KEYS): rnd.choice(["x", "gold", "", "a b", "1=2", "ümlaut"]) for _ in range(rnd.randint(0, most))}


class Maker:
    """Makes specs that every rule of ivs-api.md section 2 accepts."""

    def __init__(self, rnd, manifests, foreign=()):
        self.rnd, self.m = rnd, manifests
        self.foreign = list(foreign)  # unowned objects that may be referred to by ARN

    def maybe(self, p=0.5):
        return self.rnd.random() < p

    def pick(self, kind, foreign=0.1):
        """A reference to something of a kind: a name, sometimes the ARN of a foreign object; None if there is nothing."""
        names = [r.name for r in self.m.of(kind)]
        arns = [o.arn for o in self.foreign if o.kind == kind]
        if arns and (not names or self.maybe(foreign)):
            return self.rnd.choice(arns)
        return self.rnd.choice(names) if names else None

    def spec(self, kind, old=None):
        """A spec, or None where it cannot be made now. `old`: the spec it is to take the place of."""
        made = getattr(self, "_" + kind)(old)
        if made is None:
            return None
        if kind in NAMED and self.maybe(0.3):
            made["name"] = self.rnd.choice(["shown", "x_1", "Same-Name", ""])
        if kind in TAGGED and self.maybe(0.5):
            made["tags"] = random_tags(self.rnd)
        return made

    def some(self, spec, p=0.4, **fields):
        for field, values in fields.items():
            if self.maybe(p):
                spec[field] = self.rnd.choice(values)
        return spec

    def _RecordingConfiguration(self, old):
        s = {"destinationConfiguration": {"s3": {"bucketName": self.rnd.choice(["bucket-one", "bucket.two", "three"])}}}
        if self.maybe():
            t = s["thumbnailConfiguration"] = self.some({}, recordingMode=["INTERVAL", "DISABLED"])
            if t.get("recordingMode") != "DISABLED":
                self.some(t, targetIntervalSeconds=[1, 5, 60, 33], resolution=["SD", "HD", "FULL_HD", "LOWEST_RESOLUTION"],
                          storage=[["SEQUENTIAL"], ["LATEST"], ["LATEST", "SEQUENTIAL"], ["SEQUENTIAL", "LATEST"]])
        self.some(s, recordingReconnectWindowSeconds=[0, 1, 300])
        if self.maybe():
            r = s["renditionConfiguration"] = self.some({}, renditionSelection=["ALL", "NONE", "CUSTOM"])
            if r.get("renditionSelection") == "CUSTOM":
                r["renditions"] = self.rnd.sample(["SD", "HD", "FULL_HD", "LOWEST_RESOLUTION"], self.rnd.randint(1, 4))
        return s

    def _material(self, kind):
        used = {r.spec.get("publicKeyMaterial") for r in self.m.of(kind)}
        # The last two are for foreign objects.
        free = [p for p in PEMS[:-2] if p not in used]
        return self.rnd.choice(free)

    def _PlaybackKeyPair(self, old):
        if old and self.maybe(0.4):
            return {"publicKeyMaterial": old["publicKeyMaterial"]}
        return {"publicKeyMaterial": self._material("PlaybackKeyPair")}

    def _PublicKey(self, old):
        if old and self.maybe(0.4):
            return {"publicKeyMaterial": old["publicKeyMaterial"]}
        return {"publicKeyMaterial": self._material("PublicKey")}

    def _PlaybackRestrictionPolicy(self, old):
        s = {}
        if self.maybe():
            s["allowedCountries"] = self.rnd.sample(COUNTRIES, self.rnd.randint(0, 3))
        if self.maybe():
            s["allowedOrigins"] = self.rnd.sample(["https://a.example.com", "https://b.example.com:8443", "http://c.org"], self.rnd.randint(0, 3))
        return self.some(s, enableStrictOriginEnforcement=[True, False])

    def _AdConfiguration(self, old):
        arns = [f"arn:aws:mediatailor:{REGION}:{ACCOUNT}:playbackConfiguration/{n}" for n in ("one", "two", "three-3", "Four")]
        s = {"mediaTailorPlaybackConfigurations": [{"playbackConfigurationArn": a} for a in self.rnd.sample(arns, self.rnd.randint(1, 3))]}
        if self.maybe():
            s["postRollConfiguration"] = {"enabled": self.maybe(), "durationSeconds": self.rnd.choice([1, 15, 300])}
        return s

    def _FailoverSlateConfiguration(self, old):
        return self.some({}, activationThresholdSeconds=[3, 4, 5], minSlateDisplaySeconds=[3, 7, 10], maxSlateDisplaySeconds=[60, 100, 180])

    def _StorageConfiguration(self, old):
        return {"s3": {"bucketName": self.rnd.choice(["tapes", "tapes-2", "more.tapes"])}}

    def _EncoderConfiguration(self, old):
        if self.maybe(0.25):
            return {}
        return {"video": self.some({}, width=[640, 1920, 2, 1280], height=[360, 720, 1080], framerate=[30, 29.97, 1, 60, 23.976],
                                   bitrate=[1, 2500000, 8500000])}

    def _Channel(self, old):
        s = self.some({}, 0.35, latencyMode=["LOW", "NORMAL"], authorized=[True, False], insecureIngest=[True, False])
        flavour = self.rnd.choice(["plain", "plain", "plain", "advanced", "multitrack", "mp4"])
        if flavour == "advanced":
            s["type"] = self.rnd.choice(["ADVANCED_SD", "ADVANCED_HD"])
            self.some(s, preset=["HIGHER_BANDWIDTH_DELIVERY", "CONSTRAINED_BANDWIDTH_DELIVERY"])
        elif flavour == "multitrack":
            s["containerFormat"] = "FRAGMENTED_MP4"
            s["multitrackInputConfiguration"] = {"enabled": True, "policy": self.rnd.choice(["ALLOW", "REQUIRE"]),
                                                 "maximumResolution": self.rnd.choice(["SD", "HD", "FULL_HD"])}
        else:
            self.some(s, type=["BASIC", "STANDARD"])
            if flavour == "mp4":
                s["containerFormat"] = "FRAGMENTED_MP4"
            elif self.maybe(0.2):
                s["containerFormat"] = "TS"
        for field, kind in CHANNEL_REFS.items():
            if field == "adConfiguration" and s.get("containerFormat") == "FRAGMENTED_MP4":
                continue
            if self.maybe(0.45):
                target = self.pick(kind)
                if target:
                    s[field] = target
        return s

    def _StreamKey(self, old):
        taken = {r.spec["channel"] for r in self.m.of("StreamKey")}
        free = [r.name for r in self.m.of("Channel") if r.name not in taken]
        if old and (not free or self.maybe(0.7)):
            s = {"channel": old["channel"]}
        else:
            if not free:
                return None
            s = {"channel": self.rnd.choice(free)}
        if self.maybe():
            s["rotation"] = self.rnd.choice(["1", "2", "2026-11", "after the leak", "1 was=x rotation=2", "ü"])
        return s

    def _Stage(self, old):
        s = {}
        storage = self.pick("StorageConfiguration") if self.maybe(0.6) else None
        if storage:
            a = s["autoParticipantRecordingConfiguration"] = {"storageConfiguration": storage}
            self.some(a, recordingReconnectWindowSeconds=[0, 1, 300], recordParticipantReplicas=[True, False],
                      hlsConfiguration=[{"targetSegmentDurationSeconds": n} for n in (2, 6, 10)])
            media = self.rnd.choice([None, "AUDIO_VIDEO", "AUDIO_ONLY", "NONE"])
            if media:
                a["mediaTypes"] = [media]
            if media == "NONE" or (media != "AUDIO_ONLY" and self.maybe()):
                t = a["thumbnailConfiguration"] = {"recordingMode": "INTERVAL"}
                self.some(t, targetIntervalSeconds=[1, 60, 86400], storage=[["SEQUENTIAL"], ["LATEST"], ["LATEST", "SEQUENTIAL"]])
        return s

    def _IngestConfiguration(self, old):
        s = {"ingestProtocol": self.rnd.choice(["RTMPS", "RTMPS", "RTMP"])}
        if s["ingestProtocol"] == "RTMP":
            s["insecureIngest"] = True
        if self.maybe(0.75):
            stage = self.pick("Stage", foreign=0)
            if stage:
                s["stage"] = stage
        self.some(s, 0.3, redundantIngest=[True, False], userId=["", "cam 1", "ü"], attributes=[{"side": "left"}, {"a": "1", "b": ""}])
        return s

    def _Composition(self, old):
        me = {id(old)} if old else set()
        taken = {d["channel"]["channel"] for r in self.m.of("Composition") if id(r.spec) not in me
                 for d in r.spec["destinations"] if "channel" in d}
        stage = self.pick("Stage", foreign=0)
        if not stage:
            return None
        channels = [r.name for r in self.m.of("Channel") if r.name not in taken]
        storages, encoders = self.m.of("StorageConfiguration"), self.m.of("EncoderConfiguration")
        destinations = []
        if channels and self.maybe(0.8):
            c = {"channel": self.rnd.choice(channels)}
            if encoders and self.maybe():
                c["encoderConfiguration"] = self.rnd.choice(encoders).name
            destinations.append({"channel": c})
        if storages and encoders and (not destinations or self.maybe(0.4)):
            d = {"storageConfiguration": self.rnd.choice(storages).name, "encoderConfigurations": [self.rnd.choice(encoders).name]}
            if self.maybe(0.4):
                d["recordingConfiguration"] = self.rnd.choice([{}, {"format": "HLS"}, {"hlsConfiguration": {"targetSegmentDurationSeconds": 7}}])
            if self.maybe(0.4):
                d["thumbnailConfigurations"] = [self.some({}, targetIntervalSeconds=[1, 60, 86400], storage=[["SEQUENTIAL"], ["LATEST"]])]
            destinations.append({"s3": d})
        if not destinations:
            return None
        for d in destinations:
            self.some(d, 0.3, name=["d1", "air", ""])
        s = {"stage": stage, "destinations": destinations}
        self.some(s, 0.5, run=["WHILE_STAGE_ACTIVE", "ALWAYS", "ALWAYS", "STOPPED"])
        if self.maybe(0.5):
            if self.maybe():
                s["layout"] = {"grid": self.some({}, featuredParticipantAttribute=["", "host"], omitStoppedVideo=[True, False],
                               videoAspectRatio=["AUTO", "VIDEO", "SQUARE", "PORTRAIT"], videoFillMode=["FILL", "COVER", "CONTAIN"],
                               gridGap=[0, 2, 9], participantOrderAttribute=["", "rank"])}
            else:
                s["layout"] = {"pip": self.some({}, featuredParticipantAttribute=["", "host"], omitStoppedVideo=[True, False],
                               videoFillMode=["FILL", "COVER", "CONTAIN"], gridGap=[0, 3], pipParticipantAttribute=["", "guest"],
                               pipBehavior=["STATIC", "DYNAMIC"], pipOffset=[0, 5], pipWidth=[1, 100], pipHeight=[1, 90],
                               pipPosition=["TOP_LEFT", "TOP_RIGHT", "BOTTOM_LEFT", "BOTTOM_RIGHT"], participantOrderAttribute=["rank"])}
        return s

    def _ParticipantReplication(self, old):
        have = {(r.spec["sourceStage"], r.spec["destinationStage"], r.spec["participant"])
                for r in self.m.of("ParticipantReplication") if r.spec is not old}
        options = []
        for ingest in self.m.of("IngestConfiguration"):
            source = ingest.spec.get("stage")
            if not source or source.startswith("arn:"):
                continue
            for stage in self.m.of("Stage"):
                if stage.name != source and (source, stage.name, ingest.name) not in have:
                    options.append((source, stage.name, ingest.name))
        if not options:
            return None
        source, destination, participant = self.rnd.choice(options)
        s = {"sourceStage": source, "destinationStage": destination, "participant": participant}
        return self.some(s, 0.3, run=["WHILE_STAGE_ACTIVE", "STOPPED", "ALWAYS"], reconnectWindowSeconds=[0, 60, 300],
                         attributes=[{"from": "x"}])

    def lifecycle(self, res, protect=0.06):
        lifecycle = {}
        if res.kind != "ParticipantReplication" and self.maybe(protect):
            lifecycle["protect"] = True
        if self.maybe(0.35):
            lifecycle["onLive"] = self.rnd.choice(["defer", "interrupt", "interrupt", "fail"])
        res.lifecycle = {**{k: v for k, v in res.lifecycle.items() if k in ("adopt", "ignoreChanges")}, **lifecycle}

    def add(self, kind):
        """A new manifest, if it can be made; answers it."""
        if len(self.m.of(kind)) >= MOST.get(kind, 4):
            return None
        spec = self.spec(kind)
        if spec is None:
            return None
        res = Res(kind, self.m.fresh_name(self.rnd, kind), spec)
        self.lifecycle(res)
        if self.maybe(0.3):
            res.labels = {"team": self.rnd.choice(["a", "b"])}
        if kind == "Channel" and self.maybe(0.08):
            res.lifecycle["ignoreChanges"] = [self.rnd.choice(["spec.latencyMode", "spec.name", "spec.tags"])]
        self.m.add(res)
        return res


def generate(rnd, stack, foreign=()):
    """A random set."""
    m = Manifests(stack)
    if rnd.random() < 0.5:
        m.stack_tags = {"service": rnd.choice(["live", "vod"])}
    if rnd.random() < 0.5:
        m.ignore_tags = rnd.choice([["cost:*"], ["cost:*", "aux-*"]])
    if rnd.random() < 0.2:
        m.prune = rnd.choice([True, False])
    maker = Maker(rnd, m, foreign)
    size = rnd.choice([0.35, 0.6, 0.9])
    for kind in KINDS:
        for _ in range(rnd.choice([1, 1, 2, 2, 3])):
            if rnd.random() < size:
                maker.add(kind)
    if not m.all:
        maker.add("Channel")
    return m


def edit(rnd, m, foreign=()):
    """One random change; answers what it was, as (text, keys that may get a new ARN by it)."""
    maker = Maker(rnd, m, foreign)
    what = rnd.choices(["change", "add", "remove", "rename", "reference", "protect", "onlive", "run", "rotate", "tags",
                        "stacktags", "labels", "swap", "freed", "movekey", "forget"],
                       [30, 12, 10, 10, 10, 5, 6, 6, 8, 8, 3, 1, 7, 6, 6, 4])[0]
    everything = list(m.all.values())
    if what == "add":
        res = maker.add(rnd.choice(KINDS))
        return (f"add {res.address}", []) if res else ("nothing", [])
    if not everything:
        return "nothing", []
    res = rnd.choice(everything)
    if what == "change":
        return change(rnd, m, maker, res)
    if what == "remove":
        before = set(m.all)
        m.remove(res.key)
        return f"remove {res.address}", list(before - set(m.all))
    if what == "rename":
        if any(res.name in r.previous for r in m.of(res.kind)):
            return "nothing", []  # two manifests would have the same former name
        old, new = res.key, m.fresh_name(rnd, res.kind)
        dotted = "." in new and res.kind in NAMED and "name" not in res.spec  # then its display name changes as well
        m.rename({old: new})
        return f"rename {old[1]} to {res.address}", [("rename", {old: res.key})] + ([res.key] if dotted else [])
    if what == "swap":
        return swap(rnd, m)
    if what == "freed":
        return freed(rnd, m)
    if what == "movekey":
        return move_key(rnd, m)
    if what == "forget":
        choices = [r for r in everything if r.previous]
        if not choices:
            return "nothing", []
        group = [rnd.choice(choices)]
        for res in group:  # and those whose names hang on its own
            group += [r for r in m.of(res.kind) if r not in group and r.previous and (res.name in r.previous or r.name in res.previous)]
        return f"{[r.address for r in group]} lose their previousNames", [("forget", [r.key for r in group])]
    if what == "reference":
        choices = [r for r in everything if r.kind in ("Channel", "IngestConfiguration", "Stage")]
        if not choices:
            return "nothing", []
        res = rnd.choice(choices)
        if res.kind == "Channel":
            field, kind = rnd.choice(list(CHANNEL_REFS.items()))
            if field == "adConfiguration" and res.spec.get("containerFormat") == "FRAGMENTED_MP4":
                return "nothing", []
            target = maker.pick(kind)
            if res.spec.get(field) and rnd.random() < 0.4 or not target:
                res.spec.pop(field, None)
            else:
                res.spec[field] = target
            return f"{res.address}.{field} = {res.spec.get(field)}", []
        if res.kind == "IngestConfiguration":
            used = any(r.spec["participant"] == res.name for r in m.of("ParticipantReplication"))
            target = maker.pick("Stage", foreign=0)
            if used or not target:
                return "nothing", []
            res.spec["stage"] = target
            return f"{res.address}.stage = {target}", []
        target = maker.pick("StorageConfiguration")
        if target and "autoParticipantRecordingConfiguration" in res.spec:
            res.spec["autoParticipantRecordingConfiguration"]["storageConfiguration"] = target
            return f"{res.address} storage = {target}", []
        return "nothing", []
    if what == "protect":
        if res.kind == "ParticipantReplication":
            return "nothing", []
        res.lifecycle["protect"] = not res.lifecycle.get("protect", False)
        return f"{res.address} protect {res.lifecycle['protect']}", []
    if what == "onlive":
        res.lifecycle["onLive"] = rnd.choice(["defer", "fail", "interrupt"])
        return f"{res.address} onLive {res.lifecycle['onLive']}", []
    if what == "run":
        choices = m.of("Composition") + m.of("ParticipantReplication")
        if not choices:
            return "nothing", []
        res = rnd.choice(choices)
        res.spec["run"] = rnd.choice(["WHILE_STAGE_ACTIVE", "STOPPED", "ALWAYS"])
        return f"{res.address} run {res.spec['run']}", []
    if what == "rotate":
        choices = m.of("StreamKey")
        if not choices:
            return "nothing", []
        res = rnd.choice(choices)
        if "rotation" in res.spec and rnd.random() < 0.15:
            del res.spec["rotation"]
        else:
            res.spec["rotation"] = rnd.choice(["r1", "r2", "r3", "r 4"])
        return f"{res.address} rotation {res.spec.get('rotation')}", [res.key]
    if what == "tags":
        if res.kind == "ParticipantReplication":
            return "nothing", []
        res.spec["tags"] = random_tags(rnd)
        return f"{res.address} tags {res.spec['tags']}", []
    if what == "stacktags":
        m.stack_tags = rnd.choice([{}, {"service": "live"}, {"service": "vod", "team": "all"}])
        return f"stack tags {m.stack_tags}", []
    res.labels = {"team": rnd.choice(["a", "b"])}
    return f"{res.address} labels {res.labels}", []


def claimed(m, kind):
    """Names of a kind that some manifest calls its own or a previous one."""
    return {n for r in m.of(kind) for n in [r.name, *r.previous]}


def swap(rnd, m):
    """Two or three resources of one kind take each other's names."""
    pools = [p for kind in KINDS if kind != "ParticipantReplication" and len(p := [r for r in m.of(kind) if not r.previous]) > 1]
    if not pools:
        return "nothing", []
    pool = rnd.choice(pools)
    ring = rnd.sample(pool, min(len(pool), rnd.choice([2, 2, 3])))
    names = [r.name for r in ring]
    dotted = [r for r, new in zip(ring, names[1:] + names[:1]) if "." in r.name + new]
    pairs = dict(zip([r.key for r in ring], names[1:] + names[:1]))
    m.rename(pairs)
    return f"circle of {ring[0].kind} names: {' -> '.join([*names, names[0]])}", \
        [("rename", {old: (old[0], new) for old, new in pairs.items()})] + [r.key for r in dotted]


def freed(rnd, m):
    """A resource takes the name of one that is renamed, or taken away, by the same edit."""
    pools = [p for kind in KINDS if kind != "ParticipantReplication" and len(p := [r for r in m.of(kind) if not r.previous]) > 1]
    if not pools:
        return "nothing", []
    holder, heir = rnd.sample(rnd.choice(pools), 2)
    name, old = holder.name, heir.key
    dotted = "." in name + heir.name
    keys = []
    if rnd.random() < 0.5:
        if holder.lifecycle.get("protect"):
            return "nothing", []
        before = set(m.all)
        m.remove(holder.key)
        keys = list(before - set(m.all))
        if old not in m.all:  # it hung on the other
            return f"remove {holder.address}", keys
        m.rename({old: name})
        said = f"{heir.address} takes the name of one that goes (was {old[1]})"
        moved = {old: heir.key}
    else:
        to = m.fresh_name(rnd, holder.kind)
        moved = {holder.key: (holder.kind, to), old: (old[0], name)}
        m.rename({holder.key: to, old: name})
        dotted = dotted or "." in to
        said = f"{name} becomes {to}, and {old[1]} becomes {heir.address}"
    return said, [k for k in keys if k != heir.key] + [("rename", moved)] + ([heir.key, holder.key] if dotted else [])


def move_key(rnd, m):
    """A stream key's manifest names another channel; or two exchange theirs."""
    keys = m.of("StreamKey")
    if not keys:
        return "nothing", []
    res = rnd.choice(keys)
    others = [r for r in keys if r is not res]
    free = [c.name for c in m.of("Channel") if c.name not in {r.spec["channel"] for r in keys}]
    if free and (not others or rnd.random() < 0.6):
        res.spec["channel"] = rnd.choice(free)
        return f"{res.address} moves to channel {res.spec['channel']}", [res.key]
    if not others:
        return "nothing", []
    other = rnd.choice(others)
    res.spec["channel"], other.spec["channel"] = other.spec["channel"], res.spec["channel"]
    return f"{res.address} and {other.address} exchange channels", [res.key, other.key]


def change(rnd, m, maker, res):
    """Another spec for the same name."""
    if res.kind == "ParticipantReplication":
        res.spec.update(maker.some({}, 0.6, reconnectWindowSeconds=[0, 30, 300], attributes=[{"from": "y"}, {}]))
        return f"change {res.address}", [res.key]
    old_channels = None
    spec = maker.spec(res.kind, res.spec)
    if spec is None:
        return "nothing", []
    if res.kind == "IngestConfiguration" and any(r.spec["participant"] == res.name for r in m.of("ParticipantReplication")):
        if "stage" in res.spec:
            spec["stage"] = res.spec["stage"]
    res.spec = spec
    allow = [res.key] if res.kind in IMMUTABLE_KINDS or res.kind in ("IngestConfiguration", "StreamKey", "Composition") else []
    return f"change {res.address}", allow
