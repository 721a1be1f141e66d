#!/usr/bin/env python3
"""Acceptance tests on a real AWS account, and their comparison with the emulator. `docs/real-account.md` tells how.

    python kit.py run --account A --region R [--live] [--media-tailor ARN]    on AWS
    python kit.py run --emulator URL                                          on an emulator
    python kit.py compare FOLDER/results                                      compares a recording again
    python kit.py clean --account A --region R --run ID                       after a crash

Exit codes: 0 all as expected, 1 an error, 2 differences or failed checks, 3 objects are left behind, 130 interrupted.
"""

import argparse
import contextlib
import os
import random
import re
import string
import subprocess
import sys
import threading
import xml.etree.ElementTree

import compare
import lifecycle
import probes
from proxy import Proxy, Recorder, wait_for
from redact import BUCKET, Redactor
from signals import Stopped, deleting, stop_on_signals
from sweep import Sweep
from target import Aws, Emulator, STREAM_SECONDS, dead_end

CONFIRM = "IVS_ACCEPTANCE_CONFIRM"
REGIONS = ("us-east-1", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "eu-central-1", "eu-west-1")
# What is billed by the hour, with the longest that a run can keep it: things, seconds each.
BILLED_ALWAYS = [("compositions on an empty stage (server-side composition)", 10, 120)]
BILLED_LIVE = [
    ("streams to a BASIC channel (video input)", 1, STREAM_SECONDS),
    ("streams to a stage (participant hours)", 5, STREAM_SECONDS),
]
# Well above every published hourly price of these, so that the sum is too high and not too low.
DOLLARS_AN_HOUR = 5.0


