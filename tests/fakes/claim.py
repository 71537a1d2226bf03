# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `Claim`: files that somebody removes, and another program that may hold the new lock."""

from __future__ import annotations

from secmarkd.events import LockLost, LockTakenAgain
from secmarkd.ports import Clock, Journal
from tests.fakes.notices import Notices

RETRY = 1.0
_LOCK = "/run/secmarkd/lock"


class FakeClaim(Notices):
    """Lock and status of a service, and what happens to them."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        super().__init__()
        self._journal, self._clock = journal, clock
        self._lock, self._status, self._held_by_other = True, True, False
        self._said = False
        self._retry = self._status_retry = float("inf")

    def remove(self) -> None:
        """Somebody removes lock and status."""
        self._lock = self._status = False
        self.happen()

    def remove_status(self) -> None:
        """Somebody removes the status alone."""
        self._status = False
        self.happen()

    def write_status(self) -> None:
        """The service writes its status."""
        self._status, self._status_retry = True, float("inf")

    def let_other_hold(self, held: bool) -> None:
        """Another program takes the lock that is there now, or lets it go."""
        self._held_by_other = held

    def kept(self) -> bool:
        """As ports.Claim."""
        now = self._clock.monotonic()
        if self._lock:
            missing = not self._status and (self._status_retry == float("inf") or now >= self._status_retry)
            self._status_retry = now + RETRY if missing else self._status_retry
            return not missing
        if self._held_by_other:
            self._retry = now + RETRY
            if not self._said:
                self._journal.write(LockLost(_LOCK, "another secmarkd holds it", ""))
            self._said = True
            return True
        self._lock, self._said, self._retry = True, False, float("inf")
        self._journal.write(LockTakenAgain(_LOCK))
        return False

    def due(self) -> float:
        """As ports.Claim."""
        return self._retry
