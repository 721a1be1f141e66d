"""Repeats the requests of a recording on an emulator and lists where its answers differ.

Ids differ from account to account, so they are paired: the id that the emulator answers where the recording has one
stands for it from then on. The emulator's clock follows the recording's. What depends on an object that one of the
two sides does not have is not compared, and counted.
"""

import json
import re
from dataclasses import dataclass, field

from redact import Redactor

DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
ID = re.compile(r"arn:aws:ivs:[a-z0-9-]+:\d{12}:[a-z-]+/[A-Za-z0-9-]+")
# Members that name something; two different values may stand for each other.
NAMING = re.compile(r"(^|[a-z])(arn|arns|id|ids|nextToken|prefix)$", re.IGNORECASE)
# States that pass by themselves: how long they last is a matter of time, not of behaviour.
PASSING = {"CREATING", "UPDATING", "STARTING", "STOPPING"}


class Absent:
    """Stands where a member is not there."""

    def __repr__(self):
        return "(absent)"


ABSENT = Absent()


@dataclass
class Difference:
    """One place in one answer."""

    number: int
    step: str
    operation: str
    path: str
    recorded: object
    emulated: object

    def line(self):
        """For a report."""
        return (f"#{self.number} {self.operation} ({self.step}): {self.path}: "
                f"the service answered {short(self.recorded)}, the emulator {short(self.emulated)}")


@dataclass
class Result:
    """The result of a comparison."""

    compared: int = 0
    differences: list = field(default_factory=list)
    timing: list = field(default_factory=list)
    wording: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    others: int = 0


def short(value):
    """A value on one line."""
    if value is ABSENT:
        return repr(value)
    text = json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."


def operation_of(entry):
    """The operation that a request is for."""
    path = entry["path"]
    if path.startswith("/tags/"):
        return {"GET": "ListTagsForResource", "DELETE": "UntagResource"}.get(entry["method"], "TagResource")
    return path.lstrip("/") or "GetCallerIdentity"


