# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal: with all fields where systemd's is there to take them, as lines on stderr elsewhere. Neither is waited for.

sd_journal_sendv(3) waits while journald's queue is full (python3-systemd keeps Python's lock meanwhile, so that no thread
would help), and where the socket is missing it loses the event without a word (journal-send.c). So the socket is looked at
first, and what cannot be sent at once waits here. What is left is another program that takes the queue's last place between
the look and the sending, while journald hangs: then the watchdog ends the wait.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TextIO

from secmarkd.events import Event, EventsLost, duration
from secmarkd.ports import Clock
from secmarkd.throttle import FAILURES

IDENTIFIER = "secmarkd"
SOCKET = "/run/systemd/journal/socket"
ROOM = 200
"""Events that wait for a journal that takes none; journald's own queue holds some hundred more."""
LATE = 1.0
"""Seconds from which an event says that it comes late: what it is about was not at the time that the journal gives it."""
LONGEST_VALUE = 8192
"""Bytes of a field. The largest event then stays below the 208 KiB that a datagram may have."""
LONGEST_LINE = 4000
"""Bytes of a line on stderr: a pipe that says it can be written takes a page without waiting (PIPE_BUF, pipe(7))."""


class Sink(Protocol):
    """Where events go, as long as it takes them."""

    def send(self, event: Event, late: float) -> None:
        """Pass on an event, `late` seconds after it was said. Never waits; OSError where it cannot be passed on now."""


class Outbox:
    """Implements ports.Journal. Events that the sink does not take wait in order; those for which there is no room are
    counted where they are missing.
    """

    def __init__(self, sink: Sink, clock: Clock, room: int = ROOM) -> None:
        self._sink = sink
        self._clock = clock
        self._room = room
        self._waiting: deque[tuple[Event, float]] = deque()
        self._failures = FAILURES

    def write(self, event: Event) -> None:
        """See ports.Journal."""
        now = self._clock.monotonic()
        if len(self._waiting) < self._room:
            self._waiting.append((event, now))
        else:
            last, since = self._waiting[-1]
            if isinstance(last, EventsLost):
                self._waiting[-1] = EventsLost(last.count + 1), since
            else:
                self._waiting.append((EventsLost(1), now))
        self._pass_on()

    def due(self) -> float:
        """See ports.Journal."""
        return self._failures.last + self._failures.wait if self._waiting else float("inf")

    def flush(self) -> None:
        """See ports.Journal."""
        if self._waiting and self._clock.monotonic() >= self.due():
            self._pass_on()

    def _pass_on(self) -> None:
        now = self._clock.monotonic()
        while self._waiting:
            event, since = self._waiting[0]
            try:
                self._sink.send(event, now - since)
            except OSError:
                if now >= self.due():
                    self._failures = self._failures.happened(now)
                return
            self._waiting.popleft()
            self._failures = FAILURES


class SystemdJournal:
    """Implements Sink over `systemd.journal.sendv`."""

    def __init__(self, sendv: Callable[..., None], address: str = SOCKET) -> None:
        """`address` is the socket that `sendv` sends to."""
        self._sendv = sendv
        self._address = address

    def send(self, event: Event, late: float) -> None:
        """See Sink."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.connect(self._address)
            # Of a connected socket the kernel says whether the other end's queue has room (unix_dgram_poll).
            if not _takes(link.fileno()):
                raise BlockingIOError
        self._sendv(*_assignments(event, late))


def _assignments(event: Event, late: float) -> Iterator[bytes]:
    fields = {
        "MESSAGE": sentence(event, late),
        "MESSAGE_ID": event.MESSAGE_ID,
        "PRIORITY": str(int(event.PRIORITY)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        **event.fields(),
    }
    if late >= LATE:
        fields["SECMARKD_LATE_SECONDS"] = f"{late:.3f}"
    for name, text in fields.items():
        yield b"%s=%s" % (name.encode(), text.encode(errors="backslashreplace")[:LONGEST_VALUE])


class Lines:
    """Implements Sink on a text stream: `secmarkd: warning: sentence`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, event: Event, late: float) -> None:
        """See Sink."""
        line = f"{IDENTIFIER}: {event.PRIORITY.name.lower()}: {sentence(event, late)}"
        try:
            with contextlib.suppress(io.UnsupportedOperation):  # a stream in memory
                if not _takes(self._stream.fileno()):
                    raise BlockingIOError
            self._stream.write(line.encode(errors="backslashreplace")[:LONGEST_LINE].decode(errors="ignore") + "\n")
            self._stream.flush()
        except ValueError as error:
            raise OSError(str(error)) from None


def _takes(descriptor: int) -> bool:
    """Whether it can be written without waiting."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def sentence(event: Event, late: float) -> str:
    """What a person reads."""
    return f"{event} (delayed {duration(late)})" if late >= LATE else str(event)


def open_journal(environment: Mapping[str, str], clock: Clock, stream: TextIO = sys.stderr) -> Outbox:
    """The journal of systemd where this process was started by it and python3-systemd is there; else lines on `stream`."""
    if is_journal(environment, stream):
        with contextlib.suppress(ImportError):
            from systemd import journal

            return Outbox(SystemdJournal(journal.sendv), clock)
    return Outbox(Lines(stream), clock)


def is_journal(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` leads to the journal: JOURNAL_STREAM has the device and inode of its socket (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    with contextlib.suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return (device, inode) == (str(status.st_dev), str(status.st_ino))
    return False
