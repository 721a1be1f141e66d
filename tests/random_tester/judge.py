"""The verdicts, from snapshots that boto3 took."""

import fnmatch
import re

from .expect import IGNORED_FIELD, found, wanted
from .manifests import CHANNEL_REFS, IMMUTABLE_KINDS, TAGGED
from .account import OURS, PARTS, parts

IN_PLACE = {"Channel", "PlaybackRestrictionPolicy", "AdConfiguration", "FailoverSlateConfiguration", "Stage"}


class Resolver:
    """References to ARNs in one account."""

    def __init__(self, account, stack):
        self.account, self.stack = account, stack

    def __call__(self, kind, reference):
        if reference.startswith("arn:"):
            return reference
        arns = [o.arn for o in self.account.owned(self.stack, kind, reference)]
        return arns[0] if len(arns) == 1 else f"<{len(arns)} objects of {kind}/{reference}>"


def user_tags(m, obj):
    """The object's tags without ours and without what the Stack ignores."""
    return {k: v for k, v in obj.tags.items()
            if not k.startswith(OURS) and not any(fnmatch.fnmatchcase(k, g) for g in m.ignore_tags)}


def compare(account, m):
    """The account against the manifests: every difference, as text."""
    out = []
    resolve = Resolver(account, m.stack)
    for res in m.all.values():
        if res.kind == "ParticipantReplication":
            out += replication(account, res, resolve)
            continue
        objects = account.owned(m.stack, res.kind, res.name)
        expected = 1
        if res.kind == "Composition":
            run = res.spec.get("run", "WHILE_STAGE_ACTIVE")
            if run == "STOPPED":
                expected = 0
            elif run == "WHILE_STAGE_ACTIVE":
                expected = 1 if account.publishing(resolve("Stage", res.spec["stage"])) else 0
        if len(objects) != expected:
            out.append(f"{res.address}: {len(objects)} owned objects instead of {expected}: {objects}")
            continue
        if not expected:
            continue
        obj = objects[0]
        ignored = res.lifecycle.get("ignoreChanges", [])
        skip = {IGNORED_FIELD.get(path) for path in ignored}
        want, have = wanted(res, resolve), found(obj)
        for field in want:
            if field == "name" and "name" not in res.spec and (
                    res.kind in IMMUTABLE_KINDS or res.kind == "IngestConfiguration" or have.get(field) in res.previous):
                continue  # a default display name replaces no object; a rename is one tag change (product.md 2)
            if field not in skip and want[field] != have.get(field):
                out.append(f"{res.address} {obj.arn}: {field} is {have.get(field)!r}, the manifest means {want[field]!r}")
        if "spec.tags" not in ignored and res.kind in TAGGED:
            want_tags = {**m.stack_tags, **res.spec.get("tags", {})}
            if user_tags(m, obj) != want_tags:
                out.append(f"{res.address} {obj.arn}: tags are {user_tags(m, obj)}, the manifest means {want_tags}")
        protect = obj.tags.get(OURS + "protect") == "true"
        if protect != bool(res.lifecycle.get("protect")):
            out.append(f"{res.address}: the protect tag is {obj.tags.get(OURS + 'protect')!r}")
        out += [f"{res.address} {obj.arn}: {problem}" for problem in record(obj, res)]
        if obj.raw.get("state") in ("CREATING", "CREATE_FAILED", "UPDATING"):
            out.append(f"{res.address}: state {obj.raw['state']}")
    keyed = {resolve("Channel", r.spec["channel"]) for r in m.of("StreamKey")}
    for obj in account.owned(m.stack):
        if obj.kind == "StreamKey" and obj.raw["channelArn"] not in keyed:
            continue  # product.md 2.1: keys of channels without a StreamKey manifest are never read
        if m.all and not m.get(obj.kind, obj.name):  # product.md 5: an empty manifest set never prunes
            out.append(f"{obj} is owned, but no manifest declares it")
    for channel in account.owned(m.stack, "Channel"):
        keys = [k for k in account.of("StreamKey") if k.raw["channelArn"] == channel.arn]
        if len(keys) != 1:
            out.append(f"{channel} has {len(keys)} stream keys")
    return out


