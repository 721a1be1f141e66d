"""Where the requests of a run go: to the real service, or to an emulator on this machine.

Both take a request without its signature, sign it and send it. A run asks its target for the time, for pauses and for
streams, so that the same run works with both.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

# The first label of each host name; both IVS services sign as `ivs`.
SERVICES = {"ivs": "ivs", "ivs-realtime": "ivsrealtime", "sts": "sts"}
SIGNING = {"ivs": "ivs", "ivs-realtime": "ivs", "sts": "sts"}
# Headers that belong to one connection, or that the signature replaces.
DROPPED = {
    "host", "authorization", "x-amz-date", "x-amz-security-token", "connection", "content-length", "amz-sdk-request",
    "amz-sdk-invocation-id", "accept-encoding", "expect", "x-amz-content-sha256", "transfer-encoding",
}
# No stream lasts longer, whatever becomes of this program: ffmpeg ends by itself.
STREAM_SECONDS = 20
TIMEOUT = 30


class Unavailable(Exception):
    """The run cannot do this on this target; the step is left out."""


def signed(credentials, region, service, method, url, headers, body):
    """The request with a signature of its own."""
    kept = {name: value for name, value in headers.items() if name.lower() not in DROPPED}
    request = AWSRequest(method=method, url=url, data=body, headers=kept)
    SigV4Auth(credentials, SIGNING[service], region).add_auth(request)
    return request


class Aws:
    """The real service."""

    is_emulator = False

    def __init__(self, region, profile=None):
        session = botocore.session.Session(profile=profile)
        self.region = region
        self.credentials = session.get_credentials()
        if self.credentials is None:
            raise SystemExit("error: no AWS credentials are in force; name a profile with --profile")
        self.http = URLLib3Session(timeout=TIMEOUT)
        self.streams = {}

    def forward(self, service, method, target, headers, body):
        """Sends one request to the service: status, headers, body."""
        url = f"https://{SERVICES[service]}.{self.region}.amazonaws.com{target}"
        frozen = self.credentials.get_frozen_credentials()
        request = signed(frozen, self.region, service, method, url, headers, body)
        answer = self.http.send(request.prepare())
        return answer.status_code, dict(answer.headers), answer.content

    def now(self):
        """Seconds on the clock that the objects of the account follow."""
        return time.time()

    def pause(self, seconds):
        """Lets time pass."""
        time.sleep(seconds)

    def begin(self, what, arn, ingest):
        """Publishes a test picture to a channel or through an ingest configuration, for seconds."""
        if not shutil.which("ffmpeg"):
            raise Unavailable("ffmpeg is not on this machine")
        if ingest is None:
            raise Unavailable("no ingest endpoint is known")
        # The key is part of the address, which other users of this machine could read from the list of
        # processes; it ends within seconds after the object.
        self.streams[arn] = subprocess.Popen(
            ["ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=30",
             "-f", "lavfi", "-i", "anullsrc=r=48000", "-t", str(STREAM_SECONDS),
             "-c:v", "libx264", "-profile:v", "baseline", "-bf", "0", "-g", "60", "-pix_fmt", "yuv420p",
             "-b:v", "500k", "-c:a", "aac", "-f", "flv", ingest],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        time.sleep(8)

    def end(self, what, arn):
        """Ends what `begin` began."""
        child = self.streams.pop(arn, None)
        if child and child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.wait()

    def stop_clock(self, stopped):
        """The service's clock goes on."""

    def rates(self, enforced):
        """The service always enforces its rates."""

    def close(self):
        """Ends all streams."""
        for arn in list(self.streams):
            self.end(None, arn)


class Emulator:
    """An emulator on this machine."""

    is_emulator = True

    def __init__(self, url, region):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise SystemExit(f"error: an emulator is on this machine, and {url} is not")
        self.address = (parts.hostname, parts.port)
        self.region = region
        self.credentials = Credentials("AKIDACCEPTANCE", "secret")
        self.base = f"http://{parts.hostname}:{parts.port}"

    def forward(self, service, method, target, headers, body):
        """Sends one request: status, headers, body. The host name says which service is called."""
        label = SERVICES[service] if service != "sts" else ""
        host = f"{label}.localhost:{self.address[1]}" if label else f"localhost:{self.address[1]}"
        url = f"http://{host}{target}"
        request = signed(self.credentials, self.region, service, method, url, headers, body)
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        try:
            sent = {name: value for name, value in request.headers.items()}
            connection.request(method, target, body=body or b"", headers={**sent, "Host": host})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def control(self, method, path, members=None):
        """A control request."""
        request = urllib.request.Request(
            f"{self.base}/_emulator/{path}", method=method, data=json.dumps(members or {}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)

    def now(self):
        """Seconds on the emulator's clock, which pauses move on."""
        return self.control("GET", "clock")["nowMillis"] / 1000

    def pause(self, seconds):
        """Lets time pass on the emulator's clock."""
        if seconds > 0:
            self.control("POST", "clock", {"advanceSeconds": seconds})

    def stop_clock(self, stopped):
        """Whether only pauses move the clock, so that a slow machine changes no answer."""
        self.control("POST", "clock", {"stopped": stopped})

    MEMBER = {"streams": "channelArn", "ingests": "ingestConfigurationArn"}

    def begin(self, what, arn, ingest):
        """A stream begins."""
        self.control("POST", what, {self.MEMBER[what]: arn})

    def end(self, what, arn):
        """A stream ends."""
        self.control("DELETE", what, {self.MEMBER[what]: arn})

    def rates(self, enforced):
        """Whether the published rates are enforced."""
        self.control("POST", "rates", {"enforced": enforced})

    def close(self):
        """Nothing to end: the emulator is its owner's."""


def dead_end():
    """Environment of a child process that must find no credentials, no profile and no endpoint of this machine."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("AWS_", "IVS_APPLY_")) and name.upper() not in ("HTTP_PROXY", "ALL_PROXY")}
