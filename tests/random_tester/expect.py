"""What a manifest means for the account: our own reading of the documents' defaults, and the comparison."""

import base64
import hashlib
import re
import struct

from .manifests import CHANNEL_REFS, NAMED

ABSENT = object()


def fingerprint(pem):
    """ivs-api.md 1.4: MD5 of the DER SubjectPublicKeyInfo, hex pairs joined by colons."""
    body = re.sub(r"-----[^-]+-----|\s", "", pem)
    digest = hashlib.md5(base64.b64decode(body)).hexdigest()
    return ":".join(digest[i:i + 2] for i in range(0, 32, 2))


def f32(number):
    return struct.unpack("f", struct.pack("f", float(number)))[0]


def wanted(res, resolve):
    """Fields by path as the API should answer them. `resolve(kind, reference)` gives an ARN."""
    s = res.spec
    out = {}
    if res.kind in NAMED:
        out["name"] = s.get("name", res.name)
    kind = res.kind
    if kind == "Channel":
        out["latencyMode"] = s.get("latencyMode", "LOW")
        out["type"] = s.get("type", "STANDARD")
        out["authorized"] = s.get("authorized", False)
        out["insecureIngest"] = s.get("insecureIngest", False)
        out["containerFormat"] = s.get("containerFormat", "TS")
        out["preset"] = s.get("preset", "HIGHER_BANDWIDTH_DELIVERY") if out["type"].startswith("ADVANCED") else ""
        multi = s.get("multitrackInputConfiguration") or {}
        out["multitrack"] = (multi.get("enabled", False), multi.get("policy", "ALLOW"), multi.get("maximumResolution", "FULL_HD"))
        for field, target in CHANNEL_REFS.items():
            out[field + "Arn"] = resolve(target, s[field]) if s.get(field) else ""
    elif kind == "StreamKey":
        out["channelArn"] = resolve("Channel", s["channel"])
    elif kind == "RecordingConfiguration":
        out["bucket"] = s["destinationConfiguration"]["s3"]["bucketName"]
        t = s.get("thumbnailConfiguration") or {}
        out["thumbs"] = t.get("recordingMode", "INTERVAL")
        if out["thumbs"] == "INTERVAL":
            out["interval"] = t.get("targetIntervalSeconds", 60)
            out["resolution"] = t.get("resolution", "")
            out["storage"] = sorted(t.get("storage", ["SEQUENTIAL"]))
        out["window"] = s.get("recordingReconnectWindowSeconds", 0)
        r = s.get("renditionConfiguration") or {}
        out["selection"] = r.get("renditionSelection", "ALL")
        if out["selection"] == "CUSTOM":
            out["renditions"] = sorted(r["renditions"])
    elif kind == "PlaybackKeyPair":
        out["fingerprint"] = fingerprint(s["publicKeyMaterial"])
    elif kind == "PublicKey":
        out["material"] = re.sub(r"\s", "", s["publicKeyMaterial"])
    elif kind == "PlaybackRestrictionPolicy":
        out["allowedCountries"] = sorted(s.get("allowedCountries", []))
        out["allowedOrigins"] = sorted(s.get("allowedOrigins", []))
        out["enableStrictOriginEnforcement"] = s.get("enableStrictOriginEnforcement", False)
    elif kind == "AdConfiguration":
        out["tailors"] = [x["playbackConfigurationArn"] for x in s["mediaTailorPlaybackConfigurations"]]
        post = s.get("postRollConfiguration") or {}
        out["postRoll"] = post.get("enabled", False) and post.get("durationSeconds", 15)  # has no effect while it is off
    elif kind == "FailoverSlateConfiguration":
        out["numbers"] = (s.get("activationThresholdSeconds", 3), s.get("minSlateDisplaySeconds", 3), s.get("maxSlateDisplaySeconds", 60))
    elif kind == "StorageConfiguration":
        out["bucket"] = s["s3"]["bucketName"]
    elif kind == "EncoderConfiguration":
        v = s.get("video") or {}
        out["video"] = (v.get("width", 1280), v.get("height", 720), f32(v.get("framerate", 30)), v.get("bitrate", 2500000))
    elif kind == "Stage":
        a = s.get("autoParticipantRecordingConfiguration") or {}
        out["storageArn"] = resolve("StorageConfiguration", a["storageConfiguration"]) if a.get("storageConfiguration") else ""
        t = a.get("thumbnailConfiguration") or {}
        out["mediaTypes"] = a.get("mediaTypes", ["AUDIO_VIDEO"])
        out["thumbs"] = t.get("recordingMode", "DISABLED")
        if out["thumbs"] == "INTERVAL":
            out["interval"] = t.get("targetIntervalSeconds", 60)
            out["storage"] = sorted(t.get("storage", ["SEQUENTIAL"]))
        out["window"] = a.get("recordingReconnectWindowSeconds", 0)
        out["hls"] = (a.get("hlsConfiguration") or {}).get("targetSegmentDurationSeconds", 6)
        out["replicas"] = a.get("recordParticipantReplicas", True)
    elif kind == "IngestConfiguration":
        out["ingestProtocol"] = s["ingestProtocol"]
        out["stageArn"] = resolve("Stage", s["stage"]) if s.get("stage") else ""
        out["redundantIngest"] = s.get("redundantIngest", False)
        out["userId"] = s.get("userId", "")
        out["attributes"] = s.get("attributes", {})
    elif kind == "Composition":
        out["stageArn"] = resolve("Stage", s["stage"])
        out["destinations"] = sorted((_destination(d, resolve) for d in s["destinations"]), key=repr)
        layout = s.get("layout") or {}
        out["layout"] = _layout(layout)
    return out