def record(obj, res):
    """The ownership tags (docs/reliability.md, section 1): one record, or the separate tags of earlier versions."""
    found = parts(obj.tags)
    if OURS + "record" in obj.tags:
        left = sorted(k for k in obj.tags if k in {OURS + p for p in PARTS})
        if left:
            yield f"has a record and the separate tags {left}"
    if not re.fullmatch(r"[0-9a-f]{16}(\+\w+)?", found.get("digest", "")):
        yield f"no digest in {obj.tags}"
    if "op" not in found and res.kind != "StreamKey" and not res.lifecycle.get("adopt"):
        yield f"no attempt id in {obj.tags}"
    if res.kind == "StreamKey" and found.get("rotation") != res.spec.get("rotation"):
        yield f"rotation is {found.get('rotation')!r}, the manifest says {res.spec.get('rotation')!r}"


def replication(account, res, resolve):
    """A replication runs while its participant publishes on the source stage."""
    run = res.spec.get("run", "WHILE_STAGE_ACTIVE")
    ingests = [o for o in account.objects.values() if o.arn == resolve("IngestConfiguration", res.spec["participant"])]
    source, destination = resolve("Stage", res.spec["sourceStage"]), resolve("Stage", res.spec["destinationStage"])
    if not ingests:
        return []
    ingest = ingests[0]
    active = ingest.raw.get("state") == "ACTIVE" and ingest.raw.get("stageArn") == source
    running = (source, destination, ingest.raw["participantId"]) in account.replicas
    if active and running != (run != "STOPPED"):
        return [f"{res.address} (run {run}): {'runs' if running else 'does not run'} while its participant publishes"]
    return []


# What the message of a refusal has to name, so that a person knows what to change.
REMEDIES = {"Protected": "lifecycle.protect", "AdoptedObjectMissing": "lifecycle.adopt", "AmbiguousFormerNames": "previousNames",
            "LiveAudience": "onLive"}


def blocked(run):
    """The steps that a run calls blocked."""
    return [s for s in (run.json or {}).get("steps") or [] if s["decision"] == "blocked"]


def incomplete(obj):
    """With some of our tags, or a record that cannot be read (docs/glossary.md, ambiguous)."""
    if not any(k.startswith(OURS) for k in obj.tags):
        return False
    return not (obj.stack and obj.name and re.fullmatch(r"[0-9a-f]{16}(\+\w+)?", parts(obj.tags).get("digest", "")))


def former(before, m, res):
    """Objects of which each may be the resource before a rename: none has its present name, and no manifest declares theirs."""
    if before.owned(m.stack, res.kind, res.name):
        return []
    names = [n for n in res.previous if not m.get(res.kind, n)]
    return [o for n in names for o in before.owned(m.stack, res.kind, n)]


def refusals(run, before, m, partial):
    """Refusals against what the documents promise: one blocked step refuses the whole run (docs/glossary.md), each blocked step is one
    that the documents ask for, and what they ask for is blocked."""
    steps = blocked(run)
    if steps and run.rc != 4:
        yield f"exit {run.rc}, but a step is blocked: {[s['address'] for s in steps]}"
    if run.rc == 4 and not steps and "--confirm-deletes" not in run.err + run.out:
        yield f"exit 4, but no step is blocked: {run.err[-400:]}"
    for step in steps:
        reason, message = step["reason"], step["message"] or ""
        if not justified(step, before, m, {s["reason"] for s in steps}):
            yield f"{step['address']} is blocked, and the documents do not ask for that: {reason}: {message}"
        if REMEDIES.get(reason, "") not in message:
            yield f"{step['address']}: the refusal does not say what to change: {message}"
    refused = {(s["address"], s["reason"]) for s in steps}
    for step in run.json.get("steps") or []:
        res = m.get(step["kind"], step["name"])
        if step["decision"] == "deferred" and step["reason"] == "LiveAudience":
            obj = before.objects.get(step["arn"])
            if res and res.lifecycle.get("onLive") == "fail":
                yield f"{step['address']} is deferred, but its manifest says `onLive: fail`: {step['message']}"
            if obj is not None and not before.on_air(obj):
                yield f"{step['address']} is deferred, but is not on air: {step['message']}"
    if partial or run.rc not in (0, 3, 4):
        return
    for res in m.all.values():
        adopt = res.lifecycle.get("adopt")
        named = [o for n in [res.name, *res.previous] for o in before.owned(m.stack, res.kind, n)]
        if adopt and adopt not in before.objects and not named and (res.address, "AdoptedObjectMissing") not in refused:
            yield f"{res.address} adopts {adopt}, which does not exist, and the run does not refuse that"
        choices = former(before, m, res)
        others = {n for r in m.of(res.kind) if r is not res for n in r.previous}
        if len({o.name for o in choices if o.name not in others and "was" not in parts(o.tags)}) > 1 \
                and (res.address, "AmbiguousFormerNames") not in refused:
            yield f"{res.address} may be any of {choices}, and the run does not refuse to choose"