def caller(target):
    """The account whose credentials are in force, by `sts:GetCallerIdentity`."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    status, _, content = target.forward("sts", "POST", "/", headers, body)
    if status != 200:
        raise SystemExit(f"error: sts:GetCallerIdentity was refused with status {status}")
    for element in xml.etree.ElementTree.fromstring(content).iter():
        if element.tag.endswith("}Account"):
            return element.text
    raise SystemExit("error: sts:GetCallerIdentity names no account")


def cost(live):
    """What the run costs at most, in lines."""
    billed = BILLED_ALWAYS + (BILLED_LIVE if live else [])
    lines = [f"  {count} x {what}, each at most {seconds} s" for what, count, seconds in billed]
    dollars = sum(count * seconds for _, count, seconds in billed) / 3600 * DOLLARS_AN_HOUR
    return [
        "The run makes and deletes about 60 objects of Amazon IVS, which cost nothing while nothing runs, and",
        "one S3 bucket, which is emptied and deleted. Billed by time:", *lines,
        f"At {DOLLARS_AN_HOUR:.0f} USD an hour for each, which is more than the price list asks: {dollars:.2f} USD.",
        "About 800 requests in some 20 minutes; one burst of 60 reads meets the rate limits of GetChannel and",
        "ListCompositions for some seconds, for the whole account and region.",
    ]


def confirmed(account, region):
    """The account and the region, named a second time."""
    wanted = f"{account} {region}"
    given = os.environ.get(CONFIRM)
    if given is None and sys.stdin.isatty():
        given = input(f"Type the account and the region again (`{wanted}`): ")
    if given is None:
        raise SystemExit(f"error: nothing was confirmed; set {CONFIRM} to the account and the region, with a "
                         "space between them, or run this on a terminal")
    if given.strip() != wanted:
        raise SystemExit(f"error: `{given.strip()}` is not the account and the region of the flags; nothing was done")


class Run:
    """One run: its target, its recording, and what it has to say."""

    def __init__(self, arguments, target, account):
        self.target, self.account, self.region = target, account, arguments.region
        self.identity = "".join(random.SystemRandom().choices(string.ascii_lowercase + string.digits, k=10))
        self.stack = f"acceptance-{self.identity}"
        self.bucket = BUCKET if target.is_emulator else f"ivs-acceptance-{self.identity}"
        self.media_tailor = arguments.media_tailor
        if target.is_emulator and not self.media_tailor:
            self.media_tailor = lifecycle.MEDIA_TAILOR.format(region=self.region, account=account)
        self.program = os.path.abspath(arguments.program)
        self.folder = os.path.abspath(os.path.join(arguments.out, f"ivs-acceptance-{self.identity}"))
        # What may be sent to others is in a folder of its own.
        self.results = os.path.join(self.folder, "results")
        os.makedirs(self.folder, mode=0o700)
        os.makedirs(self.results, mode=0o700)
        self.redactor = Redactor(account, self.bucket)
        self.recorder = Recorder(os.path.join(self.results, "recording.jsonl"), target, account, self.bucket,
                                 self.journal)
        self.recorder.event("run", region=self.region, live=arguments.live, target=type(target).__name__)
        self.proxy = Proxy(self.recorder)
        self.ivs_apply = lifecycle.Program(self)
        self.failures, self.checks, self.keys = [], 0, []

    def journal(self, arns):
        """Writes down what was made, for `clean`. This file stays with the user."""
        if arns:
            with open(os.path.join(self.folder, "made.txt"), "a") as file:
                file.writelines(f"{arn}\n" for arn in sorted(arns))
                file.flush()
                os.fsync(file.fileno())

    def log(self, text):
        """What the program said."""
        with open(os.path.join(self.results, "log.txt"), "a") as file:
            file.write(self.redactor.text(text))

    def say(self, text):
        """Progress."""
        print(text, file=sys.stderr, flush=True)

    def step(self, name):
        """What follows belongs to this step."""
        self.recorder.step = name

    def check(self, name, good, detail=""):
        """Counts a check."""
        self.checks += 1
        if not good:
            self.failed(name, detail)

    def failed(self, name, why):
        """A check that does not hold, or a probe that could not go on."""
        self.failures.append((name, self.redactor.text(str(why))))
        self.say(f"FAILED {name}")

    def left_out(self, name, why):
        """A step that this target cannot do."""
        self.say(f"left out: {name}: {why}")

    def pause(self, seconds):
        """Lets time pass."""
        self.target.pause(seconds)

    def wait_for(self, condition, seconds=120):
        """Waits until a condition holds."""
        return wait_for(condition, self.target.pause, seconds)

    def rates(self, enforced):
        """Whether an emulator enforces the rates."""
        self.recorder.event("rates", enforced=enforced)
        self.target.rates(enforced)

    @contextlib.contextmanager
    def stream(self, what, arn, ingest):
        """A stream of seconds."""
        self.target.begin(what, arn, ingest)
        self.recorder.event("begin", what=what, arn=arn, done=True)
        try:
            yield
        finally:
            done = True
            try:
                self.target.end(what, arn)
            except OSError:
                # The service has ended it already.
                done = False
            self.recorder.event("end", what=what, arn=arn, done=done)


def make_bucket(run):
    """The bucket of the run; none is needed on an emulator."""
    if run.target.is_emulator:
        return
    import botocore.session
    session = botocore.session.get_session()
    credentials = run.target.credentials.get_frozen_credentials()
    run.s3 = session.create_client("s3", region_name=run.region, aws_access_key_id=credentials.access_key,
                                   aws_secret_access_key=credentials.secret_key, aws_session_token=credentials.token)
    where = {} if run.region == "us-east-1" else {
        "CreateBucketConfiguration": {"LocationConstraint": run.region}}
    run.s3.create_bucket(Bucket=run.bucket, ObjectOwnership="BucketOwnerEnforced", **where)


def delete_bucket(run):
    """Empties and deletes the bucket of the run. What could not be deleted."""
    s3 = getattr(run, "s3", None)
    if s3 is None:
        return []
    from botocore.exceptions import ClientError
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=run.bucket):
            for one in page.get("Contents", []):
                s3.delete_object(Bucket=run.bucket, Key=one["Key"])
        s3.delete_bucket(Bucket=run.bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            return [f"bucket {run.bucket} ({error.response['Error']['Code']})"]
    return []


def clean_up(run):
    """Deletes everything that the run has made. What is left."""
    deleting()
    run.say("deleting what the run has made")
    run.ivs_apply.stop()
    run.recorder.recording = False
    run.target.close()
    left, unread = Sweep(run.target, run.identity, run.stack, run.recorder.ours).run()
    return left + [f"unknown: {one}" for one in unread] + delete_bucket(run)


def perform(run, arguments):
    """Lifecycle and probes, then the deletion of everything. Returns what is left, and the signal that ended it early."""
    stopped, left = None, [f"everything of the run {run.identity}"]
    try:
        make_bucket(run)
        if "lifecycle" not in arguments.skip:
            lifecycle.run_all(run, arguments.live)
        if "probes" not in arguments.skip:
            probes.run_all(run, arguments.live, arguments.only)
    except Stopped as signal_:
        stopped = signal_
        run.say(f"stopped by {signal_}")
    except Exception as error:  # noqa: BLE001 - everything is deleted after any failure
        run.failed("the run", f"{type(error).__name__}: {error}")
    finally:
        try:
            left = clean_up(run)
        except Stopped as signal_:
            stopped = signal_
        finally:
            run.proxy.close()
            run.recorder.close()
    return left, stopped


@contextlib.contextmanager
def emulator(program, region):
    """An emulator of one's own, with an account like that of a recording."""
    child = subprocess.Popen([program, "emulator", "--listen", "127.0.0.1:0"], env=dead_end(),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    # An emulator does not outlive a comparison that hangs.
    guard = threading.Timer(1800, child.kill)
    guard.daemon = True
    guard.start()
    try:
        found = re.search(r"http://\S+", child.stdout.readline())
        if not found:
            raise SystemExit("error: the emulator did not start")
        yield Emulator(found.group(0), region)
    finally:
        guard.cancel()
        child.kill()
        child.wait()


def compare_folder(folder, program, verbose):
    """Compares a recording with an emulator, and writes `report.txt` beside it. How many differences."""
    entries = compare.read(os.path.join(folder, "recording.jsonl"))
    if not entries or entries[0].get("event") != "run":
        raise SystemExit(f"error: {folder} holds no recording")
    with emulator(program, entries[0]["members"]["region"]) as target:
        result = compare.Comparison(target).run(entries)
    with open(os.path.join(folder, "report.txt"), "w") as file:
        file.write("\n".join(compare.report(result, verbose=True)) + "\n")
    print("\n".join(compare.report(result, verbose)))
    return len(result.differences)


def command_run(arguments):
    """A whole run."""
    if arguments.emulator:
        target = Emulator(arguments.emulator, arguments.region)
        account = caller(target)
    else:
        if os.environ.get("CI"):
            raise SystemExit("error: a real account is never used in CI")
        for name, given, form in (("--account", arguments.account, r"\d{12}"), ("--region", arguments.region, r".+")):
            if not given or not re.fullmatch(form, given):
                raise SystemExit(f"error: {name} is needed; it names where objects will be made")
        if arguments.region not in REGIONS:
            raise SystemExit(f"error: Amazon IVS is not in region {arguments.region}")
        target = Aws(arguments.region, arguments.profile)
        account = arguments.account
        found = caller(target)
        if found != account:
            raise SystemExit(f"error: the credentials in force are of account {found}, not of {account}; "
                             "nothing was done")
        print("\n".join(cost(arguments.live)))
        confirmed(account, arguments.region)
    stop_on_signals()
    run = Run(arguments, target, account)
    run.say(f"run {run.identity}, in {run.folder}")
    left, stopped = perform(run, arguments)
    for name, why in run.failures:
        print(f"FAILED {name}: {why}")
    print(f"{run.checks} checks, {len(run.failures)} failed")
    if left:
        print("LEFT BEHIND, delete these by hand or with `clean`:\n  " + "\n  ".join(left))
        return 3
    if stopped is not None:
        print("stopped; everything that the run had made is deleted")
        return 130
    differences = compare_folder(run.results, run.program, arguments.verbose)
    print(f"The recording and the report are in {run.results}")
    return 2 if differences or run.failures else 0


def command_compare(arguments):
    """A recording, again."""
    return 2 if compare_folder(arguments.folder, os.path.abspath(arguments.program), arguments.verbose) else 0


def command_clean(arguments):
    """What a run that was killed has left."""
    if arguments.emulator:
        target = Emulator(arguments.emulator, arguments.region)
    else:
        target = Aws(arguments.region, arguments.profile)
        found = caller(target)
        if found != arguments.account:
            raise SystemExit(f"error: the credentials in force are of account {found}, not of {arguments.account}")
        confirmed(arguments.account, arguments.region)
    left, unread = Sweep(target, arguments.run, f"acceptance-{arguments.run}", ()).run()
    for one in left + unread:
        print(f"left: {one}")
    if not arguments.emulator:
        print(f"A bucket ivs-acceptance-{arguments.run} may be left; delete it by hand.")
    return 3 if left or unread else 0


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "clean"):
        command = commands.add_parser(name)
        command.add_argument("--account", help="the AWS account, twelve digits")
        command.add_argument("--region", default=None, help="the region")
        command.add_argument("--profile", help="profile of the AWS configuration")
        command.add_argument("--emulator", metavar="URL", help="an emulator on this machine instead of AWS")
    run = commands.choices["run"]
    run.add_argument("--live", action="store_true", help=f"publish streams of {STREAM_SECONDS} s, with ffmpeg")
    run.add_argument("--media-tailor", metavar="ARN", help="a MediaTailor playback configuration; without it the "
                     "kind AdConfiguration is left out")
    run.add_argument("--out", default=".", help="folder to put the folder of the run into")
    run.add_argument("--skip", action="append", default=[], choices=["lifecycle", "probes"], help="leave a part out")
    run.add_argument("--only", action="append", default=[], metavar="PROBE", help="only this probe")
    commands.choices["clean"].add_argument("--run", required=True, help="the id of the run")
    again = commands.add_parser("compare")
    again.add_argument("folder")
    for command in (run, again):
        command.add_argument("--program", default="target/debug/ivs-apply", help="the ivs-apply to use")
        command.add_argument("--verbose", action="store_true", help="also what is not compared, and wording")
    arguments = parser.parse_args()
    if arguments.command != "compare" and arguments.emulator and not arguments.region:
        arguments.region = "us-west-2"
    handlers = {"run": command_run, "compare": command_compare, "clean": command_clean}
    return handlers[arguments.command](arguments)


if __name__ == "__main__":
    sys.exit(main())
