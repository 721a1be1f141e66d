"""Takes out of a recording what must not leave the user's machine: secrets, the account, the bucket, tokens, and the
objects of others. What stays in its place has the same shape, so that answers can still be compared.
"""

import re

ACCOUNT = "000000000000"
BUCKET = "ivs-acceptance-bucket"
SECRET = "<secret>"
# The members of both services that hold secrets, whatever object they are in.
SECRETS = {"value", "passphrase", "streamKey", "token", "playbackToken"}
OBJECTS = ("arn", "channelArn", "stageArn", "sourceStageArn", "ingestConfigurationArn")
# Host names hold a prefix that belongs to the account.
PREFIX = re.compile(r"\b[0-9a-f]{12}(?=\.)")
# The port of an emulator.
PORT = re.compile(r"(?<=localhost):\d+|(?<=127\.0\.0\.1):\d+")
KEY = re.compile(r"\b(sk|rt)_[A-Za-z0-9-]+_[A-Za-z0-9_-]+")


class Redactor:
    """Redacts the requests and answers of one run."""

    def __init__(self, account, bucket):
        self.account, self.bucket = account, bucket
        self.tokens = {}

    def text(self, text):
        """A text without account, bucket and key."""
        text = PORT.sub("", KEY.sub(SECRET, text))
        if self.account:
            text = text.replace(self.account, ACCOUNT)
        if self.bucket:
            text = text.replace(self.bucket, BUCKET)
        return PREFIX.sub("<prefix>", text)

    def token(self, token):
        """A page token's name: tokens are opaque, and may say anything about the account."""
        return self.tokens.setdefault(token, f"<page-token-{len(self.tokens) + 1}>")

    def value(self, value, key=""):
        """A value without anything secret."""
        if isinstance(value, dict):
            return {self.text(name): self.value(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.value(one, key) for one in value]
        if isinstance(value, str):
            if key == "nextToken" and value:
                return self.token(value)
            # A `value` is a stream key, but the values of tags are the user's own.
            return SECRET if key in SECRETS and value else self.text(value)
        return value


def without_others(answer, ours):
    """An answer without the objects that this run has not made, and how many those are."""
    if not isinstance(answer, dict):
        return answer, 0
    kept, left_out = {}, 0
    for name, value in answer.items():
        if isinstance(value, list):
            mine = [one for one in value if not of_others(one, ours)]
            left_out += len(value) - len(mine)
            value = mine
        kept[name] = value
    return kept, left_out


def of_others(item, ours):
    """Whether an item of a list is an object that this run has not made."""
    if not isinstance(item, dict):
        return False
    named = [item[name] for name in OBJECTS if item.get(name)]
    return bool(named) and not any(name in ours for name in named)


def arns(value):
    """Every ARN of IVS in a value."""
    if isinstance(value, dict):
        for one in value.values():
            yield from arns(one)
    elif isinstance(value, list):
        for one in value:
            yield from arns(one)
    elif isinstance(value, str) and value.startswith("arn:aws:ivs:"):
        yield value
