"""Many rounds: `python -m random_tester --program PATH --rounds N --seed S [--jobs J]`."""

import argparse
import datetime
import multiprocessing
import os
import pathlib
import signal
import sys
import time
import traceback

from .emulator import Emulator
from .play import Round
from .program import Program
from .account import Clients

stop = multiprocessing.Event()
ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "random_tester"


class Table:
    """What rounds are played at: an emulator, clients, the program."""

    def __init__(self, program, steps=None):
        self.path, self.steps = program, steps
        self.open()

    def open(self):
        self.emulator = Emulator(self.path)
        self.clients = Clients(self.emulator.url)
        self.program = Program(self.path, self.emulator.url, ROOT)
        self.played = 0

    def round(self, seed, skip=(), drop=()):
        self.played += 1
        if self.played > 60 or self.emulator.process.poll() is not None:
            self.close()
            self.open()
        one = Round(seed, self.emulator, self.clients, self.program, skip, drop, self.steps)
        try:
            complaints = one.play()
        except Exception:
            complaints = one.complaints + ["the tester itself failed:\n" + traceback.format_exc()]
        if any("panicked" in line for line in self.emulator.stderr):
            complaints.append("the emulator panicked: " + "".join(self.emulator.stderr[-20:]))
            self.emulator.stderr.clear()
        return one, complaints

    def close(self):
        self.emulator.stop()


def shrink(table, seed, limit=24, seconds=120):
    """Fewer steps, then fewer manifests, while the round still fails. Answers (skip, drop, round, complaints)."""
    skip, drop, kept = set(), set(), None
    begun, tries = time.time(), 0
    one, complaints = table.round(seed)
    if not complaints:
        return None
    kept = (one, complaints)
    kind = complaints[0][:25]

    def still(s, d):
        nonlocal tries, kept
        if tries >= limit or time.time() - begun > seconds:
            return False
        tries += 1
        one, complaints = table.round(seed, s, d)
        if any(c[:25] == kind for c in complaints):
            kept = (one, complaints)
            return True
        return False

    for number in reversed(range(len(one.plan))):
        if still(skip | {number}, drop):
            skip.add(number)
    names = list(one.size)
    chunk = max(1, len(names) // 2)
    while chunk >= 1 and names:
        for i in range(0, len(names), chunk):
            part = set(names[i:i + chunk]) - drop
            if part and still(skip, drop | part):
                drop |= part
        names = [n for n in names if n not in drop]
        if chunk == 1:
            break
        chunk = max(1, chunk // 2)
    return skip, drop, *kept


def report(out, seed, one, complaints, skip=(), drop=(), log=()):
    """A folder for a failed round."""
    folder = pathlib.Path(out) / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "complaints.txt").write_text("\n\n".join(complaints) + "\n")
    again = f"python -m random_tester --program PATH --rounds 1 --seed {seed}"
    if one.only:
        again += " --steps " + ",".join(one.only)
    if skip:
        again += " --skip " + ",".join(map(str, sorted(skip)))
    if drop:
        again += " --drop " + ",".join(sorted(drop))
    (folder / "seed.txt").write_text(f"seed {seed}\nsteps left out: {sorted(skip)}\nmanifests left out: {sorted(drop)}\nagain: {again}\n")
    (folder / "log.txt").write_text("\n".join(log))
    if getattr(one, "m", None):
        one.m.write(folder / "manifests")
    return folder


def work(job, args, seeds, totals):
    """One job: its rounds, one after another."""
    table = Table(args.program, [x for x in args.steps.split(",") if x])
    failed = 0
    for seed in seeds:
        begun = time.time()
        skip = [int(x) for x in args.skip.split(",") if x]
        drop = [x for x in args.drop.split(",") if x]
        one, complaints = table.round(seed, skip, drop)
        line = f"[{job}] seed {seed}: {'FAILED' if complaints else 'ok'} {time.time() - begun:.1f} s"
        if complaints:
            failed += 1
            folder = report(args.out, seed, one, complaints, skip, drop, table.program.log)
            line += f" {folder}: {complaints[0][:220]}"
            if args.shrink:
                small = shrink(table, seed)
                if small:
                    skip, drop, one, complaints = small
                    report(args.out + "/shrunk", seed, one, complaints, skip, drop, table.program.log)
                else:
                    line += " (passes when repeated)"
        if complaints or args.verbose:
            print(line, flush=True)
        with totals.get_lock():
            totals[0] += 1
            totals[1] += bool(failed and complaints)
        if stop.is_set() or os.getppid() == 1:
            break
        if args.until and datetime.datetime.now().strftime("%H:%M") >= args.until:
            break
    table.close()
    print(f"[{job}] runs by command and exit code: "
          + ", ".join(f"{what} {rc}: {n}" for (what, rc), n in sorted(Program.counts.items())), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="random_tester")
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; round i has seed S+i")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", default=str(OUT / "failures"))
    parser.add_argument("--skip", default="", help="numbers of steps to leave out")
    parser.add_argument("--steps", default="", help="these steps instead of random ones, such as apply,edit,together")
    parser.add_argument("--drop", default="", help="manifests to leave out, as Kind/name")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    parser.add_argument("--until", help="stop at this time of day, as HH:MM")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    built = datetime.datetime.fromtimestamp(os.path.getmtime(args.program)).isoformat(" ", "seconds")
    print(f"seed {args.seed}, {args.rounds} rounds, program of {built}", flush=True)
    totals = multiprocessing.Array("i", [0, 0])
    seeds = range(args.seed, args.seed + args.rounds)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    begun = time.time()
    if args.jobs <= 1:
        work(0, args, seeds, totals)
    else:
        workers = [multiprocessing.Process(target=work, args=(j, args, list(seeds)[j::args.jobs], totals)) for j in range(args.jobs)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    print(f"{totals[0]} rounds, {totals[1]} failed, {time.time() - begun:.0f} s", flush=True)
    pathlib.Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    with open(pathlib.Path(args.out).parent / "rounds.txt", "a") as file:
        file.write(f"{datetime.datetime.now().isoformat(' ', 'seconds')}  binary of {built}  seeds {args.seed}..{args.seed + totals[0] - 1}"
                   f"  {totals[0]} rounds, {totals[1]} failed\n")
    sys.exit(1 if totals[1] else 0)


if __name__ == "__main__":
    main()
