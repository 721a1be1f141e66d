"""The emulator as a process of our own, and its control requests (product.md, section 7)."""

import http.client
import json
import re
import subprocess
import threading

REGION = "us-west-2"
ACCOUNT = "000000000000"


class Emulator:
    """One emulator process on a free loopback port."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "emulator", "--listen", "127.0.0.1:0", "--region", REGION, "--account", ACCOUNT],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise RuntimeError(f"the emulator did not start: {line!r}")
        self.port = int(found.group(1))
        self.url = f"http://127.0.0.1:{self.port}"
        self.stderr = []
        self.local = threading.local()
        threading.Thread(target=self._drain, args=(self.process.stderr, self.stderr), daemon=True).start()
        threading.Thread(target=self._drain, args=(self.process.stdout, []), daemon=True).start()

    @staticmethod
    def _drain(pipe, into):
        for line in pipe:
            into.append(line)

    def control(self, method, path, body=None, quiet=False):
        """One control request. With `quiet`, a refusal answers None instead of raising."""
        data = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            try:
                if getattr(self.local, "connection", None) is None:
                    self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=200)
                self.local.connection.request(method, f"/_emulator/{path}", data, {"content-type": "application/json"})
                answer = self.local.connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, OSError):
                self.local.connection = None
                if attempt == 2:
                    raise
        if answer.status < 400:
            return json.loads(text or b"{}")
        if quiet:
            return None
        raise RuntimeError(f"control {method} {path} {body}: {answer.status} {text.decode(errors='replace')}")

    def reset(self):
        self.control("DELETE", "faults")
        self.control("POST", "reset", {})
        self.control("DELETE", "calls")

    def advance(self, seconds):
        return self.control("POST", "clock", {"advanceSeconds": seconds})

    def fault(self, **fields):
        self.control("POST", "faults", fields)

    def no_faults(self):
        self.control("DELETE", "faults")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


class Ticker:
    """Lets emulator time run faster while a program runs, so that state machines do not make us wait."""

    def __init__(self, emulator, step=0.5, every=0.05):
        self.emulator, self.step, self.every = emulator, step, every
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stop.wait(self.every):
            try:
                self.emulator.advance(self.step)
            except Exception:
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(20)
