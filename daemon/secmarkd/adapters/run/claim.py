# SPDX-License-Identifier: GPL-2.0-or-later
"""The service's files below /run, the lock and the status, while it runs: made again when somebody removes them.

A lock is of a file, and not of its name. Where the file goes, another secmarkd would make a new one, and two of them would
write the labels. inotify tells at once, and each tick looks, which takes microseconds.
"""

from __future__ import annotations

from contextlib import suppress

from secmarkd.adapters.host import inotify
from secmarkd.adapters.host.inotify import Inotify
from secmarkd.adapters.run.lock import Lock
from secmarkd.errors import SecmarkdError
from secmarkd.events import LockLost, LockTakenAgain
from secmarkd.ports import Clock, Journal

RETRY = 1.0
"""Seconds to the next try where another secmarkd holds the new file: a `secmarkctl apply` has it for one pass."""
_REMOVALS = inotify.DELETED | inotify.DELETED_ITSELF | inotify.MOVED_ITSELF


class Claim:
    """Implements ports.Claim for a lock that is held."""

    def __init__(self, lock: Lock, journal: Journal, clock: Clock) -> None:
        self._lock = lock
        self._journal = journal
        self._clock = clock
        self._retry = float("inf")
        self._told = ""
        self._status_retry = float("-inf")
        self._inotify: Inotify | None = None
        with suppress(OSError):  # then only a tick looks
            self._inotify = Inotify()
        self._watch()

    def fileno(self) -> int:
        """See ports.Claim."""
        return self._inotify.fileno() if self._inotify is not None else -1

    def due(self) -> float:
        """See ports.Claim."""
        return self._retry

    def take(self) -> None:
        """See ports.Claim."""
        if self._inotify is not None:
            for _ in self._inotify.take():
                pass

    def kept(self) -> bool:
        """See ports.Claim."""
        now = self._clock.monotonic()
        if self._lock.stands():
            return self._has_status(now)
        if self._told and now < self._retry:
            return True
        path = self._lock.folder / "lock"
        try:
            self._lock.take_again()
        except SecmarkdError as error:
            self._retry = now + RETRY
            if str(error) != self._told:
                self._told = str(error)
                self._journal.write(LockLost(str(path), str(error), error.hint))
            return True
        self._retry, self._told = float("inf"), ""
        self._watch()
        self._journal.write(LockTakenAgain(str(path)))
        return False

    def _has_status(self, now: float) -> bool:
        """Whether the status is there. Where there is no room for it, writing it fails and is not tried all the time."""
        if now < self._status_retry or (self._lock.folder / "status.json").exists():
            return True
        self._status_retry = now + RETRY
        return False

    def close(self) -> None:
        """See ports.Claim."""
        if self._inotify is not None:
            self._inotify.close()

    def _watch(self) -> None:
        if self._inotify is not None:
            with suppress(OSError):
                self._inotify.watch(str(self._lock.folder), _REMOVALS)
