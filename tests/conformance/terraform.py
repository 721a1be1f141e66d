#!/usr/bin/env python3
"""Terraform's AWS provider makes channels and recording configurations on the emulator, and finds nothing to
do afterwards.

    python terraform.py http://127.0.0.1:PORT [--at-hand]

The provider (700 MB) comes from a folder that holds it unpacked as a mirror does, with
registry.terraform.io/hashicorp/aws/VERSION/… in it: the one that TERRAFORM_MIRROR names, or else one of a few
usual places. If there is none Terraform fetches it, or with --at-hand the test is left out, as it is without
terraform. An empty TERRAFORM_MIRROR names no folder. Prints `N passed, 0 failed`, or names each failed check and exits with
1. Talks to that address only (and to the registry), and empties the account it finds there.
"""

import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

import boto3
from tally import check, endpoint, equal, finish

ENDPOINT = endpoint("terraform.py http://127.0.0.1:PORT [--at-hand]")
AT_HAND = "--at-hand" in sys.argv
USUAL = ("/opt/*", "/usr/share/terraform/*", "/usr/local/share/terraform/*",
         os.path.expanduser("~/.terraform.d/*"))
CONFIGURATION = pathlib.Path(__file__).with_name("terraform") / "main.tf"


def mirror():
    """A folder with the provider, `None` if there is none."""
    named = os.environ.get("TERRAFORM_MIRROR")
    places = USUAL if named is None else [named] if named else []
    found = (glob.glob(f"{place}/registry.terraform.io/hashicorp/aws/*") for place in places)
    found = [pathlib.Path(one).parents[3] for some in found for one in some]
    return found[0] if found else None


def leave_out(why):
    """Says what is missing, so that nothing was checked."""
    print(f"left out: {why}")
    sys.exit(0)


def terraform(folder, *words, **variables):
    """Exit code and both streams."""
    settings = {f"TF_VAR_{name}": value for name, value in variables.items()}
    ran = subprocess.run(
        ["terraform", *words, "-no-color", "-input=false"], cwd=folder, capture_output=True, text=True,
        timeout=600, check=False,
        env=os.environ | settings | {"CHECKPOINT_DISABLE": "1", "TF_VAR_endpoint": ENDPOINT})
    return ran.returncode, ran.stdout + ran.stderr


def main():
    provider = mirror()
    if not shutil.which("terraform"):
        leave_out("terraform")
    if AT_HAND and not provider:
        leave_out("Terraform's AWS provider, unpacked in the folder that TERRAFORM_MIRROR names")
    source = [f"-plugin-dir={provider}"] if provider else []
    reset = urllib.request.Request(f"{ENDPOINT}/_emulator/reset", method="POST")
    urllib.request.urlopen(reset, timeout=10).close()
    ivs = boto3.client("ivs", region_name="us-west-2", endpoint_url=ENDPOINT, aws_access_key_id="AKIDEMULATOR",
                       aws_secret_access_key="secret")

    def channels():
        found = [ivs.get_channel(arn=one["arn"])["channel"] for one in ivs.list_channels()["channels"]]
        return {one["name"]: one for one in found}

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(CONFIGURATION, folder)
        code, said = terraform(folder, "init", *source)
        check("init", code == 0, said)
        code, said = terraform(folder, "apply", "-auto-approve")
        check("apply", code == 0, said)
        if code:
            finish()
        made = channels()
        equal("channels", sorted(made), ["", "main-0", "main-1", "main-2"])
        main_0 = made.get("main-0", {})
        equal("as wanted", [main_0.get(member) for member in ("latencyMode", "type", "authorized", "tags")],
              ["LOW", "BASIC", True, {"number": "0", "latency": "LOW"}])
        recordings = {one["arn"]: one for one in ivs.list_recording_configurations()["recordingConfigurations"]}
        equal("recording configurations", sorted((one["name"], one["state"]) for one in recordings.values()),
              [("plain", "ACTIVE"), ("whole", "ACTIVE")])
        whole = recordings.get(main_0.get("recordingConfigurationArn"), {})
        equal("the reference", (whole.get("name"), whole.get("tags")), ("whole", {"team": "video"}))
        keys = [one["arn"] for one in ivs.list_stream_keys(channelArn=main_0.get("arn", ""))["streamKeys"]]
        outputs = json.loads(pathlib.Path(folder, "terraform.tfstate").read_text(encoding="utf-8"))["outputs"]
        equal("the stream key that came with it", [outputs["stream_key"]["value"]], keys)

        code, said = terraform(folder, "plan", "-detailed-exitcode")
        check("no difference for ever", code == 0, (code, said))
        code, said = terraform(folder, "apply", "-auto-approve", latency="NORMAL")
        check("change", code == 0 and "0 added, 3 changed, 0 destroyed" in said, said)
        changed = channels()
        equal("changed in place", (changed["main-1"]["arn"], changed["main-1"]["latencyMode"],
                                   changed["main-1"]["tags"]["latency"]),
              (made["main-1"]["arn"], "NORMAL", "NORMAL"))
        code, said = terraform(folder, "plan", "-detailed-exitcode", latency="NORMAL")
        check("again no difference", code == 0, (code, said))
        code, said = terraform(folder, "destroy", "-auto-approve")
        check("destroy", code == 0, said)
        equal("nothing is left", (ivs.list_channels()["channels"],
                                  ivs.list_recording_configurations()["recordingConfigurations"]), ([], []))
    finish()


main()