def _destination(d, resolve):
    out = {"name": d.get("name", "")}
    if "channel" in d:
        out["channel"] = resolve("Channel", d["channel"]["channel"])
        encoder = d["channel"].get("encoderConfiguration")
        out["encoder"] = resolve("EncoderConfiguration", encoder) if encoder else ""
    else:
        s3 = d["s3"]
        out["storage"] = resolve("StorageConfiguration", s3["storageConfiguration"])
        out["encoders"] = [resolve("EncoderConfiguration", e) for e in s3["encoderConfigurations"]]
        r = s3.get("recordingConfiguration") or {}
        out["hls"] = (r.get("hlsConfiguration") or {}).get("targetSegmentDurationSeconds", 2)
        out["thumbs"] = [(t.get("targetIntervalSeconds", 60), sorted(t.get("storage", ["SEQUENTIAL"])))
                         for t in s3.get("thumbnailConfigurations", [])]
    return out


GRID = {"featuredParticipantAttribute": "", "omitStoppedVideo": False, "videoAspectRatio": "VIDEO", "videoFillMode": "",
        "gridGap": 2, "participantOrderAttribute": ""}
PIP = {"featuredParticipantAttribute": "", "omitStoppedVideo": False, "videoFillMode": "COVER", "gridGap": 0,
       "pipParticipantAttribute": "", "pipBehavior": "STATIC", "pipOffset": 0, "pipPosition": "BOTTOM_RIGHT",
       "pipWidth": 0, "pipHeight": 0, "participantOrderAttribute": ""}


def _layout(layout):
    if layout and layout.get("pip") is not None:
        return ("pip", {k: layout["pip"].get(k) or d for k, d in PIP.items()} | {
            k: layout["pip"][k] for k in ("gridGap", "pipOffset") if k in layout["pip"]})
    grid = (layout or {}).get("grid") or {}
    return ("grid", {k: grid.get(k, d) if grid.get(k) is not None else d for k, d in GRID.items()})


