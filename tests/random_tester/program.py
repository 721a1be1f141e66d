"""Runs the binary and checks what must hold for every single run."""

import collections
import json
import os
import pathlib
import shlex
import signal
import subprocess
import threading
import time

import jsonschema

from .emulator import REGION

TIMEOUT = 450
EXIT_CODES = {
    "apply": {0, 1, 3, 4}, "applyplan": {0, 1, 3, 4, 5}, "plan": {0, 1, 2, 4}, "drift": {0, 1, 2}, "export": {0, 1},
    "destroy": {0, 1, 3, 4}, "validate": {0, 1}, "output": {0, 1},
}


class Run:
    """One finished run."""

    def __init__(self, args, rc, out, err, seconds):
        self.args, self.rc, self.out, self.err, self.seconds = args, rc, out, err, seconds
        self.json = None

    def __str__(self):
        return f"$ ivs-apply {shlex.join(self.args)}\n[exit {self.rc}, {self.seconds:.2f} s]\n--- stdout\n{self.out}\n--- stderr\n{self.err}\n"


class Program:
    """The binary under test against one emulator; keeps every output of a round."""

    def __init__(self, path, url, docs):
        self.path, self.url = path, url
        self.env = {
            "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "AKIDTESTERTESTER0000",
            "AWS_SECRET_ACCESS_KEY": "p" * 40, "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1",
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        schemas = pathlib.Path(docs) / "schemas"
        self.output_schema = jsonschema.Draft7Validator(json.loads((schemas / "output.json").read_text()))
        self.plan_schema = jsonschema.Draft7Validator(json.loads((schemas / "plan.json").read_text()))
        self.begin()

    counts = collections.Counter()  # (command, exit code) of all rounds of this process

    def begin(self):
        """Clear the state of the last round."""
        self.runs, self.complaints, self.log = [], [], []
        self.lock = threading.Lock()

    def complain(self, text):
        with self.lock:
            self.complaints.append(text)

    def note(self, text):
        with self.lock:
            self.log.append(text)

    def start(self, command, *args):
        account = [] if command == "validate" else ["--endpoint-url", self.url, "--region", REGION]
        full = [command, *args, *account]
        return full, subprocess.Popen([self.path, *full], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                                      stdin=subprocess.DEVNULL), time.time()

    def finish(self, started, what, killed=None):
        """Wait for a run and check it. `killed`: signal that was sent, if any."""
        full, process, begun = started
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.complain(f"ran longer than {TIMEOUT} s: {shlex.join(full)}")
        run = Run(full, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), time.time() - begun)
        with self.lock:
            self.runs.append(run)
            self.log.append(str(run))
            self.counts[(what, run.rc)] += 1
        allowed = set(EXIT_CODES[what])
        if killed == signal.SIGKILL:
            allowed.add(-9)
        elif killed == signal.SIGINT:
            allowed |= {130, -2}
        elif killed == signal.SIGTERM:
            allowed |= {143, -15}
        if run.rc not in allowed:
            self.complain(f"exit code {run.rc} of `{shlex.join(full)}` is not one that the documents give it")
        for text in (run.out, run.err):
            if "panicked" in text or "RUST_BACKTRACE" in text or "defect in the program" in text:
                self.complain(f"panic text in the output of `{shlex.join(full)}`: {text[text.find('error:'):][:200]}")
        died = run.rc in (-9, -2, -15)
        if "json" in full and not died:
            try:
                run.json = json.loads(run.out)
            except ValueError as error:
                self.complain(f"stdout of `{shlex.join(full)}` (exit {run.rc}) is not one JSON document: {error}")
            else:
                for problem in list(self.output_schema.iter_errors(run.json))[:3]:
                    self.complain(f"stdout of `{shlex.join(full)}` (exit {run.rc}) is not valid by schemas/output.json: "
                                  f"{list(problem.absolute_path)}: {problem.message[:300]}")
                self._report(run, what)
        return run

    def _report(self, run, what):
        """The JSON answer against the exit code (reliability.md, section 4 and I10)."""
        steps = run.json.get("steps") or []
        if what in ("apply", "applyplan"):
            bad = [s["address"] + ":" + s["action"] for s in steps
                   if s.get("status") in ("failed", "skipped", "unknown", "unconfirmed", "stale", "notStarted")]
            if run.rc == 0 and bad:
                self.complain(f"exit 0, but steps are not done: {bad}")
            if run.rc == 0 and run.json["status"] in ("failed", "blocked"):
                self.complain(f"exit 0 with status {run.json['status']}")
            if run.rc in (1, 4, 5) and any(s.get("status") == "done" and s.get("requestId") for s in steps):
                self.complain(f"exit {run.rc} (nothing written), but a step is `done`")
            left = any(copy.get("left") for copy in run.json.get("copies") or [])  # another run's copies, or one that is in use
            if run.rc == 3 and not bad and not left and "error" not in run.json:
                self.complain("exit 3, but no step failed, no copy is left and no error is given")

    def run(self, what, command, *args):
        return self.finish(self.start(command, *args), what)
