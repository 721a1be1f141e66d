"""Deletes what a run has made, whatever became of it: what its recorder saw, what its journal names, and what its tags
mark. Asks the service directly, so that it works without a proxy and without the program.
"""

import json
import time

from target import SERVICES

# Service, list, member of the list, delete. In the order in which they can go.
KINDS = [
    ("ivs-realtime", "ListCompositions", "compositions", "StopComposition"),
    ("ivs", "ListChannels", "channels", "DeleteChannel"),
    ("ivs", "ListRecordingConfigurations", "recordingConfigurations", "DeleteRecordingConfiguration"),
    ("ivs", "ListPlaybackRestrictionPolicies", "playbackRestrictionPolicies", "DeletePlaybackRestrictionPolicy"),
    ("ivs", "ListFailoverSlateConfigurations", "failoverSlateConfigurations", "DeleteFailoverSlateConfiguration"),
    ("ivs", "ListAdConfigurations", "adConfigurations", "DeleteAdConfiguration"),
    ("ivs", "ListPlaybackKeyPairs", "keyPairs", "DeletePlaybackKeyPair"),
    ("ivs-realtime", "ListIngestConfigurations", "ingestConfigurations", "DeleteIngestConfiguration"),
    ("ivs-realtime", "ListStages", "stages", "DeleteStage"),
    ("ivs-realtime", "ListEncoderConfigurations", "encoderConfigurations", "DeleteEncoderConfiguration"),
    ("ivs-realtime", "ListStorageConfigurations", "storageConfigurations", "DeleteStorageConfiguration"),
    ("ivs-realtime", "ListPublicKeys", "publicKeys", "DeletePublicKey"),
]
# A composition or a stream that was just stopped holds on to what it used for a while.
PATIENCE = 180
STEP = 5
# A list may leave out for a few seconds what was just made. Nothing is left where this many lists in a row are empty.
EMPTY_LISTS = 4


class Sweep:
    """Of one run."""

    def __init__(self, target, identity, stack, known):
        self.target, self.identity, self.stack = target, identity, stack
        self.known = set(known)
        self.unread = []

    def ask(self, service, operation, body):
        """Status and answer; a throttle is waited out."""
        for pause in (1, 2, 4, 8, 16, 0):
            status, _, content = self.target.forward(
                service, "POST", f"/{operation}", {"content-type": "application/json"}, json.dumps(body).encode())
            if status != 429 and status < 500 or not pause:
                break
            self.target.pause(pause)
        try:
            return status, json.loads(content) if content else {}
        except ValueError:
            return status, {}

    def rows(self, service, operation, member):
        """All objects of a kind; a kind that cannot be listed is noted."""
        token = None
        while True:
            body = {"maxResults": 50, **({"nextToken": token} if token else {})}
            status, answer = self.ask(service, operation, body)
            if status != 200:
                self.unread.append(f"{operation}: {status}")
                return
            yield from answer.get(member, [])
            token = answer.get("nextToken")
            if not token:
                return

    def mine(self, service, row):
        """Whether this run has made an object."""
        if row["arn"] in self.known:
            return True
        tags = row.get("tags")
        if tags is None:
            # The list of ingest configurations leaves tags out.
            _, answer = self.ask(service, "GetIngestConfiguration", {"arn": row["arn"]})
            tags = (answer.get("ingestConfiguration") or {}).get("tags", {})
        return tags.get("ivs-acceptance") == self.identity or tags.get("ivs-apply:stack") == self.stack

    def left(self):
        """What is left: service, ARN, delete."""
        self.unread = []
        found = []
        for service, operation, member, delete in KINDS:
            for row in self.rows(service, operation, member):
                if row.get("state") in ("STOPPED", "FAILED") and delete == "StopComposition":
                    continue
                if self.mine(service, row):
                    found.append((service, row["arn"], delete))
        return found

    def run(self):
        """Deletes until nothing is left, or for as long as patience lasts. What is left then, and what was unread."""
        waited = empty = 0
        while True:
            left = self.left()
            empty = 0 if left or self.unread else empty + 1
            if empty == EMPTY_LISTS or waited > PATIENCE:
                return [arn for _, arn, _ in left], self.unread
            for service, arn, delete in left:
                body = {"arn": arn}
                if delete == "DeleteChannel":
                    self.ask("ivs", "StopStream", {"channelArn": arn})
                if delete == "DeleteIngestConfiguration":
                    body["force"] = True
                self.ask(service, delete, body)
            self.target.pause(STEP)
            waited += STEP
            time.sleep(0)


assert set(SERVICES) >= {service for service, *_ in KINDS}
