#!/usr/bin/env python3
"""The AWS command line creates, reads, updates and deletes channels and recording configurations.

    python aws_cli.py http://127.0.0.1:PORT

Uses the `aws` beside this Python. Prints `N passed, 0 failed`, or names each failed check and exits with 1.
Talks to that address only, and empties the account it finds there.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from tally import check, endpoint, equal, finish

ENDPOINT = endpoint("aws_cli.py http://127.0.0.1:PORT")
AWS = pathlib.Path(sys.executable).with_name("aws")


def aws(*words, home):
    """Exit code, what was answered, what was said."""
    ran = subprocess.run(
        [AWS, "ivs", *words, "--output", "json"], capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": os.environ.get("PATH", ""), "HOME": home, "AWS_DEFAULT_REGION": "us-west-2",
             "AWS_ACCESS_KEY_ID": "AKIDEMULATOR", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_MAX_ATTEMPTS": "1",
             "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", "AWS_ENDPOINT_URL_IVS": ENDPOINT})
    return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr


def control(path, body):
    """A control request."""
    request = urllib.request.Request(f"{ENDPOINT}/_emulator/{path}", method="POST", data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def main():
    control("reset", {})
    with tempfile.TemporaryDirectory() as home:
        def good(name, *words):
            code, answer, said = aws(*words, home=home)
            check(name, code == 0, said)
            return answer

        def refused(name, error, *words):
            code, _, said = aws(*words, home=home)
            # 254 from version 2, 255 from version 1.
            check(name, code in (254, 255) and f"({error})" in said, (code, said))

        made = good("create a recording configuration", "create-recording-configuration", "--name", "archive",
                    "--destination-configuration", "s3={bucketName=my-bucket}",
                    "--thumbnail-configuration", "recordingMode=INTERVAL,targetIntervalSeconds=30",
                    "--tags", "team=video")["recordingConfiguration"]
        recording = made["arn"]
        equal("CREATING", made["state"], "CREATING")
        control("clock", {"advanceSeconds": 2})
        got = good("read it", "get-recording-configuration", "--arn", recording)["recordingConfiguration"]
        equal("ACTIVE, with what was given",
              (got["state"], got["thumbnailConfiguration"]["targetIntervalSeconds"], got["tags"]),
              ("ACTIVE", 30, {"team": "video"}))

        made = good("create a channel", "create-channel", "--name", "main", "--latency-mode", "NORMAL",
                    "--type", "BASIC", "--authorized", "--recording-configuration-arn", recording,
                    "--tags", "team=video,tier=gold")
        channel, key = made["channel"]["arn"], made["streamKey"]
        equal("its key", key["channelArn"], channel)
        equal("get is create", good("read it", "get-channel", "--arn", channel)["channel"], made["channel"])
        listed = good("list", "list-channels", "--filter-by-recording-configuration-arn", recording)["channels"]
        equal("listed", [(one["arn"], one["name"]) for one in listed], [(channel, "main")])
        keys = good("list keys", "list-stream-keys", "--channel-arn", channel)["streamKeys"]
        equal("one key", [one["arn"] for one in keys], [key["arn"]])
        changed = good("update", "update-channel", "--arn", channel, "--latency-mode", "LOW",
                       "--no-authorized")["channel"]
        equal("updated, the rest as it was",
              (changed["latencyMode"], changed["authorized"], changed["type"], changed["name"]),
              ("LOW", False, "BASIC", "main"))
        good("tag", "tag-resource", "--resource-arn", channel, "--tags", "tier=silver")
        good("untag", "untag-resource", "--resource-arn", channel, "--tag-keys", "team")
        equal("tags", good("tags", "list-tags-for-resource", "--resource-arn", channel)["tags"], {"tier": "silver"})

        refused("a word that is none", "ValidationException", "create-channel", "--latency-mode", "SLOW")
        refused("a recording configuration in use stays", "ConflictException",
                "delete-recording-configuration", "--arn", recording)
        good("detach", "update-channel", "--arn", channel, "--recording-configuration-arn", "")
        good("delete the recording configuration", "delete-recording-configuration", "--arn", recording)
        good("delete the channel", "delete-channel", "--arn", channel)
        refused("the channel is gone", "ResourceNotFoundException", "get-channel", "--arn", channel)
        refused("the key went with it", "ResourceNotFoundException", "get-stream-key", "--arn", key["arn"])
        rest = good("list what is left", "list-recording-configurations")
        equal("nothing is left", rest, {"recordingConfigurations": []})
    finish()


main()
