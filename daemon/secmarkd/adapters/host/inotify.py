# SPDX-License-Identifier: GPL-2.0-or-later
"""inotify(7) by the C library: Python has no module for it."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MODIFIED_AND_CLOSED, MOVED_FROM, MOVED_TO, CREATED, DELETED = 0x8, 0x40, 0x80, 0x100, 0x200
DELETED_ITSELF, MOVED_ITSELF = 0x400, 0x800
OVERFLOW, IGNORED, ONLY_DIRECTORIES = 0x4000, 0x8000, 0x1000000
_EVENT = struct.Struct("iIII")
"""struct inotify_event: watch descriptor, mask, cookie, and the length of the name after it."""
_BYTES = 65536
_MOST_READS = 16
"""At once: some 30,000 events, twice what the kernel keeps by default. More come only of somebody who never stops."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: which watch it is of, what happened, and to which name in the directory that is watched."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One instance. OSError where the kernel refuses another."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._file < 0:
            raise _error()

    def fileno(self) -> int:
        """A descriptor that can be read when there are events."""
        return self._file

    def watch(self, directory: str, mask: int) -> int:
        """Begin to watch; once more is no harm, and gives the same number. OSError where that is not possible."""
        number = int(self._libc.inotify_add_watch(self._file, os.fsencode(directory), mask | ONLY_DIRECTORIES))
        if number < 0:
            raise _error()
        return number

    def forget(self, watch: int) -> None:
        """Watch no longer."""
        self._libc.inotify_rm_watch(self._file, watch)

    def take(self) -> Iterator[Event]:
        """What has happened since the last time, or the first of very much. Never waits."""
        for _ in range(_MOST_READS):
            try:
                data = os.read(self._file, _BYTES)
            except BlockingIOError:
                return
            place = 0
            while place < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, place)
                place += _EVENT.size + length
                yield Event(watch, mask, os.fsdecode(data[place - length : place].rstrip(b"\0")))

    def close(self) -> None:
        """Stop watching."""
        os.close(self._file)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"inotify: {os.strerror(number)} ({errno.errorcode.get(number, number)})")