def justified(step, before, m, reasons):
    """Whether the documents ask for this refusal."""
    reason, res, obj = step["reason"], m.get(step["kind"], step["name"]), before.objects.get(step["arn"])
    same = before.owned(m.stack, step["kind"], step["name"])
    if reason == "Protected":  # README.md: never deleted or replaced
        return bool(res and res.lifecycle.get("protect")) or bool(obj and obj.tags.get(OURS + "protect") == "true")
    if reason == "HoldsProtectedKey":  # docs/service.md, stream keys: what protects a key is a tag on it
        return any(k.raw["channelArn"] == step["arn"] and k.tags.get(OURS + "protect") == "true" for k in before.of("StreamKey"))
    if reason == "LiveAudience":  # product.md 4.1: `fail` exits 4
        return bool(res and res.lifecycle.get("onLive") == "fail") and (obj is None or before.on_air(obj))
    if reason == "AmbiguousFormerNames":  # product.md 2: a rename is one tag change, so of one object
        return len({o.name for o in former(before, m, res)}) > 1
    if reason == "AdoptedObjectMissing":  # product.md 2: takes over this existing object, if nothing is owned under this name
        return bool(res.lifecycle.get("adopt")) and res.lifecycle["adopt"] not in before.objects and not same
    if reason == "NameTaken":  # and what has the name stays, since the run does not prune, or may not replace it
        return bool(same)
    if reason == "IncompleteTags":  # docs/glossary.md: ambiguous, never written
        return any(incomplete(o) for o in before.of(step["kind"]))
    if reason == "SameTags" or reason.startswith("Duplicate") or reason == "HasDuplicate":  # docs/reliability.md, section 2
        return len(same) > 1
    return False


def held(account, stack):
    """Our objects that others use: {ARN: [(user, field)]}, those of channels of others and our stages with an ingest configuration of no
    owner. They cannot be deleted (docs/reliability.md, I8)."""
    out = {}
    for channel in account.of("Channel"):
        for field in CHANNEL_REFS:
            target = account.objects.get(channel.raw.get(field + "Arn"))
            if channel.stack != stack and target is not None and target.stack == stack:
                out.setdefault(target.arn, []).append((channel, field + "Arn"))
    for ingest in account.of("IngestConfiguration"):
        target = account.objects.get(ingest.raw.get("stageArn"))
        if not any(k.startswith(OURS) for k in ingest.tags) and target is not None and target.stack == stack:
            out.setdefault(target.arn, []).append((ingest, "stageArn"))
    return out


def says_held(run, held):
    """A run deletes none of the stages that are held, and says of each which ingest configurations refer to it."""
    steps = {s["arn"]: s for s in (run.json or {}).get("steps") or [] if s["action"] == "delete"}
    for arn, uses in held.items():
        ingests = sorted(user.arn for user, _ in uses if user.kind == "IngestConfiguration")
        step = steps.get(arn)
        if not ingests:
            continue
        if step is None or step["decision"] != "deferred" or step["reason"] != "StillReferredTo" \
                or not all(ingest in step["message"] for ingest in ingests):
            yield f"{arn} is used by {ingests}, which the run does not give as the reason to keep it: {step}"


def untouched(account, foreign):
    """Foreign objects are what they were."""
    out = []
    for arn, frozen in foreign.items():
        now = account.objects.get(arn)
        if now is None:
            out.append(f"foreign object {frozen[0]} {arn} is gone")
        elif now.frozen() != frozen:
            out.append(f"foreign object {frozen[0]} {arn} was changed: {frozen[2:]} is now {now.frozen()[2:]}")
    return out