class Names:
    """Which name of the emulator stands for which of the recording."""

    def __init__(self):
        self.there, self.back = {}, {}

    def pair(self, recorded, emulated):
        """Whether the two may stand for each other; from now on they do."""
        known = self.there.get(recorded)
        if known is None and emulated not in self.back:
            self.there[recorded], self.back[emulated] = emulated, recorded
            return True
        return known == emulated

    def translate(self, value):
        """A value with the emulator's names."""
        if isinstance(value, dict):
            return {self.translate(name): self.translate(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.translate(one) for one in value]
        if isinstance(value, str):
            return self.text(value)
        return value

    def text(self, text):
        """A text with the emulator's names, also where they are part of an address."""
        if text in self.there:
            return self.there[text]
        for recorded, emulated in self.there.items():
            if len(recorded) >= 8 and recorded in text:
                text = text.replace(recorded, emulated)
            quoted = recorded.replace(":", "%3A").replace("/", "%2F")
            if quoted != recorded and quoted in text:
                text = text.replace(quoted, emulated.replace(":", "%3A").replace("/", "%2F"))
        return text


class Comparison:
    """One recording against one emulator."""

    def __init__(self, target):
        self.target, self.names = target, Names()
        self.redactor = Redactor(None, None)
        self.result = Result()
        # Objects and tokens of the recording that the emulator has no counterpart of.
        self.missing = set()
        self.tokens = {}
        self.bursts = {}

    def run(self, entries):
        """All entries, in order."""
        self.target.control("POST", "reset")
        self.target.stop_clock(True)
        began = self.target.now()
        for entry in entries:
            self.target.pause(entry["at"] - (self.target.now() - began))
            if "event" in entry:
                self.event(entry)
            else:
                self.exchange(entry)
        self.judge_bursts()
        return self.result

    def event(self, entry):
        """What happened between requests happens on the emulator too."""
        members = self.names.translate(entry["members"])
        if entry["event"] == "begin" or entry["event"] == "end":
            if self.depends_on_missing(json.dumps(members)):
                return
            done = True
            try:
                if entry["event"] == "begin":
                    self.target.begin(members["what"], members["arn"], None)
                else:
                    self.target.end(members["what"], members["arn"])
            except OSError:
                done = False
            if done and not members["done"]:
                self.result.timing.append((entry["n"], members["what"], "has ended", "goes on"))
        elif entry["event"] == "rates":
            self.target.rates(members["enforced"])

    def depends_on_missing(self, text):
        """The object of the recording in a text that the emulator does not have."""
        return next((name for name in self.missing if name in text), None)

    def exchange(self, entry):
        """One request, asked again."""
        if entry["service"] == "sts":
            return
        text = json.dumps([entry["path"], entry["query"], entry["request"]])
        absent = self.depends_on_missing(text)
        if absent:
            self.result.skipped.append((entry["n"], f"{operation_of(entry)}: needs {absent}"))
            self.forget(entry)
            return
        request = self.names.translate(entry["request"])
        for name, value in list((request or {}).items()) if isinstance(request, dict) else ():
            if name == "nextToken":
                request[name] = self.tokens.get(value, value)
        body = b"" if request is None else json.dumps(request).encode()
        target = self.names.text(entry["path"]) + ("?" + self.names.text(entry["query"]) if entry["query"] else "")
        headers = {"content-type": "application/json"}
        status, answered, content = self.target.forward(entry["service"], entry["method"], target, headers, body)
        try:
            answer = json.loads(content) if content else None
        except ValueError:
            answer = None
        self.keep_token(entry, answer)
        answer = self.redactor.value(answer)
        answered = {name.lower(): value for name, value in answered.items()}
        if entry["step"].startswith("burst"):
            self.bursts.setdefault(entry["step"], []).append((entry, status, answered, answer))
            return
        self.result.compared += 1
        self.result.others += entry["others"]
        self.judge(entry, status, answered, answer)

    def keep_token(self, entry, answer):
        """The emulator's page token stands for the recording's."""
        recorded = entry["answer"].get("nextToken") if isinstance(entry["answer"], dict) else None
        own = answer.get("nextToken") if isinstance(answer, dict) else None
        if recorded and own:
            self.tokens[recorded] = own
        elif recorded:
            self.missing.add(recorded)

    def judge(self, entry, status, answered, answer):
        """Status, headers and body of one answer."""
        if entry["status"] != status:
            self.differ(entry, "status", told(entry["status"], entry["answer"]), told(status, answer))
            self.forget(entry)
            return
        for name in ("content-type", "x-amzn-errortype"):
            recorded, emulated = entry["headers"].get(name, ABSENT), answered.get(name, ABSENT)
            if name == "x-amzn-errortype" and ABSENT not in (recorded, emulated):
                recorded, emulated = recorded.split(":")[0], emulated.split(":")[0]
            if recorded != emulated:
                self.differ(entry, f"header {name}", recorded, emulated)
        for name, had, header in (("named", entry["named"], "x-amzn-requestid"), ("dated", entry["dated"], "date")):
            if had != (header in answered):
                self.differ(entry, f"header {header}", had, header in answered)
        self.value(entry, "", entry["answer"], answer)

    def value(self, entry, path, recorded, emulated):
        """Two values of one place."""
        key = path.rsplit(".", 1)[-1].split("[")[0]
        if isinstance(recorded, dict) and isinstance(emulated, dict):
            names = {self.names.text(name): name for name in recorded}
            for name in sorted(set(names) | set(emulated)):
                here = recorded.get(names.get(name, name), ABSENT)
                self.value(entry, f"{path}.{name}", here, emulated.get(name, ABSENT))
        elif isinstance(recorded, list) and isinstance(emulated, list):
            self.items(entry, path, recorded, emulated)
        elif key in ("message", "exceptionMessage") and isinstance(recorded, str) and isinstance(emulated, str):
            if self.names.text(recorded) != emulated:
                self.result.wording.append((entry["n"], operation_of(entry), recorded, emulated))
        elif isinstance(recorded, str) and isinstance(emulated, str):
            self.texts(entry, path, key, recorded, emulated)
        elif recorded != emulated or type(recorded) is not type(emulated):
            if key == "nextToken" and entry["others"]:
                return
            self.differ(entry, path, recorded, emulated)
            self.forget_in(recorded)

    def texts(self, entry, path, key, recorded, emulated):
        """Two texts: equal, paired names, two times, or two states of which one passes."""
        if key == "nextToken" or self.names.translate(recorded) == emulated:
            return
        if DATE.match(recorded) and DATE.match(emulated):
            return
        if ID.fullmatch(recorded) and ID.fullmatch(emulated):
            same_kind = recorded.rsplit("/", 1)[0] == emulated.rsplit("/", 1)[0]
            if same_kind and self.names.pair(recorded, emulated):
                self.names.pair(recorded.rsplit("/", 1)[1], emulated.rsplit("/", 1)[1])
                return
        elif NAMING.search(key) and recorded and emulated and self.names.pair(recorded, emulated):
            return
        read = operation_of(entry).startswith(("Get", "List", "BatchGet"))
        if key == "state" and read and (recorded in PASSING or emulated in PASSING):
            self.result.timing.append((entry["n"], operation_of(entry), recorded, emulated))
            return
        self.differ(entry, path, recorded, emulated)

    def items(self, entry, path, recorded, emulated):
        """Two lists: those of objects in any order, others item by item."""
        named = [one for one in recorded + emulated if isinstance(one, dict) and one.get("arn")]
        if named and len(named) == len(recorded) + len(emulated):
            theirs = {one["arn"]: one for one in emulated}
            for index, one in enumerate(recorded):
                match = theirs.pop(self.names.text(one["arn"]), ABSENT)
                self.value(entry, f"{path}[{index}]", one, match)
            for one in theirs.values():
                self.differ(entry, f"{path}[]", ABSENT, one)
            return
        if len(recorded) != len(emulated):
            self.differ(entry, path, recorded, emulated)
            return
        for index, (one, other) in enumerate(zip(recorded, emulated)):
            self.value(entry, f"{path}[{index}]", one, other)

    def differ(self, entry, path, recorded, emulated):
        """A difference."""
        where = path.lstrip(".") or "answer"
        self.result.differences.append(
            Difference(entry["n"], entry["step"], operation_of(entry), where, recorded, emulated))

    def forget(self, entry):
        """What an answer names has no counterpart."""
        self.forget_in(entry["answer"])

    def forget_in(self, value):
        """Every name in a value."""
        for name in set(ID.findall("" if value is ABSENT else json.dumps(value))):
            if name not in self.names.there:
                self.missing.add(name)

    def judge_bursts(self):
        """Of a burst only the sorts of answers count: how many calls pass is a matter of time."""
        for step, answers in self.bursts.items():
            recorded = {sort(entry["status"], entry["headers"], entry["answer"]) for entry, *_ in answers}
            emulated = {sort(status, headers, answer) for _, status, headers, answer in answers}
            self.result.compared += len(answers)
            if recorded != emulated:
                self.differ(answers[0][0], "sorts of answers", sorted(recorded), sorted(emulated))


def sort(status, headers, answer):
    """What sort of answer this is."""
    names = ",".join(sorted(answer)) if isinstance(answer, dict) and status >= 400 else ""
    return f"{status} {headers.get('x-amzn-errortype', '').split(':')[0]} {names}".strip()


def told(status, answer):
    """A status with the message beside it."""
    message = answer.get("message") or answer.get("exceptionMessage") if isinstance(answer, dict) else None
    return f"{status}: {message}" if status >= 400 and message else status


def read(path):
    """The entries of a recording. A line that was cut off ends it."""
    entries = []
    with open(path) as file:
        for line in file:
            try:
                entries.append(json.loads(line))
            except ValueError:
                break
    return entries


def report(result, verbose=False):
    """The result of a comparison as lines."""
    lines = [one.line() for one in result.differences]
    if verbose:
        lines += [f"#{number} {operation}: wording: {recorded!r}; emulator: {emulated!r}"
                  for number, operation, recorded, emulated in result.wording]
        lines += [f"#{number}: not compared: {why}" for number, why in result.skipped]
    for number, operation, recorded, emulated in result.timing:
        lines.append(f"#{number} {operation}: only time: {recorded}, the emulator already or still {emulated}")
    counts = {
        "answers compared": result.compared, "differences": len(result.differences),
        "only time": len(result.timing), "only wording of an error": len(result.wording),
        "not compared": len(result.skipped), "objects of others left out": result.others,
    }
    lines.append(", ".join(f"{count} {name}" for name, count in counts.items()))
    return lines