def found(obj):
    """The same paths, read from what boto3 answered."""
    r, kind = obj.raw, obj.kind
    out = {}
    if kind in NAMED:
        out["name"] = r.get("name") or ""
    if kind == "Channel":
        for field in ("latencyMode", "type", "authorized", "insecureIngest", "containerFormat"):
            out[field] = r.get(field)
        out["preset"] = r.get("preset") or ""
        m = r.get("multitrackInputConfiguration") or {}
        out["multitrack"] = (m.get("enabled", False), m.get("policy", "ALLOW"), m.get("maximumResolution", "FULL_HD"))
        for field in CHANNEL_REFS:
            out[field + "Arn"] = r.get(field + "Arn") or ""
    elif kind == "StreamKey":
        out["channelArn"] = r["channelArn"]
    elif kind == "RecordingConfiguration":
        out["bucket"] = r["destinationConfiguration"]["s3"]["bucketName"]
        t = r.get("thumbnailConfiguration") or {}
        out["thumbs"] = t.get("recordingMode", "INTERVAL")
        if out["thumbs"] == "INTERVAL":
            out["interval"] = t.get("targetIntervalSeconds", 60)
            out["resolution"] = t.get("resolution") or ""
            out["storage"] = sorted(t.get("storage") or ["SEQUENTIAL"])
        out["window"] = r.get("recordingReconnectWindowSeconds", 0)
        n = r.get("renditionConfiguration") or {}
        out["selection"] = n.get("renditionSelection", "ALL")
        if out["selection"] == "CUSTOM":
            out["renditions"] = sorted(n["renditions"])
    elif kind == "PlaybackKeyPair":
        out["fingerprint"] = r["fingerprint"]
    elif kind == "PublicKey":
        out["material"] = re.sub(r"\s", "", r["publicKeyMaterial"])
    elif kind == "PlaybackRestrictionPolicy":
        out["allowedCountries"] = sorted(r["allowedCountries"])
        out["allowedOrigins"] = sorted(r["allowedOrigins"])
        out["enableStrictOriginEnforcement"] = r.get("enableStrictOriginEnforcement", False)
    elif kind == "AdConfiguration":
        out["tailors"] = [x["playbackConfigurationArn"] for x in r["mediaTailorPlaybackConfigurations"]]
        p = r.get("postRollConfiguration") or {}
        out["postRoll"] = p.get("enabled", False) and p.get("durationSeconds", 15)
    elif kind == "FailoverSlateConfiguration":
        out["numbers"] = (r["activationThresholdSeconds"], r["minSlateDisplaySeconds"], r["maxSlateDisplaySeconds"])
    elif kind == "StorageConfiguration":
        out["bucket"] = r["s3"]["bucketName"]
    elif kind == "EncoderConfiguration":
        v = r["video"]
        out["video"] = (v["width"], v["height"], f32(v["framerate"]), v["bitrate"])
    elif kind == "Stage":
        a = r["autoParticipantRecordingConfiguration"]
        t = a["thumbnailConfiguration"]
        out["storageArn"] = a["storageConfigurationArn"]
        out["mediaTypes"] = a["mediaTypes"]
        out["thumbs"] = t["recordingMode"]
        if out["thumbs"] == "INTERVAL":
            out["interval"] = t["targetIntervalSeconds"]
            out["storage"] = sorted(t["storage"])
        out["window"] = a["recordingReconnectWindowSeconds"]
        out["hls"] = a["hlsConfiguration"]["targetSegmentDurationSeconds"]
        out["replicas"] = a["recordParticipantReplicas"]
    elif kind == "IngestConfiguration":
        for field in ("ingestProtocol", "redundantIngest"):
            out[field] = r.get(field)
        out["redundantIngest"] = bool(out["redundantIngest"])
        out["stageArn"] = r.get("stageArn") or ""
        out["userId"] = r.get("userId") or ""
        out["attributes"] = r.get("attributes") or {}
    elif kind == "Composition":
        out["stageArn"] = r["stageArn"]
        out["destinations"] = sorted((_found_destination(d) for d in r["destinations"]), key=repr)
        out["layout"] = _layout(r.get("layout"))
    return out


def _found_destination(d):
    c = d["configuration"]
    out = {"name": c.get("name") or ""}
    if c.get("channel"):
        out["channel"] = c["channel"]["channelArn"]
        out["encoder"] = c["channel"].get("encoderConfigurationArn") or ""
    else:
        s3 = c["s3"]
        out["storage"] = s3["storageConfigurationArn"]
        out["encoders"] = s3["encoderConfigurationArns"]
        r = s3.get("recordingConfiguration") or {}
        out["hls"] = (r.get("hlsConfiguration") or {}).get("targetSegmentDurationSeconds", 2)
        out["thumbs"] = [(t.get("targetIntervalSeconds", 60), sorted(t.get("storage") or ["SEQUENTIAL"]))
                         for t in s3.get("thumbnailConfigurations") or []]
    return out


IGNORED_FIELD = {"spec.latencyMode": "latencyMode", "spec.name": "name"}
