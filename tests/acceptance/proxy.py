"""A recording proxy on loopback, one port for each service. Takes requests with any signature, sends them on with the
credentials of its target, and writes each request and answer, redacted, into the recording. One request at a time, so
that the recording has an order in which it can be repeated.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from redact import Redactor, arns, without_others
from target import SERVICES

# Answers of these operations name what this run has made.
MAKERS = ("/Create", "/Import", "/Start")
# Headers of an answer that say something of the service, apart from times and ids.
KEPT = ("content-type", "x-amzn-errortype", "x-amzn-errormessage", "retry-after")
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "server"}


class Recorder:
    """Writes the recording, and the list of created objects."""

    def __init__(self, path, target, account, bucket, journal):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.file = os.fdopen(handle, "w")
        self.target, self.redactor = target, Redactor(account, bucket)
        self.journal = journal
        self.ours = set()
        self.lock = threading.RLock()
        self.began = target.now()
        self.number = 0
        self.step, self.recording = "", True

    def write(self, entry):
        """One line."""
        self.number += 1
        self.file.write(json.dumps({"n": self.number, "step": self.step, **entry}) + "\n")
        self.file.flush()

    def at(self):
        """Seconds since the beginning, on the target's clock."""
        return round(self.target.now() - self.began, 3)

    def event(self, name, **members):
        """Something that no request says: a stream began, a pause is over."""
        with self.lock:
            if self.recording:
                self.write({"at": self.at(), "event": name, "members": self.redactor.value(members)})

    def exchange(self, service, method, target, headers, body):
        """Sends a request on and records it with its answer."""
        with self.lock:
            at = self.at()
            status, answered, content = self.target.forward(service, method, target, headers, body)
            try:
                answer = json.loads(content) if content else None
            except ValueError:
                answer = None
            path, _, query = target.partition("?")
            if service != "sts" and status < 300 and path.startswith(MAKERS):
                new = set(arns(answer)) - self.ours
                self.ours |= new
                # Created objects are written down before the answer is passed on, for `clean` after a crash.
                self.journal(new)
            if self.recording:
                self.record(at, service, method, path, query, body, status, answered, answer)
            return status, answered, content

    def record(self, at, service, method, path, query, body, status, answered, answer):
        """One exchange, redacted."""
        redact = self.redactor
        try:
            asked = json.loads(body) if body else None
        except ValueError:
            asked = None
        answer, others = without_others(answer, self.ours)
        if service == "sts":
            # The recording must not have the identity of the user.
            asked, answer = None, None
        headers = {name.lower(): value for name, value in answered.items()}
        self.write({
            "at": at, "service": service, "method": method, "path": redact.text(path), "query": redact.text(query),
            "request": redact.value(asked), "status": status,
            "headers": {name: redact.text(headers[name]) for name in KEPT if name in headers},
            "named": "x-amzn-requestid" in headers, "dated": "date" in headers,
            "answer": redact.value(answer), "others": others,
        })

    def close(self):
        """The recording is whole."""
        with self.lock:
            self.file.close()


def handler(service, recorder):
    """The class that answers the requests for one service."""

    class Handler(BaseHTTPRequestHandler):
        """Answers with what the target answers."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def answer(self):
            """Any request."""
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                status, headers, content = recorder.exchange(
                    service, self.command, self.path, dict(self.headers.items()), body)
            except Exception as error:  # noqa: BLE001 - the client has to hear of any failure
                recorder.event("unanswered", why=type(error).__name__)
                self.close_connection = True
                return
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if status != 204:
                self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do_PUT = answer

        def log_message(self, *_):
            """Standard error belongs to the run."""

    return Handler


class Proxy:
    """The servers of all services."""

    def __init__(self, recorder):
        self.servers = {}
        for service in SERVICES:
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler(service, recorder))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.servers[service] = server

    def url(self, service):
        """Where a service is to be called."""
        return f"http://127.0.0.1:{self.servers[service].server_address[1]}"

    def close(self):
        """No more requests."""
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


def wait_for(condition, pause, seconds=120, step=2.0):
    """Waits until a condition holds, on the target's clock. Whether it does."""
    waited = 0.0
    while True:
        if condition():
            return True
        if waited >= seconds:
            return False
        pause(step)
        waited += step
        time.sleep(0)
