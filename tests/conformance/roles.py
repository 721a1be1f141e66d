#!/usr/bin/env python3
"""Assumes roles in two accounts of one emulator with AWS's own client, and sees that each has channels of its own.

    python roles.py http://127.0.0.1:PORT

Prints `N passed, 0 failed`, or names each failed check and exits with 1. Talks to that address only.
"""

import datetime
import json
import urllib.request

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from tally import check, endpoint, equal, finish

ENDPOINT = endpoint("roles.py http://127.0.0.1:PORT")
ACCOUNTS = ["111111111111", "222222222222"]
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=20)


def client(service, key="AKIDEMULATOR", secret="secret", token=None, config=ONCE):
    """A client whose calls can only reach the emulator."""
    return boto3.client(service, region_name="us-west-2", endpoint_url=ENDPOINT, aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token, config=config)


def control(method, path, body=None):
    """A control request of the emulator."""
    request = urllib.request.Request(f"{ENDPOINT}/_emulator/{path}", method=method,
                                     data=json.dumps(body or {}).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def refused(name, code, status, call, /, **parameters):
    """The call must fail with this code and this status."""
    try:
        call(**parameters)
        check(name, False, f"succeeded, wanted {code}")
    except ClientError as error:
        equal(name, error.response["Error"]["Code"], code)
        equal(f"{name}: status", error.response["ResponseMetadata"]["HTTPStatusCode"], status)


def role(account, name="path/apply"):
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def keys(answer):
    """The keys of an answer, as `client` takes them."""
    found = answer["Credentials"]
    return {"key": found["AccessKeyId"], "secret": found["SecretAccessKey"], "token": found["SessionToken"]}


sts = client("sts")
sessions = {}
for account in ACCOUNTS:
    answer = sts.assume_role(RoleArn=role(account), RoleSessionName="ci")
    sessions[account] = keys(answer)
    arn = f"arn:aws:sts::{account}:assumed-role/apply/ci"
    equal("the session's ARN has no path", answer["AssumedRoleUser"]["Arn"], arn)
    check("temporary keys begin as AWS's do", sessions[account]["key"].startswith("ASIA"))
    seconds = (answer["Credentials"]["Expiration"] -
               datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    check("an hour is the default", 3_500 < seconds <= 3_601, seconds)
    who = client("sts", **sessions[account]).get_caller_identity()
    equal("the identity is the session", (who["Account"], who["Arn"]), (account, arn))
    check("the id ends with the session", who["UserId"].startswith("AROA") and who["UserId"].endswith(":ci"), who)

for number, account in enumerate(ACCOUNTS, 1):
    ivs = client("ivs", **sessions[account])
    for index in range(number):
        made = ivs.create_channel(name=f"channel-{index}")["channel"]["arn"]
        equal("an ARN names the account of the role", made.split(":")[4], account)
for number, account in enumerate(ACCOUNTS, 1):
    listed = client("ivs", **sessions[account]).list_channels()["channels"]
    equal("an account has its own channels", len(listed), number)
equal("and the emulator's own account none", client("ivs").list_channels()["channels"], [])
one = client("ivs", **sessions[ACCOUNTS[0]])
other = client("ivs", **sessions[ACCOUNTS[1]]).list_channels()["channels"][0]["arn"]
refused("an object of another account is not found", "ResourceNotFoundException", 404, one.get_channel, arn=other)
equal("control requests name the account",
      len([it for it in control("GET", f"objects?account={ACCOUNTS[1]}")["objects"] if it["kind"] == "Channel"]), 2)

wrong = dict(sessions[ACCOUNTS[0]], token="another")
refused("a wrong token", "UnrecognizedClientException", 403, client("ivs", **wrong).list_channels)
refused("no token", "UnrecognizedClientException", 403, client("ivs", **dict(wrong, token=None)).list_channels)
refused("a wrong token at STS", "InvalidClientTokenId", 403, client("sts", **wrong).get_caller_identity)

ARN = role(ACCOUNTS[0], "locked")
control("POST", "roles", {"arn": ARN, "externalId": "the-id"})
refused("no external id", "AccessDenied", 403, sts.assume_role, RoleArn=ARN, RoleSessionName="ci")
refused("a wrong one", "AccessDenied", 403, sts.assume_role, RoleArn=ARN, RoleSessionName="ci", ExternalId="no")
check("the right one", sts.assume_role(RoleArn=ARN, RoleSessionName="ci", ExternalId="the-id"))
control("POST", "roles", {"arn": ARN, "refused": True})
refused("a refused role", "AccessDenied", 403, sts.assume_role, RoleArn=ARN, RoleSessionName="ci", ExternalId="the-id")
control("POST", "roles", {"arn": ARN, "maxSessionSeconds": 7_200})
long = {"RoleArn": ARN, "RoleSessionName": "ci", "DurationSeconds": 7_200}
check("a longer session, where the role allows it", sts.assume_role(**long))
refused("longer than the role allows", "ValidationError", 400, sts.assume_role, **dict(long, DurationSeconds=7_201))
chained = client("sts", **sessions[ACCOUNTS[1]])
refused("a chained role lasts an hour", "ValidationError", 400, chained.assume_role, **long)
check("and no longer", chained.assume_role(**dict(long, DurationSeconds=3_600)))
refused("no role", "ValidationError", 400, sts.assume_role, RoleArn="arn:aws:iam::1:role/no-account", RoleSessionName="ci")

unsigned = client("sts", config=ONCE.merge(Config(signature_version=UNSIGNED)))
web = {"RoleArn": role(ACCOUNTS[0], "web"), "RoleSessionName": "pod", "WebIdentityToken": "header.payload.signature"}
answer = unsigned.assume_role_with_web_identity(**web)
who = client("sts", **keys(answer)).get_caller_identity()["Arn"]
equal("a web identity", who, f"arn:aws:sts::{ACCOUNTS[0]}:assumed-role/web/pod")
control("POST", "tokens", {"expired": ["old.token"]})
refused("an expired token", "ExpiredTokenException", 400, unsigned.assume_role_with_web_identity,
        **dict(web, WebIdentityToken="old.token"))

control("POST", "clock", {"advanceSeconds": 3_700})
refused("an expired session", "ExpiredTokenException", 403, client("ivs", **sessions[ACCOUNTS[0]]).list_channels)
refused("an expired session at STS", "ExpiredToken", 403, client("sts", **sessions[ACCOUNTS[0]]).get_caller_identity)
finish()
