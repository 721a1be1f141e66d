#!/usr/bin/env python3
"""Checks of the kit itself that need no account: what it refuses, what it takes out of a recording, and that a
comparison sees a change in any part of an answer.

    python selftest.py http://127.0.0.1:PORT PROGRAM

Prints `N passed, M failed`. The emulator at the address is emptied.
"""

import argparse
import copy
import json
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "conformance"))

import compare  # noqa: E402
import kit  # noqa: E402
import probes  # noqa: E402
import signals  # noqa: E402
from proxy import Recorder  # noqa: E402
from sweep import Sweep  # noqa: E402
from tally import check, endpoint, finish  # noqa: E402
from target import Emulator  # noqa: E402

ACCOUNT, REGION = "210987654321", "us-west-2"
CANARY = "Canary0Canary1"


class Fake:
    """A service that answers the same to everything, and counts."""

    is_emulator = False
    asked = []
    account = ACCOUNT
    answer = {}

    def __init__(self, *_):
        pass

    def now(self):
        """No time passes."""
        return 0.0

    def forward(self, service, method, target, headers, body):
        """STS names the account, everything else is as told."""
        Fake.asked.append((service, target))
        if service == "sts":
            return 200, {}, f'<A xmlns="https://x/"><Account>{Fake.account}</Account></A>'.encode()
        return 200, {"Content-Type": "application/json"}, json.dumps(Fake.answer).encode()


def refused(name, wanted, environment=None, **arguments):
    """A run must end before its first request to IVS, with a word about why."""
    given = {"account": ACCOUNT, "region": REGION, "profile": None, "emulator": None, "live": False, **arguments}
    Fake.asked.clear()
    kept = dict(os.environ)
    os.environ.pop("CI", None)
    os.environ.pop(kit.CONFIRM, None)
    os.environ.update(environment or {})
    try:
        kit.command_run(argparse.Namespace(**given))
        check(name, False, "it went on")
    except SystemExit as error:
        check(name, wanted in str(error), error)
    finally:
        os.environ.clear()
        os.environ.update(kept)
    check(f"{name}: nothing was asked of IVS", all(service == "sts" for service, _ in Fake.asked), Fake.asked)


def test_refusals():
    """Everything but the account and the region that were named twice."""
    kit.Aws = Fake
    right = {kit.CONFIRM: f"{ACCOUNT} {REGION}"}
    refused("in CI", "never used in CI", {**right, "CI": "true"})
    refused("without an account", "--account is needed", right, account=None)
    refused("an account of eleven digits", "--account is needed", right, account=ACCOUNT[1:])
    refused("without a region", "--region is needed", right, region=None)
    refused("a region without IVS", "not in region", right, region="sa-east-1")
    refused("not confirmed", "nothing was confirmed")
    for other in (f"{ACCOUNT} us-east-1", f"{ACCOUNT[::-1]} {REGION}", ACCOUNT, "yes", ""):
        refused(f"confirmed as `{other}`", "is not the account and the region", {kit.CONFIRM: other})
    Fake.account = "999999999999"
    refused("other credentials", "are of account 999999999999", right)
    Fake.account = ACCOUNT
    refused("an emulator elsewhere", "is on this machine", right, emulator="http://example.com:80")
    lines = "\n".join(kit.cost(True))
    check("the cost is told", "USD" in lines and f"{kit.STREAM_SECONDS} s" in lines, lines)


def test_redaction(folder):
    """No secret, account, bucket or object of others in a recording."""
    path = os.path.join(folder, "recording.jsonl")
    base = f"arn:aws:ivs:{REGION}:{ACCOUNT}"
    made = []
    recorder = Recorder(path, Fake(), ACCOUNT, "my-bucket", made.extend)

    def exchange(operation, answer, request=None):
        Fake.answer = answer
        recorder.exchange("ivs", "POST", f"/{operation}", {"authorization": CANARY, "x-amz-security-token": CANARY},
                          json.dumps(request or {}).encode())

    exchange("CreateChannel", {
        "channel": {"arn": f"{base}:channel/mine", "srt": {"endpoint": "a", "passphrase": CANARY},
                    "ingestEndpoint": "0a1b2c3d4e5f.global-contribute.live-video.net"},
        "streamKey": {"arn": f"{base}:stream-key/mine", "value": CANARY}})
    exchange("ListChannels", {"nextToken": CANARY, "channels": [
        {"arn": f"{base}:channel/mine", "name": "kept"}, {"arn": f"{base}:channel/other", "name": CANARY}]})
    exchange("ListChannels", {"channels": []}, {"nextToken": CANARY})
    exchange("ListStreamKeys", {"streamKeys": [{"arn": f"{base}:stream-key/other", "channelArn": CANARY}]})
    exchange("CreateIngestConfiguration", {"ingestConfiguration": {
        "arn": f"{base}:ingest-configuration/mine", "streamKey": CANARY,
        "redundantIngestCredentials": [{"participantId": "p", "streamKey": CANARY}]}})
    exchange("CreateParticipantToken", {"participantToken": {"token": CANARY, "participantId": "p"}})
    exchange("CreateRecordingConfiguration", {"message": f"sk_us-west-2_{CANARY}_x of {ACCOUNT}"},
             {"destinationConfiguration": {"s3": {"bucketName": "my-bucket"}}})
    Fake.answer = {}
    recorder.exchange("sts", "POST", "/", {}, b"")
    recorder.close()
    text = open(path).read()
    for what, word in (("secret", CANARY), ("account", ACCOUNT), ("bucket", "my-bucket"), ("host", "0a1b2c3d4e5f")):
        check(f"no {what} in the recording", word not in text, [line for line in text.splitlines() if word in line])
    check("what is one's own is kept", '"kept"' in text, text)
    check("what was made is written down", f"{base}:channel/mine" in made, made)
    check("others are counted", sum(one.get("others", 0) for one in compare.read(path)) == 2, text)
    check("a recording is private", os.stat(path).st_mode & 0o777 == 0o600)


