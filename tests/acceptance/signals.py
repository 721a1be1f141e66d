"""Signals that end a run early. The first one raises `Stopped`, never between the start of a child process and the
moment its owner knows it: a program that is not ended would go on creating objects after everything was deleted.
"""

import contextlib
import signal
import sys


class Stopped(BaseException):
    """A signal asks the run to end; everything is deleted first."""


class _State:
    """What was received, and what waits for the end of `deferred`."""

    received, deferring, waiting = 0, False, None


def stop_on_signals():
    """The first signal ends the run, the second is told that deleting goes on, later ones give up."""

    def receive(number, _):
        _State.received += 1
        if _State.received == 2:
            print("still deleting what the run has made; once more gives up and leaves objects behind",
                  file=sys.stderr)
        elif _State.deferring:
            _State.waiting = number
        else:
            raise Stopped(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, receive)


def deleting():
    """The run deletes what it has made: a signal does not end that before the second one."""
    _State.received = max(_State.received, 1)


@contextlib.contextmanager
def deferred():
    """A signal that arrives meanwhile is raised at the end."""
    _State.deferring = True
    try:
        yield
    finally:
        _State.deferring = False
    number, _State.waiting = _State.waiting, None
    if number is not None:
        raise Stopped(signal.Signals(number).name)
