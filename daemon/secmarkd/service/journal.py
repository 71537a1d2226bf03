"""The journal: with all fields where systemd's is there to take them, as lines on stderr elsewhere. Neither is waited for.

systemd's own sd_journal_send(3) is not used: it waits while journald's queue is full, python3-systemd keeps Python's lock
meanwhile, so that no thread would help, and where the socket is missing the event is lost without a word (journal-send.c).
Its protocol is small (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), and what cannot be sent at once can wait here.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Protocol, TextIO

from secmarkd.events import Event, EventsLost, duration
from secmarkd.ports import Clock
from secmarkd.service.backoff import delay

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
        self._failures = 0
        self._retry = float("-inf")

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
        return self._retry if self._waiting else float("inf")

    def flush(self) -> None:
        """See ports.Journal."""
        if self._waiting and self._clock.monotonic() >= self._retry:
            self._pass_on()

    def _pass_on(self) -> None:
        now = self._clock.monotonic()
        while self._waiting:
            event, since = self._waiting[0]
            try:
                self._sink.send(event, now - since)
            except OSError:
                if now >= self._retry:
                    self._failures += 1
                    self._retry = now + delay(self._failures)
                return
            self._waiting.popleft()
            self._failures, self._retry = 0, float("-inf")


class SystemdJournal:
    """Implements Sink by systemd's native protocol."""

    def __init__(self, address: str = SOCKET) -> None:
        self._address = address

    def send(self, event: Event, late: float) -> None:
        """See Sink."""
        datagram = b"".join(_assignments(event, late))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.setblocking(False)
            link.sendto(datagram, self._address)


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
        value = text.encode(errors="backslashreplace")[:LONGEST_VALUE]
        if b"\n" in value:
            yield b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
        else:
            yield b"%s=%s\n" % (name.encode(), value)


class Lines:
    """Implements Sink on a text stream: `secmarkd: warning: sentence`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, event: Event, late: float) -> None:
        """See Sink."""
        line = f"{IDENTIFIER}: {event.PRIORITY.name.lower()}: {sentence(event, late)}"
        try:
            if not _takes(self._stream):
                raise BlockingIOError
            self._stream.write(line.encode(errors="backslashreplace")[:LONGEST_LINE].decode(errors="ignore") + "\n")
            self._stream.flush()
        except ValueError as error:
            raise OSError(str(error)) from None


def _takes(stream: TextIO) -> bool:
    """Whether the stream can be written without waiting: a pipe that nobody reads would hang the service."""
    try:
        descriptor = stream.fileno()
    except OSError:  # a stream in memory
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def sentence(event: Event, late: float) -> str:
    """What a person reads."""
    return f"{event} (told {duration(late)} late)" if late >= LATE else str(event)


def open_journal(environment: Mapping[str, str], clock: Clock, stream: TextIO = sys.stderr) -> Outbox:
    """The journal of systemd where this process was started by it; else lines on `stream`."""
    return Outbox(SystemdJournal() if is_journal(environment, stream) else Lines(stream), clock)


def is_journal(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` leads to the journal: JOURNAL_STREAM has the device and inode of its socket (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    with contextlib.suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return (device, inode) == (str(status.st_dev), str(status.st_ino))
    return False