def leaves(value, path=()):
    """Every place of a value that holds no others."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, (*path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, (*path, index))
    else:
        yield path


def new_run(url, program, folder):
    """A run on the emptied emulator that says nothing."""
    target = Emulator(url, REGION)
    target.control("POST", "reset")
    arguments = argparse.Namespace(region=REGION, media_tailor=None, program=program, out=folder, live=False)
    run = kit.Run(arguments, target, kit.caller(target))
    run.say = lambda _: None
    return run


def test_comparison(url, program, folder):
    """A change in any place of an answer is a difference there."""
    run = new_run(url, program, folder)
    probes.run_all(run, False, ["channel_updates", "stages", "errors"])
    run.proxy.close()
    run.recorder.close()
    entries = compare.read(os.path.join(run.results, "recording.jsonl"))
    compared = [index for index, entry in enumerate(entries) if isinstance(entry.get("answer"), dict)]
    changed = 0
    with kit.emulator(program, REGION) as fresh:
        unchanged = compare.Comparison(fresh).run(entries)
        check("nothing changed, nothing found", not unchanged.differences, compare.report(unchanged))
        for index in compared:
            for path in leaves(entries[index]["answer"]):
                # Texts of errors are told apart; names and times differ from account to account.
                named = str(next(name for name in reversed(path) if isinstance(name, str)))
                if named in ("message", "exceptionMessage") or compare.NAMING.search(named):
                    continue
                other = copy.deepcopy(entries[: index + 1])
                place = other[index]["answer"]
                for name in path[:-1]:
                    place = place[name]
                place[path[-1]] = "changed" if isinstance(place[path[-1]], str) else [place[path[-1]]]
                found = compare.Comparison(fresh).run(other).differences
                if not any(one.number == entries[index]["n"] for one in found):
                    check(f"#{entries[index]['n']} {path}", False, found)
                changed += 1
            if changed > 60:
                break
        for name, value in (("status", 418), ("headers", {}), ("named", False)):
            other = copy.deepcopy(entries)
            other[compared[0]][name] = value
            check(f"another {name}", compare.Comparison(fresh).run(other).differences)
    check("places were changed", changed > 60, changed)


def test_signals(url, program, folder):
    """A signal in the moment in which the program starts does not leave it running."""
    run = new_run(url, program, folder)
    popen, handlers = subprocess.Popen, {number: signal.getsignal(number) for number in
                                         (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def interrupted(*arguments, **members):
        child = popen(*arguments, **members)
        os.kill(os.getpid(), signal.SIGINT)
        return child

    signals.stop_on_signals()
    subprocess.Popen, stopped = interrupted, False
    try:
        run.keys = [(probes.new_key(), probes.new_key())]
        run.ivs_apply.write(1)
        run.ivs_apply("apply", "--yes")
    except signals.Stopped:
        stopped = True
    finally:
        subprocess.Popen = popen
        for number, handler in handlers.items():
            signal.signal(number, handler)
    child = run.ivs_apply.child
    check("the signal ends the run", stopped)
    check("the run knows the program that it has started", child is not None)
    check("the program has ended", child is not None and child.poll() is not None)
    run.proxy.close()
    run.recorder.close()


def test_sweep(url):
    """What lists do not show yet is deleted too."""
    target = Emulator(url, REGION)
    target.control("POST", "reset")
    target.control("POST", "faults", {"operation": "*", "kind": "listLag", "seconds": 12})
    body = json.dumps({"tags": {"ivs-acceptance": "lagging"}}).encode()
    status, *_ = target.forward("ivs-realtime", "POST", "/CreateStage", {"content-type": "application/json"}, body)
    check("a stage is made", status == 200, status)
    left = Sweep(target, "lagging", "acceptance-lagging", ()).run()
    objects = target.control("GET", "objects")
    check("nothing is left", left == ([], []) and not objects.get("objects", objects), (left, objects))
    target.control("POST", "reset")


def main():
    """Everything."""
    url, program = endpoint("selftest.py http://127.0.0.1:PORT PROGRAM"), os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        test_refusals()
        test_redaction(folder)
        test_comparison(url, program, folder)
        test_signals(url, program, folder)
        test_sweep(url)
    finish()


if __name__ == "__main__":
    main()
