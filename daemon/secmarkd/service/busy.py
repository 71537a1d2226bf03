# SPDX-License-Identifier: GPL-2.0-or-later
"""Others in the way of reading: who commits so often that the labels cannot be read, or writes our table again and again
without changing it. One line at the beginning and one at the end, and a pace that costs little.

A read that is given up is tried again after some seconds at most: meanwhile nobody knows what is done to our table. Passes
that find nothing, though something touched our table, come at once as long as they are few; then the wait doubles up to two
seconds. A real change waits no longer than that for its repair.
"""

from __future__ import annotations

from secmarkd.events import RulesetBusy, RulesetCalm
from secmarkd.ports import Clock, Journal
from secmarkd.service.attribution import UNATTRIBUTED, Commotion
from secmarkd.throttle import FAILURES, Throttle

LONGEST_RETRY = 2.0
"""Seconds, at most, from a read that was given up to the next."""
AT_ONCE = 8
"""Passes in a row that find nothing and come as they are asked for."""
FIRST, LONGEST = 0.05, 2.0
"""Seconds between two of them then: doubled from the one to the other."""
IN_A_ROW = AT_ONCE + 7
"""Of those; the wait has come to its longest then, and some four seconds have passed."""
PAUSE = 1.0
"""Seconds without a touch, at least, after which the next pass is a new story; twice the last wait where that is more."""
QUIET = 10.0
"""Seconds without anybody in the way after which it is over."""


class Busy:
    """Passes that others were in the way of: their pace, and what the journal is told of them."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._since = self._last = float("-inf")
        self._looks = Throttle(FIRST, LONGEST, at_once=AT_ONCE, quiet=PAUSE)
        """Passes that found nothing."""
        self._passes = self._given_up = 0
        self.commotion: Commotion | None = None
        """Who is in the way and how often; None where nobody is."""

    @property
    def on(self) -> bool:
        """Whether somebody is in the way."""
        return self.commotion is not None

    def retry(self, attempt: int) -> float:
        """Seconds from the so-manieth read in a row that was given up to the next."""
        return min(FAILURES.wait_after(attempt), LONGEST_RETRY)

    def earliest(self) -> float:
        """When the next pass may begin that an event asks for."""
        return self._looks.next(self._clock.monotonic())

    def starved(self, error: str, commotion: Commotion) -> None:
        """A pass could not read the labels, for the ruleset changed all the time."""
        self._given_up += 1
        self._disturbed(error, commotion)

    def looked(self, commotion: Commotion) -> None:
        """A pass has found nothing, though something had touched our table: who did that and how often."""
        self._looks = self._looks.resumed(self._clock.monotonic())
        if self.on or self._looks.times >= IN_A_ROW:
            self._disturbed("", commotion)

    def goes_on(self) -> None:
        """A pass, whatever it was for, has seen that our table was touched again meanwhile. While a reload takes long, no
        other look is taken, and nobody may take that for quiet."""
        self._last = self._clock.monotonic() if self.on else self._last

    def due(self) -> float:
        """When `ended` will be true; infinity where nobody is in the way."""
        return self._last + QUIET if self.on else float("inf")

    def ended(self, left: int) -> bool:
        """Whether it is over, which is told once. `left` differences are only reported."""
        if self.commotion is None or self._clock.monotonic() < self.due():
            return False
        by = self.commotion.fields() if self.commotion.attribution != UNATTRIBUTED else {}
        self._journal.write(RulesetCalm(self._last - self._since, self._passes, self._given_up, left, **by))
        self.commotion, self._passes, self._given_up, self._looks = None, 0, 0, self._looks.reset()
        return True

    def _disturbed(self, error: str, commotion: Commotion) -> None:
        now = self._clock.monotonic()
        began = not self.on
        if began or commotion.attribution.writers:
            self.commotion = commotion
        self._passes += 1
        self._last = now
        if began:
            self._since = now
            longest = LONGEST_RETRY if error else LONGEST
            self._journal.write(RulesetBusy(error, commotion.rate, longest, **commotion.fields()))
