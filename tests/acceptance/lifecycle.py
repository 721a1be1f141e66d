"""The lifecycle of every kind through ivs-apply: created, read, updated, replaced, changed by hand, deleted.

Each step writes manifests, applies them, and wants the next plan to be empty.
"""

import json
import os
import re
import signal
import subprocess

from probes import Asker, new_key
from signals import deferred
from target import Unavailable, dead_end

# A run of the program that takes longer than this is ended with SIGTERM, and then counts as failed.
LONGEST = 600
# The media of a MediaTailor configuration that only an emulator takes for one.
MEDIA_TAILOR = "arn:aws:mediatailor:{region}:{account}:playbackConfiguration/acceptance"


def manifests(run, revision):
    """All kinds, as small as they go. The second set changes what can be changed, the third what cannot."""
    second, third = revision >= 2, revision >= 3
    keys = run.keys[1 if third else 0]
    documents = [
        ("Stack", run.stack, {"region": run.region, "account": run.account,
                              "tags": {"ivs-acceptance": run.identity}, "prune": True}),
        ("RecordingConfiguration", "archive", {
            "destinationConfiguration": {"s3": {"bucketName": run.bucket}},
            "recordingReconnectWindowSeconds": 30 if third else 60}),
        ("PlaybackRestrictionPolicy", "home", {"allowedCountries": ["CH", "DE"] if second else ["CH"]}),
        ("FailoverSlateConfiguration", "slate", {"maxSlateDisplaySeconds": 120 if second else 60}),
        ("Channel", "main", {
            "latencyMode": "NORMAL" if second else "LOW", "recordingConfiguration": "archive",
            "playbackRestrictionPolicy": "home", "failoverSlateConfiguration": "slate",
            "tags": {"tier": "gold" if second else "silver"}}),
        ("StreamKey", "main", {"channel": "main", "rotation": "second" if second else "first"}),
        ("PlaybackKeyPair", "viewers", {"publicKeyMaterial": keys[0]}),
        ("StorageConfiguration", "tape", {"s3": {"bucketName": run.bucket}, "name": "tape-2" if third else "tape"}),
        ("EncoderConfiguration", "small", {
            "video": {"width": 640, "height": 360, "bitrate": 600000 if third else 500000}}),
        ("Stage", "studio", {"autoParticipantRecordingConfiguration": {
            "storageConfiguration": "tape", "recordingReconnectWindowSeconds": 20 if second else 10}}),
        ("Stage", "guests", {"name": "guests-2" if second else "guests"}),
        ("IngestConfiguration", "camera", {
            "ingestProtocol": "RTMPS", "stage": "guests" if second else "studio",
            "userId": "camera-2" if third else "camera"}),
        ("PublicKey", "participants", {"publicKeyMaterial": keys[1]}),
        ("ParticipantReplication", "camera-to-guests", {
            "sourceStage": "studio", "destinationStage": "guests", "participant": "camera"}),
        ("Composition", "show", {
            "stage": "studio", "run": "STOPPED" if second and not third else "ALWAYS",
            "destinations": [{"s3": {"storageConfiguration": "tape", "encoderConfigurations": ["small"]}}]}),
    ]
    if second:
        # A replication belongs to where its camera is; after the camera has moved there is nothing to replicate.
        documents = [one for one in documents if one[0] != "ParticipantReplication"]
    if run.media_tailor:
        documents.append(("AdConfiguration", "breaks", {
            "mediaTailorPlaybackConfigurations": [{"playbackConfigurationArn": run.media_tailor}],
            "postRollConfiguration": {"enabled": second, "durationSeconds": 20 if second else 15}}))
    text = []
    for kind, name, spec in documents:
        document = {"apiVersion": "ivs-apply.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        if kind == "Composition":
            document["lifecycle"] = {"onLive": "interrupt"}
        text.append(json.dumps(document, indent=2))
    return "\n---\n".join(text) + "\n"


class Program:
    """The program, as a user runs it."""

    def __init__(self, run):
        self.run = run
        self.folder = os.path.join(run.folder, "manifests")
        os.makedirs(self.folder, exist_ok=True)
        self.child = None

    def write(self, revision):
        """Writes the manifests of a revision."""
        with open(os.path.join(self.folder, "all.yaml"), "w") as file:
            file.write(manifests(self.run, revision))

    def __call__(self, *words):
        """Runs the program: exit code, both streams. Everything it says is kept, redacted."""
        run = self.run
        environment = {
            **dead_end(), "AWS_ACCESS_KEY_ID": "AKIDACCEPTANCE", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": run.region, "AWS_EC2_METADATA_DISABLED": "true", "HOME": run.folder,
            "AWS_ENDPOINT_URL_IVS": run.proxy.url("ivs"),
            "AWS_ENDPOINT_URL_IVS_REALTIME": run.proxy.url("ivs-realtime"),
            "AWS_ENDPOINT_URL_STS": run.proxy.url("sts"),
            "NO_PROXY": "127.0.0.1,localhost",
        }
        rates = "off" if run.target.is_emulator else "aws"
        command = [run.program, *words, "-f", self.folder, "--rates", rates]
        # A session of its own: Ctrl-C is for the kit, which then ends the program politely.
        try:
            with deferred():
                self.child = subprocess.Popen(command, env=environment, cwd=run.folder, stdin=subprocess.DEVNULL,
                                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                              start_new_session=True)
            stdout, stderr = self.child.communicate(timeout=LONGEST)
        finally:
            self.stop()
        run.log(f"$ ivs-apply {' '.join(words)}\n{stdout}{stderr}exit: {self.child.returncode}\n")
        return self.child.returncode, stdout, stderr

    def stop(self):
        """Ends the program, first politely: it lets calls in flight finish."""
        if self.child is None or self.child.poll() is not None:
            return
        for number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
            self.child.send_signal(number)
            try:
                self.child.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                continue


def run_all(run, live):
    """Every step of the lifecycle."""
    program, ask = run.ivs_apply, Asker(run)
    run.keys = [(new_key(), new_key()), (new_key(), new_key())]
    consent = ["--allow-live", "Composition/show", "--confirm-deletes"]

    def step(name, revision, *words):
        run.step(f"lifecycle: {name}")
        run.say(f"lifecycle: {name}")
        program.write(revision)
        code, stdout, stderr = program("apply", "--yes", *words)
        asked = re.search(r"--confirm-deletes (\d+)", stdout + stderr)
        if code == 4 and asked:
            code, stdout, stderr = program("apply", "--yes", *words, consent[2], asked.group(1))
        run.check(f"{name}: apply succeeds", code == 0, stdout + stderr)
        run.step(f"lifecycle: {name}, read again")
        code, stdout, stderr = program("plan", "--detailed-exitcode", "--refresh", "full")
        run.check(f"{name}: the next plan is empty", code == 0, stdout + stderr)

    step("create", 1)
    if live:
        on_air(run, ask, program)
    step("update", 2, *consent[:2])
    step("replace", 3, *consent[:2])
    run.step("lifecycle: changed by hand")
    run.say("lifecycle: changed by hand")
    code, stdout, stderr = program("output", "--format", "json")
    run.check("output succeeds", code == 0, stdout + stderr)
    code, stdout, _ = program("plan", "--format", "json")
    arns = {one["address"]: one.get("arn") for one in json.loads(stdout)["steps"]} if code == 0 else {}
    channel = arns.get("Channel/main") or channel_of(ask, run)
    if channel:
        ask.ivs("update_channel", arn=channel, authorized=True)
        code, stdout, stderr = program("drift")
        run.check("a change by hand is drift", code == 2, stdout + stderr)
        step("repair", 3, *consent[:2])
    destroy(run, program)


def channel_of(ask, run):
    """The channel of this stack."""
    for arn in sorted(run.recorder.ours):
        if ":channel/" in arn:
            answer = ask.ivs("get_channel", arn=arn)
            if answer and answer["channel"]["tags"].get("ivs-apply:name") == "main":
                return arn
    return None


def on_air(run, ask, program):
    """A camera publishes for seconds: its replication begins, and a running composition has a picture."""
    run.step("lifecycle: on air")
    run.say("lifecycle: on air")
    camera = next((arn for arn in sorted(run.recorder.ours) if ":ingest-configuration/" in arn), None)
    answer = ask.realtime("get_ingest_configuration", arn=camera) if camera else None
    if answer is None:
        return
    camera = answer["ingestConfiguration"]
    stage = ask.realtime("get_stage", arn=camera["stageArn"]) if camera["stageArn"] else None
    endpoint = stage["stage"]["endpoints"].get("rtmps", "") if stage else ""
    ingest = f"{endpoint.rstrip('/')}/{camera['streamKey']}" if endpoint.startswith("rtmps://") else None
    try:
        with run.stream("ingests", camera["arn"], ingest):
            code, stdout, stderr = program("apply", "--yes")
            run.check("on air: apply succeeds", code == 0, stdout + stderr)
            code, stdout, stderr = program("plan", "--detailed-exitcode")
            run.check("on air: the next plan is empty", code == 0, stdout + stderr)
    except Unavailable as error:
        run.left_out("on air", error)


def destroy(run, program):
    """Everything goes."""
    run.step("lifecycle: destroy")
    run.say("lifecycle: destroy")
    words = ["destroy", "--yes", "--allow-live", "Composition/show"]
    code, stdout, stderr = program(*words)
    asked = re.search(r"--confirm-deletes (\d+)", stdout + stderr)
    if code == 4 and asked:
        code, stdout, stderr = program(*words, "--confirm-deletes", asked.group(1))
    run.check("destroy succeeds", code == 0, stdout + stderr)
    code, stdout, stderr = program("destroy", "--yes")
    run.check("nothing is left to destroy", code == 0, stdout + stderr)