def cut_off(before, after, m, allowed, streams):
    """Who was live before and is not any more, without consent. `allowed`: addresses of
    `--allow-live`; `streams`: ids of the streams that the tester itself began."""
    consented = set()
    for address in allowed:
        kind, name = address.split("/", 1)
        res = m.get(kind, name)
        if res is None or res.lifecycle.get("onLive") == "interrupt":
            consented.add(address)

    def address(obj):
        return f"{obj.kind}/{obj.name}" if obj is not None and obj.stack == m.stack else None

    def victims(key):
        what, arn = key[0], key[1]
        obj = before.objects.get(arn)
        yield address(obj)
        if what == "stream":
            for composition in before.of("Composition"):
                if any((d["configuration"].get("channel") or {}).get("channelArn") == arn for d in composition.raw["destinations"]):
                    yield address(composition)
                    yield address(before.objects.get(composition.raw["stageArn"]))
        elif what == "participant":
            for ingest in before.of("IngestConfiguration"):
                if ingest.raw["participantId"] == key[2]:
                    yield address(ingest)
        elif what == "replica":
            yield from (a for a in consented if a.startswith("ParticipantReplication/"))
            yield address(before.objects.get(key[2]))
            for ingest in before.of("IngestConfiguration"):
                if ingest.raw["participantId"] == key[3]:
                    yield address(ingest)
        elif what == "ingest":
            yield address(before.objects.get(obj.raw.get("stageArn")))
        elif what == "composition":
            yield address(before.objects.get(obj.raw["stageArn"]))

    out = []
    old, new = before.live(), after.live()
    for key, value in old.items():
        if key[0] == "stream" and value not in streams:
            continue  # a composition's own stream: the composition is watched instead
        if new.get(key) == value:
            continue
        if key[0] == "composition" and key[1] in after.objects:
            continue
        if key[0] == "participant" and before.participants[key[1:]].get("replicationType") == "REPLICA":
            continue
        if not consented & set(victims(key)):
            out.append(f"cut off without consent: {key} ({before.objects.get(key[1])}); consent was given for {sorted(consented)}")
    return out


def still_on_air(before, after, m, steps):
    """A composition that ran, and should run, runs after a run that ended well, unless the report says otherwise."""
    out = []
    said = {s["name"] for s in steps if s["kind"] == "Composition" and s["decision"] != "do"}
    for res in m.of("Composition"):
        ran = before.owned(m.stack, "Composition", res.name)
        if not ran or res.name in said or res.spec.get("run") == "STOPPED":
            continue
        stages = after.owned(m.stack, "Stage", res.spec["stage"])
        if len(stages) == 1 and after.publishing(stages[0].arn) and before.publishing(stages[0].arn) \
                and not after.owned(m.stack, "Composition", res.name):
            out.append(f"{res.address} was running and is off the air, and the report does not say so")
    return out


def copies(after, m):
    """Names that exist more than once."""
    return [f"{r.address} exists {n} times" for r in m.all.values() if r.kind in TAGGED
            and (n := len(after.owned(m.stack, r.kind, r.name))) > 1]


def nothing_written(before, after):
    """Two worlds are the same, but for what time does."""
    out = []
    for arn, obj in before.objects.items():
        if obj.kind == "Composition":
            continue
        now = after.objects.get(arn)
        if now is None:
            out.append(f"{obj} is gone")
        elif now.frozen() != obj.frozen():
            out.append(f"{obj} was changed: {obj.frozen()[2:]} -> {now.frozen()[2:]}")
    out += [f"{obj} was made" for arn, obj in after.objects.items() if arn not in before.objects]
    return out


def kept(before, after, m, pruned):
    """Deletes need `--prune`; protected objects stay."""
    out = []
    for arn, obj in before.objects.items():
        if obj.stack != m.stack or arn in after.objects or obj.kind == "Composition":
            continue
        res = m.get(obj.kind, obj.name) or next((r for r in m.of(obj.kind) if obj.name in r.previous), None)
        if not pruned and res is None and obj.kind != "StreamKey":
            out.append(f"{obj} was deleted without --prune")
        if obj.tags.get(OURS + "protect") == "true" and (res is None or res.lifecycle.get("protect")):
            out.append(f"{obj} was deleted although it is protected")
    return out
