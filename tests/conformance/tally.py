"""Counts checks and tells at the end what failed. What the scripts of this folder have in common; checks
nothing by itself."""

import sys

PASSED, FAILED = [], []


def check(name, good, detail=""):
    """Counts a check."""
    (PASSED if good else FAILED).append(name)
    if not good:
        print(f"FAILED {name}: {detail}")


def equal(name, found, wanted):
    """Counts a comparison."""
    check(name, found == wanted, f"found {found!r}, wanted {wanted!r}")


def finish():
    """`N passed, M failed`, and the exit code."""
    print(f"{len(PASSED)} passed, {len(FAILED)} failed")
    sys.exit(1 if FAILED else 0)


def endpoint(usage):
    """The emulator's address from the command line: the first word, loopback only."""
    address = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else ""
    if not address.startswith(("http://127.", "http://localhost", "http://[::1]")):
        sys.exit(f"usage: {usage}")
    return address
