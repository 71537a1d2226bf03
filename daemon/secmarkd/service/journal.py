"""The journal: with all fields where systemd's is there to take them, as lines on stderr elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from secmarkd.events import Event
from secmarkd.ports import Journal

IDENTIFIER = "secmarkd"

Send = Callable[..., None]


class SystemdJournal:
    """Implements ports.Journal over `systemd.journal.send`; what the journal refuses goes to `fallback`."""

    def __init__(self, send: Send, fallback: Journal) -> None:
        self._send = send
        self._fallback = fallback

    def write(self, event: Event) -> None:
        """See ports.Journal."""
        try:
            self._send(
                str(event),
                MESSAGE_ID=event.MESSAGE_ID,
                PRIORITY=str(int(event.PRIORITY)),
                SYSLOG_IDENTIFIER=IDENTIFIER,
                **event.fields(),
            )
        except (OSError, ValueError):
            self._fallback.write(event)


class Lines:
    """Implements ports.Journal on a text stream: `warning: sentence`. A closed or full stream loses the line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, event: Event) -> None:
        """See ports.Journal."""
        try:
            self._stream.write(f"{IDENTIFIER}: {event.PRIORITY.name.lower()}: {event}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass


def open_journal(environment: Mapping[str, str], stream: TextIO = sys.stderr) -> Journal:
    """The journal of systemd where this process was started by it and python3-systemd is there; else lines on `stream`."""
    lines = Lines(stream)
    if not is_journal(environment, stream):
        return lines
    try:
        from systemd import journal
    except ImportError:
        return lines
    return SystemdJournal(journal.send, lines)


def is_journal(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` leads to the journal: JOURNAL_STREAM has the device and inode of its socket (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
