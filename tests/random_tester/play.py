"""One round: a seed, a list of steps, the verdict."""

import os
import pathlib
import random
import shutil
import signal
import stat
import tempfile
import threading
import time

from . import judge, moves
from .emulator import Ticker
from .manifests import CHANNEL_REFS, NAMES, TAGGED, Res, edit, generate
from .account import OURS, Account, Fast

STACK = "tested"
STEPS = ["apply", "edit", "hand", "audience", "fault", "kill", "together", "save", "saved", "drift", "export", "clock",
         "interrupt", "goeslive", "handduring", "adopt", "selection", "older", "borrow"]
WEIGHTS = [22, 30, 14, 16, 12, 8, 5, 3, 4, 4, 2, 3, 3, 4, 3, 3, 3, 4, 4]


class Round:
    """Plays one seed. `skip`: numbers of steps left out; `drop`: manifests left out from the beginning."""

    def __init__(self, seed, emulator, clients, program, skip=(), drop=(), only=None):
        self.seed, self.emulator, self.clients, self.program = seed, emulator, clients, program
        self.skip, self.drop = set(skip), set(drop)
        self.only = only
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rt-"))
        self.dir = self.folder / "manifests"
        self.complaints = []
        self.settled, self.excused = {}, set()
        self.stripped, self.clones = {}, set()
        self.secrets = set()
        self.saved = []
        self.ignored_tags = {}
        self.older, self.now, self.borrowed = None, {}, {}
        self.last, self.fast = None, Fast(emulator.url)
        self.streams = set()  # ids of streams that we began

    # --- bookkeeping ----------------------------------------------------------------------------

    def note(self, text):
        self.program.note(text)

    def complain(self, texts):
        for text in [texts] if isinstance(texts, str) else texts:
            self.program.complain(text)

    def account(self):
        self.last = account = Account(self.fast)
        self.secrets |= account.secrets
        return account

    def same_account(self):
        """The last snapshot, where nothing but time has passed since."""
        return self.last or self.account()

    def write(self):
        if self.dir.exists():
            shutil.rmtree(self.folder / "older", ignore_errors=True)
            shutil.copytree(self.dir, self.folder / "older")
            self.older = self.now
        self.m.write(self.dir)
        self.now = {r.key: r.document() for r in self.m.all.values()}
        self.note("manifests are now:\n" + self.m.text())

    def excuse(self, obj_or_key):
        key = obj_or_key if isinstance(obj_or_key, tuple) else (obj_or_key.kind, obj_or_key.name)
        self.excused.add(key)
        if key[0] == "Channel":
            for res in self.m.of("StreamKey"):
                if res.spec["channel"] == key[1]:
                    self.excused.add(res.key)

    def excuse_object(self, obj):
        """As `excuse`, also under the name that a rename in the manifests has given the object since."""
        self.excuse(obj)
        for key, arn in self.settled.items():
            if arn == obj.arn:
                self.excuse(key)

    # --- the round ------------------------------------------------------------------------------

    def play(self):
        try:
            self.program.begin()
            self.emulator.reset()
            self._play()
        finally:
            self.complaints += self.program.complaints
            self.scan_outputs()
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.complaints

    def _play(self):
        rnd = random.Random(f"{self.seed}:make")
        account = moves.foreign_objects(rnd, self.clients, self.emulator, NAMES)
        self.foreign = {o.arn: o.frozen() for o in account.objects.values()}
        self.unowned = [o for o in account.objects.values() if not o.stack]
        self.m = generate(rnd, STACK, [o for o in self.unowned if o.kind in CHANNEL_REFS.values()])
        self.size = [r.address for r in self.m.all.values()]
        for address in self.drop:
            self.m.remove(tuple(address.split("/", 1)))
        self.write()
        self.plan = ["apply" if rnd.random() < 0.6 else rnd.choice(["fault", "kill", "kill", "interrupt", "together", "together"])]
        for _ in range(rnd.choice([1, 2, 3, 4, 6])):
            self.plan.append(rnd.choices(STEPS, WEIGHTS)[0])
        if self.only:
            self.plan = list(self.only)
        self.note(f"steps: {list(enumerate(self.plan))}")
        for number, step in enumerate(self.plan):
            if number in self.skip:
                continue
            self.note(f"===== step {number}: {step}")
            getattr(self, "step_" + step)(random.Random(f"{self.seed}:{number}"))
            if self.program.complaints:
                self.note("complaints so far, the round ends here: " + "\n".join(self.program.complaints))
                return
        self.finals(random.Random(f"{self.seed}:end"))

    # --- applies --------------------------------------------------------------------------------

    def arguments(self, rnd):
        """Random flags of an apply: (arguments, pruned, allowed)."""
        args, allowed = ["--yes", "-f", str(self.dir)], []
        pruned = bool(self.m.prune)
        if rnd.random() < 0.65:
            args.append("--prune")
            pruned = True
        elif rnd.random() < 0.1:
            args.append("--prune=false")
            pruned = False
        if rnd.random() < 0.1:
            args += ["--refresh", "full"]
        if rnd.random() < 0.35:
            pool = [r.address for r in self.m.all.values() if r.kind in ("Channel", "Stage", "Composition", "IngestConfiguration", "ParticipantReplication")]
            pool += [f"{o.kind}/{o.name}" for o in self.same_account().owned(STACK) if (o.kind, o.name) not in self.m.all and o.kind in ("Channel", "Stage", "Composition", "IngestConfiguration")]
            allowed = sorted(a for a in set(pool) if rnd.random() < 0.5)
            for address in allowed:
                args += ["--allow-live", address]
        if rnd.random() < 0.6:
            args += ["--format", "json"]
        return args, pruned, allowed

    def apply(self, rnd, what="apply", args=None, during=None, others=1, killed=None, faulted=False, older=False):
        """One apply (or several at once), with everything that must hold around it."""
        if args is None:
            args, pruned, allowed = self.arguments(rnd)
        else:
            args, pruned, allowed = args
        before = self.same_account()
        extra = None
        with Ticker(self.emulator):
            lines = [args] * others
            if older:
                lines[rnd.randrange(others)] = [str(self.folder / "older") if a == str(self.dir) else a for a in args]
            started = [self.program.start("apply", *line) for line in lines]
            if killed is not None:
                time.sleep(rnd.choice([rnd.uniform(0.01, 0.15), rnd.uniform(0.1, 0.8)]))
                for _, process, _ in started:
                    process.send_signal(killed)
            if during:
                time.sleep(rnd.uniform(0.02, 0.5))
                extra = during()
            if others > 1:
                runs = [None] * others

                def wait(i):
                    runs[i] = self.program.finish(started[i], what)
                threads = [threading.Thread(target=wait, args=(i,)) for i in range(others)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join(450)
            else:
                runs = [self.program.finish(started[0], what, killed)]
        self.emulator.no_faults()
        if killed == signal.SIGKILL:
            time.sleep(0.05)
        after = self.account()
        if extra:
            before.streams.update(extra)
        partial = any(a in ("--only", "--exclude", "-l") for a in args)
        if older:
            for key in set(self.now) | set(self.older):
                if self.now.get(key) != self.older.get(key):
                    self.excuse(key)
        if pruned and not partial:
            for o in before.owned(STACK):
                if (o.kind, o.name) not in self.m.all:
                    self.excuse(o)
        self.complain(judge.cut_off(before, after, self.m, allowed, self.streams))
        self.complain(judge.untouched(after, self.foreign))
        if during is None or extra is not None:
            self.complain(judge.kept(before, after, self.m, pruned and not partial))
        if others == 1 and during is None and runs[0].rc in (1, 4, 5):
            self.complain([f"exit {runs[0].rc} means that nothing was written, but {t}" for t in judge.nothing_written(before, after)])
        self.stable(after)
        calm = during is None and killed is None and not faulted
        if others > 1 and calm and not older and not judge.copies(before, self.m) and all(run.rc == 0 for run in runs):
            self.complain([f"{others} runs at once all answer 0, and {t}" for t in judge.copies(after, self.m)])
        if others == 1 and calm and runs[0].rc == 0 and runs[0].json and not partial:
            self.complain(judge.still_on_air(before, after, self.m, runs[0].json["steps"]))
        if others == 1 and calm and what == "apply" and runs[0].json:
            self.complain(judge.refusals(runs[0], before, self.m, partial))
        if others == 1 and calm and runs[0].rc == 0:
            self.claims(runs[0], after)
            for res in self.m.all.values():
                if res.key not in self.excused and res.key not in self.settled:
                    objects = after.owned(STACK, res.kind, res.name)
                    if len(objects) == 1:
                        self.settled[res.key] = objects[0].arn
        if runs[0].rc == 1 and "error[E" in runs[0].err:
            self.complain("the manifests are not valid (tester's mistake or the validator's):\n" + runs[0].err)
        if runs[0].rc == 1 and partial and "matches nothing" in runs[0].err:
            return runs[0]
        if runs[0].rc == 1 and not faulted and killed is None and others == 1 and during is None:
            self.complain("exit 1 without a fault: " + runs[0].err[-600:])
        if runs[0].rc == 3 and not faulted and killed is None and others == 1 and during is None:
            self.complain("exit 3 without a fault: " + runs[0].err[-800:])
        return runs[0] if others == 1 else runs

    def stable(self, after):
        """What was one object is never replaced without a reason (reliability.md, I2)."""
        for key, arn in list(self.settled.items()):
            res = self.m.all.get(key)
            if res is None or key in self.excused or key[0] in ("Composition", "ParticipantReplication"):
                continue
            if arn not in after.objects:
                self.complain(f"{key[0]}/{key[1]} was {arn}, which is gone, and nothing asked for that")

    def claims(self, run, after):
        """`done` of a create or replace names an object that is there."""
        if not run.json:
            return
        for step in run.json.get("steps", []):
            if step.get("status") == "done" and step["action"] in ("create", "replace") and step["arn"] \
                    and step["kind"] not in ("Composition", "ParticipantReplication") and step["arn"] not in after.objects:
                if step["action"] == "create":
                    self.complain(f"{step['address']}: create is `done` with {step['arn']}, which does not exist")
            if step.get("status") == "done" and step["action"] == "delete" and step["arn"] in after.objects and step["kind"] != "Composition":
                self.complain(f"{step['address']}: delete of {step['arn']} is `done`, but it exists")

    # --- steps ----------------------------------------------------------------------------------

    def step_apply(self, rnd):
        run = self.apply(rnd)
        if run.rc == 4 and "--confirm-deletes" in run.err + run.out and rnd.random() < 0.7:
            import re
            number = re.search(r"--confirm-deletes (\d+)", run.err + run.out).group(1)
            self.apply(rnd, args=(["--yes", "-f", str(self.dir), "--prune", "--confirm-deletes", number], True, []))
        elif judge.blocked(run) and rnd.random() < 0.5:
            told, allowed = self.as_told(run)
            if told:
                args = ["--yes", "-f", str(self.dir), "--format", "json"] + [a for x in allowed for a in ("--allow-live", x)]
                self.again(told, self.apply(rnd, args=(args, bool(self.m.prune), allowed)))

    def as_told(self, run):
        """What a person does after a refusal: what the message of each blocked step asks for.
        Answers what was done, as (address, reason), and the addresses that `--allow-live` has to name now."""
        told, allowed = [], []
        account = self.same_account()
        for step in judge.blocked(run):
            key, reason = (step["kind"], step["name"]), step["reason"]
            res = self.m.all.get(key)
            if reason == "HoldsProtectedKey":
                held = {o.name for o in account.of("StreamKey") if o.raw["channelArn"] == step["arn"]}
                res = next((r for r in self.m.of("StreamKey") if r.lifecycle.get("protect") and held & {r.name, *r.previous}), None)
            if res is None:
                continue
            if reason in ("Protected", "HoldsProtectedKey") and res.lifecycle.pop("protect", None):
                self.note(f"as the refusal asks for: {res.address} is not protected any more")
            elif reason == "AdoptedObjectMissing" and res.lifecycle.pop("adopt", None):
                self.settled.pop(key, None)
                self.note(f"as the refusal asks for: {res.address} adopts nothing any more")
            elif reason == "AmbiguousFormerNames":
                choices = judge.former(account, self.m, res)
                mine = [o.name for o in choices if o.arn == self.settled.get(key)]
                if not mine:  # whichever it was before, that object is not there any more
                    mine = [choices[0].name]
                    self.excuse(key)
                gone = {o.name for o in choices} - set(mine)
                res.previous = [n for n in res.previous if n not in gone]
                self.note(f"as the refusal asks for: {res.address} was not {sorted(gone)}")
            elif reason == "LiveAudience":
                res.lifecycle["onLive"] = "interrupt"
                allowed.append(res.address)
                self.note(f"as the refusal asks for: {res.address} may be interrupted")
            else:
                continue
            told.append((step["address"], reason))
        if told:
            self.write()
        return told, allowed

    def again(self, told, run):
        """A refusal does not recur after the change that it asks for."""
        for step in judge.blocked(run):
            if (step["address"], step["reason"]) in told:
                self.complain(f"{step['address']} was changed as the refusal asks for ({step['reason']}), and is refused again: {step['message']}")

    def step_edit(self, rnd):
        for _ in range(rnd.choice([1, 1, 2, 4])):
            text, keys = edit(rnd, self.m, [o for o in self.unowned if o.arn in self.foreign and o.kind in CHANNEL_REFS.values()])
            self.note("edit: " + text)
            for key in keys:
                if key[0] == "rename":
                    moved = key[1]
                    arns = {new: self.settled.pop(old, None) for old, new in moved.items()}
                    for new, arn in arns.items():
                        self.settled.pop(new, None)
                        if arn:
                            self.settled[new] = arn
                    may = {new for old, new in moved.items() if old in self.excused}
                    self.excused = self.excused - set(moved.values()) | may
                elif key[0] == "forget":
                    # Only where the renames have been carried out; else these would be other objects.
                    objects = self.same_account().objects
                    if all(k in self.m.all and self.settled.get(k) in objects and objects[self.settled[k]].name == k[1] for k in key[1]):
                        for k in key[1]:
                            self.m.all[k].previous = []
                else:
                    self.excuse(key)
        self.write()
        if rnd.random() < 0.6:
            self.note("and apply")
            self.step_apply(rnd)

    def hand(self, rnd):
        """One hand change of an owned object; answers (object, what) or None."""
        account = self.same_account()
        self.last = None
        owned = [o for o in account.owned(STACK) if o.arn not in self.stripped and o.arn not in self.clones
                 and len(account.owned(STACK, o.kind, o.name)) == 1]
        if not owned:
            return None
        obj = rnd.choice(owned)
        what = rnd.choices(["field", "tags", "delete", "strip", "stripall", "clone", "ignored", "earlier", "garble"],
                           [40, 22, 16, 4, 2, 2, 8, 6, 2])[0]
        if what == "field":
            done = moves.quietly(moves.hand_field, rnd, self.clients, obj)
        elif what == "tags":
            done = moves.quietly(moves.hand_tags, rnd, self.clients, obj)
        elif what == "delete":
            done = self.hand_delete(obj)
            if done is None:
                return None
        elif what == "strip":
            if obj.kind == "StreamKey":
                return None
            done = self.hand_strip(rnd, obj, False)
        elif what == "stripall":
            if obj.kind in ("StreamKey", "PlaybackKeyPair", "PublicKey", "Composition"):
                return None
            done = self.hand_strip(rnd, obj, True)
        elif what == "clone":
            done = moves.quietly(moves.clone_tags, self.clients, obj)
            if isinstance(done, str):
                self.clones.add(done)
                self.excuse_object(obj)
        elif what == "earlier":
            done = moves.quietly(moves.earlier_tags, self.clients, obj)
        elif what == "garble":
            if obj.kind == "StreamKey" or OURS + "record" not in obj.tags:
                return None
            self.excuse_object(obj)
            self.stripped[obj.arn] = (obj, {OURS + "record": obj.tags[OURS + "record"]})
            done = moves.quietly(moves.garble, rnd, self.clients, obj)
        else:
            if not self.m.ignore_tags:
                return None
            done = moves.quietly(moves.tag, self.clients, obj, {"cost:center": "42"}) or "cost:center"
            self.ignored_tags[obj.arn] = {"cost:center": "42"}
        self.note(f"by hand: {what} of {obj}: {done}")
        return obj, what, done

    def hand_delete(self, obj):
        """Deletes an object by hand; None where it has an audience."""
        account = self.same_account()
        if obj.arn in account.streams or account.publishing(obj.arn):
            return None
        self.excuse_object(obj)
        if obj.kind == "Channel":
            for key in account.of("StreamKey"):
                if key.raw["channelArn"] == obj.arn and key.name:
                    self.excuse(key)
        self.last = None
        return moves.quietly(moves.hand_delete, self.clients, obj) or "deleted"

    def hand_strip(self, rnd, obj, everything):
        """One of our tags, or all of them, taken off."""
        self.excuse_object(obj)
        keys = [k for k in obj.tags if k.startswith(OURS)]
        if not everything:
            keys = rnd.sample([k for k in keys if k != OURS + "protect"] or keys, 1)
        self.stripped[obj.arn] = (obj, {k: obj.tags[k] for k in keys})
        self.last = None
        return moves.quietly(moves.untag, self.clients, obj, keys) or f"without {keys}"

    def step_hand(self, rnd):
        for _ in range(rnd.choice([1, 1, 2])):
            self.hand(rnd)
        if rnd.random() < 0.5:
            self.step_apply(rnd)

    def step_audience(self, rnd):
        for _ in range(rnd.choice([1, 2, 4])):
            self.note("audience: " + moves.audience(rnd, self.emulator, self.same_account(), STACK, self.streams))
            self.last = None
        if rnd.random() < 0.6:
            self.step_apply(rnd)

    def step_fault(self, rnd):
        faults = [moves.random_fault(rnd) for _ in range(rnd.choice([1, 1, 2, 3]))]
        args = self.arguments(rnd)
        before = self.same_account()
        for fault in faults:
            self.emulator.fault(**fault)
        self.note(f"faults: {faults}")
        self.apply_faulted(rnd, args, before)

    def apply_faulted(self, rnd, args, before):
        """As `apply`, but the snapshot before must be taken without faults."""
        args, pruned, allowed = args
        with Ticker(self.emulator):
            run = self.program.finish(self.program.start("apply", *args), "apply")
        self.emulator.no_faults()
        time.sleep(0.02)
        after = self.account()
        if pruned:
            for o in before.owned(STACK):
                if (o.kind, o.name) not in self.m.all:
                    self.excuse(o)
        self.complain(judge.cut_off(before, after, self.m, allowed, self.streams))
        self.complain(judge.untouched(after, self.foreign))
        self.complain(judge.kept(before, after, self.m, pruned))
        if run.rc in (1, 4, 5):
            self.complain([f"exit {run.rc} means that nothing was written, but {t}" for t in judge.nothing_written(before, after)])
        self.stable(after)
        if run.rc == 0:
            self.claims(run, after)

    def step_kill(self, rnd):
        self.apply(rnd, killed=signal.SIGKILL)
        if rnd.random() < 0.5:
            self.apply(rnd, killed=signal.SIGKILL)

    def step_interrupt(self, rnd):
        self.apply(rnd, killed=rnd.choice([signal.SIGINT, signal.SIGTERM]))

    def step_together(self, rnd):
        self.apply(rnd, others=rnd.choice([2, 2, 4]))

    def step_older(self, rnd):
        """Two runs at once, one of them with the manifests as they were before the last edit."""
        if not self.older:
            return
        args, pruned, _ = self.arguments(rnd)
        plain = [a for i, a in enumerate(args) if a != "--allow-live" and (i == 0 or args[i - 1] != "--allow-live")]
        self.apply(rnd, args=(plain, pruned, []), others=2, older=True)

    def step_borrow(self, rnd):
        """An unowned channel gets a reference to a configuration of the stack, by hand."""
        account = self.same_account()
        channels = [o for o in self.unowned if o.arn in self.foreign and o.kind == "Channel" and o.arn not in account.streams]
        targets = [o for o in account.owned(STACK) if o.kind in ("RecordingConfiguration", "PlaybackRestrictionPolicy", "FailoverSlateConfiguration")]
        if channels and targets:
            channel, target = rnd.choice(channels), rnd.choice(targets)
            field = target.kind[0].lower() + target.kind[1:] + "Arn"
            if field in ("recordingConfigurationArn", "playbackRestrictionPolicyArn", "failoverSlateConfigurationArn"):
                done = moves.quietly(self.clients.ll.update_channel, arn=channel.arn, **{field: target.arn})
                self.note(f"{channel} now uses {target}: {type(done).__name__}")
                self.borrowed.setdefault(channel.arn, {})[field] = channel.raw.get(field, "")
                self.foreign[channel.arn] = self.account().objects[channel.arn].frozen()
        self.step_apply(rnd)

    def step_goeslive(self, rnd):
        """A channel goes live while an apply runs: it must still be on air when the run ends."""
        account = self.same_account()
        channels = [c for c in account.of("Channel") if c.arn not in account.streams]
        if not channels:
            return
        channel = rnd.choice(channels)

        def live():
            done = self.emulator.control("POST", "streams", {"channelArn": channel.arn, "viewerCount": 3}, quiet=True)
            self.note(f"{channel} goes live meanwhile: {done}")
            if done:
                self.streams.add(done["streamId"])
            return {channel.arn: done["streamId"]} if done else {}
        self.apply(rnd, during=live)

    def step_handduring(self, rnd):
        self.apply(rnd, during=lambda: (self.hand(rnd), None)[1])

    def step_clock(self, rnd):
        seconds = rnd.choice([5, 70, 400, 1000])
        self.emulator.advance(seconds)
        self.last = None
        self.note(f"{seconds} s pass")

    def step_selection(self, rnd):
        args, _, allowed = self.arguments(rnd)
        # A label that no manifest has is an error.
        teams = [team for team in "ab" if f"team: {team}\n" in self.m.text()]
        labelled = ["-l", f"team={teams[0]}"] if teams else ["--only", "*/main"]
        args += rnd.choice([["--only", "Channel/*"], ["--only", "Stage/*"], ["--exclude", "Channel/*"], labelled,
                            ["--exclude", "Composition/*"], ["--only", "*/main"]])
        self.apply(rnd, args=(args, False, allowed))

    def step_save(self, rnd):
        path = self.folder / f"plan{len(self.saved)}.json"
        args = ["-f", str(self.dir), "--out", str(path)] + (["--prune"] if rnd.random() < 0.6 else [])
        run = self.program.run("plan", "plan", *args)
        if not path.exists():
            if run.rc == 0:
                self.complain("plan --out answered 0 and wrote no file")
            return
        if stat.S_IMODE(os.stat(path).st_mode) != 0o600:
            self.complain(f"the saved plan has mode {oct(stat.S_IMODE(os.stat(path).st_mode))}")
        text = path.read_text()
        import json
        for problem in list(self.program.plan_schema.iter_errors(json.loads(text)))[:2]:
            self.complain(f"the saved plan is not valid by schemas/plan.json: {list(problem.absolute_path)}: {problem.message[:300]}")
        self.note("saved plan:\n" + text)
        self.saved.append((path, self.m.text(), self.same_account(), "--prune" in args or bool(self.m.prune)))

    def step_saved(self, rnd):
        if not self.saved:
            self.step_save(rnd)
            if rnd.random() < 0.5 or not self.saved:
                return
        path, text, then, pruned = self.saved.pop()
        now = self.same_account()
        same = text == self.m.text() and not judge.nothing_written(then, now) and then.live() == now.live() \
            and {o.arn for o in then.of("Composition")} == {o.arn for o in now.of("Composition")}
        run = self.apply(rnd, what="applyplan", args=([str(path), "-f", str(self.dir)], pruned, []))
        if same and run.rc == 5:
            self.complain("a saved plan is called stale, but neither manifests nor account changed")

    def step_drift(self, rnd):
        """Where drift is silent, one hand change makes it speak."""
        run = self.program.run("drift", "drift", "-f", str(self.dir), "--format", "json")
        if run.rc != 0 or (run.json and (run.json.get("notDrift") or {}).get("pending")):
            return
        plan = self.program.run("plan", "plan", "-f", str(self.dir), "--prune", "--detailed-exitcode", "--format", "json")
        if plan.rc != 0:
            return
        pending = None
        if rnd.random() < 0.25:  # beside a pending change of another resource
            pending = rnd.choice([r for r in self.m.all.values() if r.kind in TAGGED] or [None])
            if pending:
                pending.spec["tags"] = {**pending.spec.get("tags", {}), "pending": str(rnd.randint(0, 99))}
                self.note(f"edit: a tag of {pending.address}")
                self.write()
        done = None
        for _ in range(8):
            account = self.same_account()
            owned = [o for o in account.owned(STACK) if o.kind != "Composition" and self.m.get(o.kind, o.name)
                     and self.m.get(o.kind, o.name) is not pending and o.arn not in self.stripped
                     and not self.m.get(o.kind, o.name).lifecycle.get("ignoreChanges")]
            if not owned:
                return
            obj = rnd.choice(owned)
            what = rnd.choices(["field", "tags", "delete", "strip", "stripall"], [35, 20, 30, 8, 7])[0]
            if what == "field":
                done = moves.quietly(moves.hand_field, rnd, self.clients, obj)
            elif what == "tags":
                done = moves.quietly(moves.hand_tags, rnd, self.clients, obj)
            elif what == "delete":
                done = self.hand_delete(obj)
            elif obj.kind not in ("StreamKey", "PlaybackKeyPair", "PublicKey"):
                done = self.hand_strip(rnd, obj, what == "stripall")
            self.last = None
            if isinstance(done, str):
                break
        if not isinstance(done, str):
            return
        self.note(f"by hand: {done} of {obj}")
        if not self.same_account().owned(STACK):
            return  # a stack of which nothing is there is one that was never applied
        run = self.program.run("drift", "drift", "-f", str(self.dir), *(["--format", "json"] if rnd.random() < 0.5 else []))
        if run.rc != 2:
            self.complain(f"{done} of {obj} was changed by hand, and drift answers {run.rc}")
        elif f"{obj.kind}/{obj.name}" not in run.out:
            self.complain(f"{done} of {obj} was changed by hand, and drift does not name it")

    def step_export(self, rnd):
        """Exported, then planned, is no change."""
        out = self.folder / f"export{rnd.randint(0, 999999)}"
        before = self.same_account()
        run = self.program.run("export", "export", "-v", "--stack", "exported", "--out", str(out))
        if run.rc != 0:
            self.complain(f"export answers {run.rc} without a fault: {run.err[-400:]}")
            return
        # A stream key comes with its channel, and is exported with that. What acts on another owner's object is left out, and named.
        exported = [o for o in before.objects.values() if not o.stack and o.kind != "StreamKey" and f"left out: {o.arn}:" not in run.err]
        if not out.exists() and not exported:
            return  # there was nothing to export
        check = self.program.run("validate", "validate", "-f", str(out))
        text = "\n".join(p.read_text() for p in sorted(out.glob("*.yaml")))
        if check.rc != 0:
            self.complain(f"what export wrote is not valid: {check.err[-600:]}\n{text}")
            return
        plan = self.program.run("plan", "plan", "-f", str(out), "--prune", "--format", "json")
        after = self.account()
        if judge.nothing_written(before, after):
            self.complain("export or plan wrote something")
        if plan.json and plan.rc == 0:
            wrong = [s["address"] for s in plan.json["steps"] if s["action"] not in ("adopt",) and s["decision"] == "do"]
            wrong += [s["address"] for s in plan.json["steps"] if s["action"] == "adopt" and s["fields"]]
            if wrong:
                self.complain(f"exported, then planned, is a change: {wrong}\n{text}")
        elif plan.rc != 0:
            self.complain(f"planning what export wrote answers {plan.rc}: {plan.err[-600:]}\n{text}")
        for secret in before.secrets:
            if secret in text:
                self.complain("export wrote a secret")

    def step_adopt(self, rnd):
        """Take over an unowned object."""
        from .manifests import Maker
        pool = [o for o in self.unowned if o.arn in self.foreign and o.kind in ("Channel", "PlaybackRestrictionPolicy", "Stage")]
        if not pool:
            return
        obj = rnd.choice(pool)
        maker = Maker(rnd, self.m)
        res = Res(obj.kind, self.m.fresh_name(rnd, obj.kind), maker.spec(obj.kind))
        res.lifecycle["adopt"] = obj.arn
        self.m.add(res)
        self.release(obj)
        self.settled[res.key] = obj.arn
        self.note(f"adopt {obj.arn} as {res.address}")
        self.write()
        self.step_apply(rnd)

    def release(self, obj):
        """No longer foreign."""
        self.foreign.pop(obj.arn, None)
        self.unowned = [o for o in self.unowned if o.arn != obj.arn]
        if obj.kind == "Channel":
            account = self.same_account()
            for key in account.of("StreamKey"):
                if key.raw["channelArn"] == obj.arn:
                    self.foreign.pop(key.arn, None)

    # --- the end --------------------------------------------------------------------------------

    def finals(self, rnd):
        """Faults off, no audiences, time passes; at most three clean applies; then the judge."""
        import re
        self.note("===== the end: clean runs")
        self.emulator.no_faults()
        account = self.account()
        moves.all_leave(self.emulator, account)
        for arn, (obj, tags) in self.stripped.items():
            if arn in account.objects:
                moves.quietly(moves.tag, self.clients, obj, tags)
        for arn in self.clones:
            if arn in account.objects:
                moves.quietly(moves.hand_delete, self.clients, account.objects[arn])
        for arn, fields in self.borrowed.items():
            if arn in self.foreign:
                self.clients.ll.update_channel(arn=arn, **fields)
                self.foreign[arn] = self.account().objects[arn].frozen()
        self.emulator.advance(1000)
        account = self.account()
        self.lift(account)
        held = {arn: uses for arn, uses in judge.held(account, STACK).items()
                if not any(account.objects[arn].name in [r.name, *r.previous] for r in self.m.of(account.objects[arn].kind))}
        if self.m.all and any(user.kind == "IngestConfiguration" for uses in held.values() for user, _ in uses):
            plan = self.program.run("plan", "plan", "--prune", "-f", str(self.dir), "--format", "json")
            if not judge.blocked(plan):
                self.complain(judge.says_held(plan, held))
        self.detach(held)
        start = account
        confirm, allow, told = [], [], []
        runs = waits = 0
        while runs < 3:
            before = self.account()
            with Ticker(self.emulator):
                run = self.program.run("apply", "apply", "--yes", "--prune", "-f", str(self.dir), "--format", "json", *confirm, *allow)
            if run.rc == 4:
                self.complain([f"exit 4 means that nothing was written, but {t}" for t in judge.nothing_written(before, self.account())])
            if run.json:
                self.complain(judge.refusals(run, before, self.m, False))
            self.again(told, run)
            if self.program.complaints:
                return
            found = re.search(r"--confirm-deletes (\d+)", run.err + run.out)
            if run.rc == 4 and found and not confirm:
                confirm = ["--confirm-deletes", found.group(1)]
                continue
            told, allowed = self.as_told(run)
            if told:  # other manifests now, so three more runs
                self.lift(self.account())
                allow += [a for x in allowed for a in ("--allow-live", x)]
                runs, confirm = 0, []
                continue
            if waits < 2 and any(s["decision"] == "deferred" and s["reason"] == "LiveAudience" for s in (run.json or {}).get("steps") or []):
                # A composition that runs without a publisher: a later run makes the change, once AWS has ended it (product.md 4.1).
                self.emulator.advance(1000)
                self.note("1000 s pass: there are no publishers, so compositions end")
                waits += 1
                continue
            confirm = []
            runs += 1
            plan = self.program.run("plan", "plan", "--prune", "-f", str(self.dir), "--detailed-exitcode", "--format", "json")
            if plan.rc == 0 and run.rc == 0:
                break
        else:
            self.complain(f"three clean applies do not converge: last apply {run.rc}, plan {plan.rc}\n{run.err[-800:]}\n{plan.out[:1500]}")
        after = Account(self.clients)
        self.secrets |= after.secrets
        self.complain(judge.untouched(after, self.foreign))
        self.complain(judge.compare(after, self.m))
        self.stable(after)
        for key, arn in self.settled.items():
            if key in self.m.all and key not in self.excused and arn in after.objects and after.objects[arn].name != key[1]:
                self.complain(f"{key[0]}/{key[1]} was {arn}, which is now called {after.objects[arn].name}")
        full = self.program.start("plan", "--prune", "-f", str(self.dir), "--detailed-exitcode", "--refresh", "full")
        drift = self.program.start("drift", "-f", str(self.dir), "--format", "json")
        full, drift = self.program.finish(full, "plan"), self.program.finish(drift, "drift")
        if full.rc != 0 and plan.rc == 0:
            self.complain(f"plan --refresh full answers {full.rc} where plan answered 0:\n{full.out[:1500]}")
        if drift.rc != 0:
            self.complain(f"drift answers {drift.rc} after a clean end:\n{drift.out[:1500]}\n{drift.err[-500:]}")
        for arn, tags in self.ignored_tags.items():
            if arn in after.objects and not all(after.objects[arn].tags.get(k) == v for k, v in tags.items()):
                self.complain(f"an ignored tag of {after.objects[arn]} was taken away")
        for res in self.m.of("Channel"):
            for path in res.lifecycle.get("ignoreChanges", []):
                for obj in after.owned(STACK, "Channel", res.name):
                    old = start.objects.get(obj.arn)
                    field = judge.IGNORED_FIELD.get(path)
                    if old and old.name == obj.name and field and old.raw.get(field) != obj.raw.get(field):
                        self.complain(f"{res.address}: {path} is in ignoreChanges and was changed from {old.raw.get(field)!r} to {obj.raw.get(field)!r}")
        if self.program.complaints:
            return
        self.settle(after)
        if rnd.random() < 0.45:
            self.with_audience(rnd)
        if not self.program.complaints and rnd.random() < 0.12:
            self.destroy(rnd)

    def lift(self, account):
        """Protection goes from what nothing declares any more, and, of an old and a new name that both exist, from either."""
        for obj in account.owned(STACK):
            mine = next((r for r in self.m.of(obj.kind) if obj.name in [r.name, *r.previous]), None)
            if obj.tags.get(OURS + "protect") and (mine is None or any(
                    o is not obj for n in [mine.name, *mine.previous] for o in account.owned(STACK, obj.kind, n))):
                moves.untag(self.clients, obj, [OURS + "protect"])
                self.note(f"{obj} is not protected any more")

    def detach(self, held):
        """By hand: channels and ingest configurations of others do not use these any more."""
        for uses in held.values():
            for user, field in uses:
                change = self.clients.ll.update_channel if user.kind == "Channel" else self.clients.rt.update_ingest_configuration
                change(arn=user.arn, **{field: ""})
                self.note(f"by hand: {user} uses no {field} any more")
                if user.arn in self.foreign:
                    self.foreign[user.arn][2][field] = ""

    def settle(self, after):
        self.excused.clear()
        self.settled = {}
        for res in self.m.all.values():
            objects = after.owned(STACK, res.kind, res.name)
            if len(objects) == 1:
                self.settled[res.key] = objects[0].arn

    def with_audience(self, rnd):
        """Participants join all stages: dormant resources start, and no audience is cut off."""
        account = self.account()
        self.note("===== participants join all stages")
        for ingest in account.owned(STACK, "IngestConfiguration"):
            if ingest.raw.get("stageArn") and rnd.random() < 0.8:
                self.emulator.control("POST", "ingests", {"ingestConfigurationArn": ingest.arn}, quiet=True)
        for stage in account.owned(STACK, "Stage"):
            if rnd.random() < 0.7:
                self.emulator.control("POST", "participants", {"stageArn": stage.arn, "userId": "u"}, quiet=True)
        before = self.account()
        for _ in range(2):
            run = self.program.run("apply", "apply", "--yes", "--prune", "-f", str(self.dir), "--format", "json")
        if run.rc != 0:
            self.complain(f"with an audience, apply answers {run.rc}: {run.err[-600:]}")
        after = Account(self.clients)
        self.secrets |= after.secrets
        self.complain(judge.cut_off(before, after, self.m, [], self.streams))
        self.complain(judge.compare(after, self.m))
        self.complain(judge.untouched(after, self.foreign))
        plan = self.program.run("plan", "plan", "--prune", "-f", str(self.dir), "--detailed-exitcode")
        if plan.rc != 0:
            self.complain(f"with an audience, the plan after apply is not empty:\n{plan.out[:1500]}")
        drift = self.program.run("drift", "drift", "-f", str(self.dir))
        if drift.rc != 0:
            self.complain(f"with an audience, drift answers {drift.rc}:\n{drift.out[:1500]}")

    def destroy(self, rnd):
        """The stack goes; what is foreign stays."""
        import re
        self.note("===== destroy")
        moves.all_leave(self.emulator, self.account())
        self.emulator.advance(1000)
        if any(r.lifecycle.get("protect") for r in self.m.all.values()):
            before = self.account()
            run = self.program.run("destroy", "destroy", "--yes", "-f", str(self.dir), "--format", "json")
            if any(o.tags.get(OURS + "protect") for o in before.owned(STACK)):
                if run.rc != 4:
                    self.complain(f"destroy of a stack with a protected object answers {run.rc}")
                self.complain(judge.nothing_written(before, self.account()))
            return
        held = judge.held(self.account(), STACK)
        run = self.program.run("destroy", "destroy", "--yes", "-f", str(self.dir), "--format", "json")
        found = re.search(r"--confirm-deletes (\d+)", run.err + run.out)
        if run.rc == 4 and found:
            run = self.program.run("destroy", "destroy", "--yes", "-f", str(self.dir), "--format", "json", "--confirm-deletes", found.group(1))
        if held:  # README.md: exit 3, left undone; and 4 where nothing could be deleted
            left = {o.arn for o in self.account().owned(STACK)}
            if run.rc not in (3, 4) or left != set(held):
                self.complain(f"others use {sorted(held)}; destroy answers {run.rc} and leaves {sorted(left)}")
            self.detach(held)
            run = self.program.run("destroy", "destroy", "--yes", "-f", str(self.dir), "--format", "json")
        after = Account(self.clients)
        self.secrets |= after.secrets
        if run.rc != 0:
            self.complain(f"destroy answers {run.rc}: {run.err[-600:]}")
        left = after.owned(STACK)
        if left:
            self.complain(f"destroy left {left}")
        self.complain(judge.untouched(after, self.foreign))

    def scan_outputs(self):
        """No secret in any output."""
        for run in self.program.runs:
            for secret in self.secrets:
                if secret and (secret in run.out or secret in run.err):
                    self.complaints.append(f"the secret {secret[:12]}… is in the output of `{' '.join(run.args)}`")
