#!/usr/bin/env python3
"""ivs-apply on an account that is not ours: moto's Amazon IVS.

    python moto_account.py http://127.0.0.1:PORT PROGRAM

moto has six operations, and a plan with channels needs one more: who is live (ListStreams). ivs-apply does not
plan without knowing that, and should not, so a small proxy stands before moto: it sends that one operation to
the emulator at the address given, whose account is empty, and everything else to moto. The test fails when
moto has learnt it, or when anything else was needed. Changes and deletions are not tried: before each of them
ivs-apply looks at the tags (ListTagsForResource), and moto has none of its own.

Prints `N passed, 0 failed`, or names each failed check and exits with 1. Talks to loopback only.
"""

import http.client
import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import boto3
from moto.server import ThreadedMotoServer
from tally import check, endpoint, equal, finish

EMULATOR = endpoint("moto_account.py http://127.0.0.1:PORT PROGRAM")
PROGRAM = sys.argv[2]
CHANNELS = 120
# What moto does not have and a plan of channels cannot do without.
LACKING = {"/ListStreams"}
STACK = """apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: moto }
spec: { region: us-west-2, account: "123456789012" }
"""
CHANNEL = """---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: channel-%03d }
spec: { name: channel-%03d, latencyMode: %s, type: BASIC, tags: { number: "%d" } }
"""


class Proxy(http.server.BaseHTTPRequestHandler):
    """Hands a request on as it is, and the answer back."""

    protocol_version = "HTTP/1.1"
    moto = ""
    calls = []

    def do_POST(self):
        """All that the program sends."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        Proxy.calls.append(self.path)
        target = urllib.parse.urlsplit(EMULATOR if self.path in LACKING else Proxy.moto)
        onward = http.client.HTTPConnection(target.hostname, target.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        onward.request("POST", self.path, body, headers)
        answer = onward.getresponse()
        text = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        onward.close()

    def log_message(self, *_):
        """Nothing to say."""


def program(folder, address, *words):
    """Exit code and both streams."""
    ran = subprocess.run(
        [PROGRAM, *words, "-f", str(folder / "manifests"), "--endpoint-url", address, "--region", "us-west-2"],
        capture_output=True, text=True, timeout=300, check=False,
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "AWS_ACCESS_KEY_ID": "AKIDMOTO",
             "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"})
    return ran.returncode, ran.stdout + ran.stderr


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    Proxy.moto = f"http://{host}:{port}"
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{proxy.server_address[1]}"
    moto = boto3.client("ivs", region_name="us-west-2", endpoint_url=Proxy.moto, aws_access_key_id="AKIDMOTO",
                        aws_secret_access_key="secret")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "manifests").mkdir()

        def write(latency):
            channels = "".join(CHANNEL % (n, n, latency, n) for n in range(CHANNELS))
            (folder / "manifests/all.yaml").write_text(STACK + channels)

        write("NORMAL")
        code, said = program(folder, Proxy.moto, "plan")
        check("without ListStreams nothing is planned", code == 1 and "ListStreams" in said, (code, said))
        equal("and nothing was made", moto.list_channels()["channels"], [])

        code, said = program(folder, address, "apply", "--yes")
        check("apply", code == 0, (code, said[-2000:]))
        equal("each was created once", Proxy.calls.count("/CreateChannel"), CHANNELS)
        pages = moto.get_paginator("list_channels").paginate()
        found = {one["name"]: one for page in pages for one in page["channels"]}
        equal("all are there", sorted(found), [f"channel-{n:03}" for n in range(CHANNELS)])
        equal("as they were wanted", {(one["latencyMode"], one["type"]) for one in found.values()},
              {("NORMAL", "BASIC")})
        equal("with their tags", [found[f"channel-{n:03}"]["tags"]["number"] for n in range(CHANNELS)],
              [str(n) for n in range(CHANNELS)])
        check("and ours", all("ivs-apply:name" in one["tags"] for one in found.values()), found["channel-000"])

        code, said = program(folder, address, "plan", "--detailed-exitcode")
        check("a second plan is empty", code == 0, (code, said[-2000:]))
        code, said = program(folder, address, "plan", "--detailed-exitcode", "--refresh", "full")
        check("also when every channel is read", code == 0, (code, said[-2000:]))
        moto.update_channel(arn=found["channel-007"]["arn"], latencyMode="LOW")
        code, said = program(folder, address, "drift")
        check("a change from outside is drift", code == 2 and "channel-007" in said, (code, said[-2000:]))
        check("of one channel", "channel-008" not in said, said[-2000:])
        moto.update_channel(arn=found["channel-007"]["arn"], latencyMode="NORMAL")
        print({path: Proxy.calls.count(path) for path in sorted(set(Proxy.calls))})
    server.stop()
    finish()


main()
