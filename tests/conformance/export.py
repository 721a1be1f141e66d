#!/usr/bin/env python3
"""An account made by hand, with AWS's own client, is brought under manifests.

    python export.py http://127.0.0.1:PORT PROGRAM

Makes objects as users do in a console: unnamed, of one name, with odd values. Then exports, plans (nothing
but taking over), applies, plans again (nothing at all), and looks with the client whether anything but our own
tags was touched. Prints `N passed, 0 failed`, or names each failed check and exits with 1. Talks to loopback
only.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

import boto3
from botocore.config import Config
from tally import check, endpoint, equal, finish

EMULATOR = endpoint("export.py http://127.0.0.1:PORT PROGRAM")
PROGRAM = sys.argv[2]
REGION = "us-west-2"
P384 = """-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqofKIr6LBTeOscce8yCtdG4dO2KLp5uY
WfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR8
6doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f
-----END PUBLIC KEY-----
"""
TAGS = {"cost:centre": "a:b", "a.b/c": "x=y", "empty": ""}


def client(service):
    """A client whose calls can only reach the emulator."""
    return boto3.client(service, region_name=REGION, endpoint_url=EMULATOR, aws_access_key_id="AKIDEMULATOR",
                        aws_secret_access_key="secret", config=Config(retries={"total_max_attempts": 1}))


def control(path, body):
    """A control request."""
    request = urllib.request.Request(f"{EMULATOR}/_emulator/{path}", method="POST", data=json.dumps(body).encode(),
                                     headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def program(folder, *words):
    """Exit code and both streams."""
    ran = subprocess.run(
        [PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        # Variables, since not every command has their flags.
        env={"HOME": str(folder), "AWS_ACCESS_KEY_ID": "AKIDEMULATOR", "AWS_SECRET_ACCESS_KEY": "secret",
             "AWS_EC2_METADATA_DISABLED": "true", "IVS_APPLY_ENDPOINT_URL": EMULATOR, "IVS_APPLY_REGION": REGION})
    return ran.returncode, ran.stdout, ran.stderr


def by_hand(ivs, realtime):
    """Objects that were made by hand."""
    recording = ivs.create_recording_configuration(
        name="archive", recordingReconnectWindowSeconds=0, thumbnailConfiguration={"recordingMode": "DISABLED"},
        renditionConfiguration={"renditionSelection": "CUSTOM", "renditions": ["HD", "SD"]},
        destinationConfiguration={"s3": {"bucketName": "an-archive"}})["recordingConfiguration"]
    norway = ivs.create_playback_restriction_policy(
        name="NO", allowedCountries=["NO", "SE"], allowedOrigins=["https://example.com"],
        enableStrictOriginEnforcement=False)["playbackRestrictionPolicy"]
    ivs.import_playback_key_pair(publicKeyMaterial=P384, name="tokens")
    control("clock", {"advanceSeconds": 60})
    ivs.create_channel()
    ivs.create_channel(authorized=True)
    ivs.create_channel(name="main", recordingConfigurationArn=recording["arn"], tags=TAGS)
    ivs.create_channel(name="main", playbackRestrictionPolicyArn=norway["arn"], latencyMode="NORMAL")
    ivs.create_channel(name="yes", type="ADVANCED_HD", preset="CONSTRAINED_BANDWIDTH_DELIVERY", insecureIngest=True)
    encoder = realtime.create_encoder_configuration(
        name="broadcast", video={"width": 1080, "height": 1920, "framerate": 29.97, "bitrate": 2500000},
        tags=TAGS)["encoderConfiguration"]
    storage = realtime.create_storage_configuration(name="1e3", s3={"bucketName": "some-shows"})["storageConfiguration"]
    stage = realtime.create_stage(
        name="studio", tags=TAGS,
        autoParticipantRecordingConfiguration={
            "storageConfigurationArn": storage["arn"], "recordingReconnectWindowSeconds": 0,
            "recordParticipantReplicas": False, "mediaTypes": ["AUDIO_ONLY"],
            "thumbnailConfiguration": {"recordingMode": "DISABLED"}})["stage"]
    realtime.create_stage()
    realtime.create_ingest_configuration(name="camera", ingestProtocol="RTMPS", stageArn=stage["arn"], userId="0",
                                         attributes={"role": "host"})
    control("participants", {"stageArn": stage["arn"], "userId": "somebody"})
    realtime.start_composition(
        stageArn=stage["arn"], tags=TAGS, layout={"grid": {"gridGap": 0, "omitStoppedVideo": False}},
        destinations=[{"name": "out", "s3": {"storageConfigurationArn": storage["arn"],
                                              "encoderConfigurationArns": [encoder["arn"]]}}])
    # An object in a failed state.
    control("faults", {"kind": "createFailed", "operation": "CreateRecordingConfiguration", "nth": 1})
    ivs.create_recording_configuration(name="broken", destinationConfiguration={"s3": {"bucketName": "nowhere"}})
    control("clock", {"advanceSeconds": 60})
    # An object of another stack.
    ivs.create_channel(name="theirs", tags={"ivs-apply:stack": "other", "ivs-apply:name": "theirs",
                                            "ivs-apply:record": "0"})


def everything(ivs, realtime):
    """Every object by ARN, without our own tags and without what time changes."""
    found = {}

    def lasting(value):
        if isinstance(value, dict):
            return {key: lasting(it) for key, it in value.items() if key not in ("state", "startTime", "endTime")}
        return [lasting(it) for it in value] if isinstance(value, list) else value

    def add(items):
        for item in items:
            item = lasting(json.loads(json.dumps(item, default=str)))
            item["tags"] = {key: value for key, value in item.get("tags", {}).items()
                            if not key.startswith("ivs-apply:")}
            found[item["arn"]] = item

    channels = [it["arn"] for it in ivs.list_channels()["channels"]]
    add(ivs.batch_get_channel(arns=channels)["channels"])
    add(ivs.list_recording_configurations()["recordingConfigurations"])
    policies = ivs.list_playback_restriction_policies(maxResults=50)["playbackRestrictionPolicies"]
    add(policies)
    add(realtime.get_stage(arn=it["arn"])["stage"] for it in realtime.list_stages()["stages"])
    add(realtime.list_encoder_configurations()["encoderConfigurations"])
    add(realtime.list_storage_configurations()["storageConfigurations"])
    add(realtime.get_composition(arn=it["arn"])["composition"] for it in realtime.list_compositions()["compositions"])
    return found


def main():
    ivs, realtime = client("ivs"), client("ivs-realtime")
    by_hand(ivs, realtime)
    before = everything(ivs, realtime)
    check("there is something", len(before) >= 12, sorted(before))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        code, stream, talk = program(folder, "export", "--stack", "hands")
        equal("export", (code, "left out" in talk), (0, True))
        check("no objects of another stack", "theirs" not in stream, stream)
        check("no object with a failed creation", "broken" not in stream and "CREATE_FAILED" in talk, talk)
        check("what a manifest of a composition means", "note: Composition/" in talk, talk)
        code, out, talk = program(folder, "export", "--stack", "hands", "--out", "manifests")
        equal("export into a folder", (code, out), (0, ""))
        texts = {it.name: it.read_text() for it in (folder / "manifests").glob("*.yaml")}
        line = "# yaml-language-server: $schema=.schemas/ivs-apply.json\n"
        check("the schema line comes first", all(it.startswith(line) for it in [stream, *texts.values()]), texts)
        schema = json.loads((folder / "manifests/.schemas/ivs-apply.json").read_text())
        equal("the schema", schema["title"], "ivs-apply manifest")
        files = {name: text.removeprefix(line) for name, text in texts.items()}
        stream = stream.removeprefix(line)
        equal("one file a kind", sorted(files), [
            "Channel.yaml", "Composition.yaml", "EncoderConfiguration.yaml", "IngestConfiguration.yaml",
            "PlaybackKeyPair.yaml", "PlaybackRestrictionPolicy.yaml", "RecordingConfiguration.yaml", "Stack.yaml", "Stage.yaml",
            "StorageConfiguration.yaml"])
        documents = "".join(text for name, text in sorted(files.items()) if name != "Stack.yaml")
        equal("the same manifests", sorted(documents.split("---\n")), sorted(stream.split("---\n")))
        channels = files["Channel.yaml"]
        check("references by name", "recordingConfiguration: archive" in channels, channels)
        check("a country is text", '- "NO"' in files["PlaybackRestrictionPolicy.yaml"], files)
        check("a name like a number", 'name: "1e3"' in files["StorageConfiguration.yaml"], files)
        check("29.97", "framerate: 29.97" in files["EncoderConfiguration.yaml"], files)
        check("no defaults", "latencyMode: LOW" not in channels and "authorized: false" not in channels, channels)
        check("zeros that are no defaults", "recordParticipantReplicas: false" in files["Stage.yaml"], files)
        check("no secrets", "sk_" not in stream and "rt_" not in stream, stream)
        names = re.findall(r"^metadata:\n  name: (.*)$", channels, re.M)
        equal("names are unique", (len(names), len(set(names))), (5, 5))
        equal("an earlier export is not written over",
              (program(folder, "export", "--out", "manifests")[0], (folder / "manifests/Channel.yaml").read_text()),
              (1, line + channels))

        equal("validate", program(folder, "validate", "-f", "manifests")[0], 0)
        code, out, talk = program(folder, "plan", "-f", "manifests", "--format", "json")
        plan = json.loads(out)
        equal("plan", (code, plan["status"]), (0, "changes"))
        equal("one step an object", len(plan["steps"]), stream.count("apiVersion"))
        for step in plan["steps"]:
            equal(f"{step['address']} is taken over as it is", (step["action"], step["fields"], step["decision"]),
                  ("adopt", [], "do"))
        code, out, talk = program(folder, "apply", "-f", "manifests", "--yes")
        equal("apply", code, 0)
        check("all of it", f"{len(plan['steps'])} done" in out, out)
        code, out, talk = program(folder, "plan", "-f", "manifests", "--detailed-exitcode", "--refresh", "full")
        equal("nothing to do any more", (code, "No changes" in out), (0, True))
        after = everything(ivs, realtime)
        equal("nothing was made or deleted", sorted(after), sorted(before))
        for arn, was in before.items():
            equal(f"nothing but our tags was written to {arn}", after.get(arn), was)

        code, again, talk = program(folder, "export", "--stack", "hands")
        names = r"^kind: .*\nmetadata:\n  name: .*$"
        equal("names stay", re.findall(names, again, re.M), re.findall(names, stream, re.M))
        check("what is ours is not to be adopted again", "adopt:" not in again, again)
        code, part, talk = program(folder, "export", "--stack", "hands", "--only", "Composition/*")
        equal("a part", code, 0)
        kinds = sorted(line.split()[1] for line in part.splitlines() if line.startswith("kind:"))
        equal("with what it needs", kinds, ["Composition", "EncoderConfiguration", "Stage", "StorageConfiguration"])
        (folder / "part.yaml").write_text(part)
        equal("which stands by itself", program(folder, "validate", "-f", "part.yaml", "--stack", "hands")[0], 0)
        code, part, talk = program(folder, "export", "--stack", "hands", "--only", "Chanel/*")
        equal("a part of nothing", (code, "matches nothing" in talk), (1, True))
    finish()


main()
