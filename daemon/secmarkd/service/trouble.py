# SPDX-License-Identifier: GPL-2.0-or-later
"""Failed passes as one story: why, once each; one line when it begins, and one when it is over.

What fails and succeeds by turns is still one story: a failure soon after a recovery opens another that is over only after a
while without one.
"""

from __future__ import annotations

from collections.abc import Iterable

from secmarkd.events import Degraded, Event, Recovered
from secmarkd.ports import Clock, Journal
from secmarkd.service.budget import Budget
from secmarkd.throttle import FAILURES

RELAPSE = 60.0
"""Seconds after a recovery in which another failure is a relapse."""
QUIET = 30.0
"""Seconds without a failure after which a story that began with a relapse is over."""
REASONS = 8
"""Different errors that are told in one story. Some name what was found, which others choose."""


class Trouble:
    """What the journal is told of failures in a row, and of those that come and go."""

    def __init__(self, journal: Journal, clock: Clock, budget: Budget) -> None:
        self._journal = journal
        self._clock = clock
        self._budget = budget
        self._failures = 0
        self._reasons: set[str] = set()
        self._since = 0.0
        self._ended = float("-inf")
        self._relapsed = False
        self._good_since: float | None = None
        self._left = 0
        self._last = ""

    @property
    def on(self) -> bool:
        """Whether passes fail, or have failed so lately that it may go on."""
        return bool(self._failures)

    @property
    def unsettled(self) -> str:
        """Why the last one failed, where passes succeed again and that is not believed yet; otherwise empty."""
        return self._last if self.on and self._good_since is not None else ""

    def failed(self, error: str, events: Iterable[Event], retry: float) -> None:
        """A pass has failed: why, in words and as events, and the seconds to the next try."""
        now = self._clock.monotonic()
        began = not self.on
        if began:
            self._since, self._relapsed = now, now < self._ended + RELAPSE
        self._failures += 1
        self._good_since, self._last = None, error
        if error not in self._reasons and len(self._reasons) < REASONS:
            lines = list(events)
            if self._budget.take(len(lines)):
                self._reasons.add(error)
                for each in lines:
                    self._journal.write(each)
        if began:
            self._budget.charge(1)
            self._journal.write(Degraded(retry, FAILURES.longest))

    def succeeded(self, left: int) -> None:
        """A pass has succeeded, with so many differences that are only reported."""
        if self.on:
            self._left = left
            self._good_since = self._clock.monotonic() if self._good_since is None else self._good_since
            self.ended()

    def due(self) -> float:
        """When `ended` will be true; infinity where there is no trouble, or a pass has to succeed first."""
        if self._good_since is None:
            return float("inf")
        return self._good_since + (QUIET if self._relapsed else 0.0)

    def ended(self) -> bool:
        """Whether it is over, which is told once."""
        now = self._clock.monotonic()
        if self._good_since is None or now < self.due():
            return False
        self._budget.charge(1)
        self._journal.write(Recovered(self._failures + 1, self._good_since - self._since, self._left))
        self._failures, self._good_since, self._ended = 0, None, now
        self._reasons.clear()
        return True
