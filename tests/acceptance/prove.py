#!/usr/bin/env python3
"""Proves on emulators that the comparison sees what it is for: a recording of an emulator whose switch is set otherwise
must differ from an emulator with the defaults, for every switch that a client can observe within a run.

    python prove.py http://127.0.0.1:PORT PROGRAM [SWITCH ...]

Prints `N passed, M failed`. The emulator at the address is emptied.
"""

import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "conformance"))

import compare  # noqa: E402
from kit import Run, caller, emulator  # noqa: E402
from probes import run_all  # noqa: E402
from tally import check, endpoint, finish  # noqa: E402
from target import Emulator  # noqa: E402

REGION = "us-west-2"

# Each switch that a run can observe: another value than the default, and the probe that observes it.
OBSERVED = {
    "stageUpdate": ("merge", "stages"),
    "slateUpdate": ("merge", "slates"),
    "emptyMultitrack": ("reset", "channel_updates"),
    "liveRename": ("accept", "live_channel"),
    "liveTagging": ("refuse", "live_channel"),
    "nameFilter": ("substring", "channels"),
    "twoCompositionFilters": ("accept", "compositions"),
    "storageUsedByStage": ("accept", "stages"),
    "stopEndedComposition": ("accept", "compositions"),
    "idempotencyMismatch": ("accept", "compositions"),
    # Only a memory shorter than the ten seconds between two equal starts.
    "idempotencySeconds": (5, "compositions"),
    "presetAfterAdvanced": ("merge", "channel_updates"),
    "foreignServiceTags": ("accept", "foreign_tags"),
    "onlyExceptionMessage": (True, "errors"),
    "streamKeyCopiesTags": (True, "channels"),
    "referenceWhileCreating": ("accept", "recordings"),
    "busySlate": ("accept", "slates"),
    "deleteReferenced": ("accept", "channels"),
    "deleteBusyStage": ("refuse", "busy_stage"),
    "duplicateKey": ("accept", "keys"),
    "duplicateKeyError": ("ValidationException", "keys"),
    "recordingDefaults": (False, "recordings"),
    "throttleError": ("TooManyRequestsException", "burst"),
    "throttleStatus": (400, "burst"),
    # Only a page smaller than the two objects that a run lists.
    "largestPage": (1, "channels"),
    # Only a token that is refused within ten seconds.
    "pageTokenSeconds": (5, "channels"),
    "intervalWhileDisabled": ("accept", "stages"),
    "sessionLingerSeconds": (0, "busy_stage"),
    "offlineStreamSeconds": (20, "live_channel"),
    "disconnectSeconds": (0, "busy_stage"),
    "streamOutlivesStopSeconds": (0, "live_channel"),
    "conflictAfterStopSeconds": (20, "live_channel"),
    "sameRecording": ("accept", "recorded_stage"),
}

# What a run cannot observe, and why.
UNOBSERVED = {
    "trailNamesResources": "events are recorded minutes after the call, and the kit does not ask CloudTrail",
}


def differences(url, program, folder, switch, value, probes):
    """How many differences a recording of an emulator with one switch set has."""
    target = Emulator(url, REGION)
    target.control("POST", "reset")
    defaults = target.control("GET", "switches")
    if switch:
        target.control("POST", "switches", {switch: value})
    try:
        arguments = argparse.Namespace(region=REGION, media_tailor=None, program=program, out=folder, live=True)
        run = Run(arguments, target, caller(target))
        run.say = lambda _: None
        try:
            run_all(run, True, probes)
        finally:
            run.proxy.close()
            run.recorder.close()
        if run.failures:
            return None, run.failures
        entries = compare.read(os.path.join(run.results, "recording.jsonl"))
        with emulator(program, REGION) as fresh:
            result = compare.Comparison(fresh).run(entries)
        return result, compare.report(result)
    finally:
        target.control("POST", "switches", defaults)


def main():
    """Every switch."""
    url, program = endpoint("prove.py http://127.0.0.1:PORT PROGRAM"), os.path.abspath(sys.argv[2])
    chosen = sys.argv[3:]
    known = set(Emulator(url, REGION).control("GET", "switches"))
    check("every switch is observed, or it is said why not", known == set(OBSERVED) | set(UNOBSERVED),
          known ^ (set(OBSERVED) | set(UNOBSERVED)))
    with tempfile.TemporaryDirectory() as folder:
        if not chosen:
            result, lines = differences(url, program, folder, None, None, ())
            check("no switch, no difference", result and not result.differences and not result.skipped, lines)
        for switch, (value, probe) in OBSERVED.items():
            if chosen and switch not in chosen:
                continue
            result, lines = differences(url, program, folder, switch, value, [probe])
            check(f"{switch} = {value} is found", result and result.differences, lines)
            if chosen and result:
                print("\n".join(lines))
    finish()


if __name__ == "__main__":
    main()
