"""Amazon IVS for tests: starts the emulator of ivs-apply on a free port, waits until it answers, and stops it.

    with IvsEmulator() as emulator:
        ivs = emulator.client("ivs")
        ivs.create_channel(name="main")

Where the emulator comes from is said by the first of these variables that is set:

IVS_ENDPOINT_URL   one that runs already, such as the service `ivs` of compose.yaml; it is not stopped
IVS_APPLY_IMAGE    a container image with the program
IVS_APPLY          the program; without any of them, `ivs-apply` in the path
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3

# No proxy of the environment stands between a test and its emulator.
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class IvsEmulator:
    """A running emulator. One for all tests of a run is enough: `reset` empties it in a millisecond."""

    region = "us-west-2"

    def __init__(self, seconds_to_start=30):
        self.seconds_to_start = seconds_to_start
        self.url = None
        self._process = None
        self._container = None

    def __enter__(self):
        running = os.environ.get("IVS_ENDPOINT_URL")
        image = os.environ.get("IVS_APPLY_IMAGE")
        try:
            if running:
                self.url = running
            elif image:
                self._start_container(image)
            else:
                self._start_program(os.environ.get("IVS_APPLY", "ivs-apply"))
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._process:
            # SIGTERM: it answers what has begun, and ends with exit code 0.
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process.stdout.close()
        if self._container:
            subprocess.run(["docker", "rm", "--force", self._container], check=True, capture_output=True)
        self.url = self._process = self._container = None

    def _start_program(self, program):
        self._process = subprocess.Popen(
            [program, "emulator", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        )
        # The only line that it writes: `listening on http://127.0.0.1:49152`.
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{program} ended with exit code {self._process.wait()}")
        self.url = line.split()[-1]

    def _start_container(self, image):
        # In a container it listens on every address, and the port is published on this machine's loopback alone.
        command = ["docker", "run", "--detach", "--publish", "127.0.0.1::4599", image]
        command += ["emulator", "--listen", "0.0.0.0:4599", "--allow-non-loopback"]
        self._container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        port = ["docker", "port", self._container, "4599/tcp"]
        address = subprocess.run(port, check=True, capture_output=True, text=True).stdout.split()[0]
        self.url = f"http://{address}"

    def _wait(self):
        end = time.monotonic() + self.seconds_to_start
        while True:
            try:
                return self.control("GET", "clock")
            except (urllib.error.URLError, ConnectionError) as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"the emulator does not answer at {self.url}: {error}") from error
                time.sleep(0.05)

    def client(self, service, **options):
        """A client of boto3 for `ivs` or `ivs-realtime`, with any keys."""
        options.setdefault("region_name", self.region)
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            **options,
        )

    def control(self, method, path, **body):
        """A control request, such as `control("POST", "streams", channelArn=arn, viewerCount=7)`."""
        request = urllib.request.Request(
            f"{self.url}/_emulator/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"content-type": "application/json"},
        )
        try:
            with _HTTP.open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {json.load(error)['message']}") from None

    def reset(self):
        """Empties the account, and takes back faults, counts, switches, quotas, rates and the clock."""
        self.control("POST", "reset", settings=True)
