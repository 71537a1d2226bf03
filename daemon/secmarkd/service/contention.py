# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon to repair again: at once, unless it is repair after repair.

Fifty flushes in a row are a handful of repairs. Against a program that never stops, the wait doubles up to half a minute:
less often would leave the labels wrong for long, more often would only keep two programs busy.
"""

from __future__ import annotations

from secmarkd.events import FightDetected, FightEnded
from secmarkd.ports import Clock, Journal
from secmarkd.service.attribution import UNATTRIBUTED, Attribution
from secmarkd.throttle import Throttle

FIRST = 0.1
"""Seconds from one repair to the next where the first was followed by another change at once. Scripts that load rules in
many small transactions are mostly done after that."""
LONGEST = 30.0
"""Seconds to which the wait doubles."""
IN_A_ROW = 6
"""Repairs in a row that make a contention: 0.1 + 0.2 + … s after the first one, so three seconds of it."""
QUIET = 2.0
"""Seconds without a change, at least, after which the next one is a new story; twice the last wait where that is more."""


class Contention:
    """Repairs in a row: their pace, and what the journal is told of them."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._pace = Throttle(FIRST, LONGEST, quiet=QUIET)
        self._since = 0.0
        self._named = UNATTRIBUTED
        """Who was last known to have made one of the changes in a row: not every pass can tell."""
        self.contender: Attribution | None = None
        """Who it is, while there is contention; perhaps UNATTRIBUTED that is known."""

    @property
    def on(self) -> bool:
        """Whether somebody contends for the table."""
        return self.contender is not None

    @property
    def contender_text(self) -> str:
        """Who it is; empty where there is no contention."""
        return (self.contender.text or "another program") if self.contender is not None else ""

    @property
    def repairs(self) -> int:
        """How many in a row."""
        return self._pace.times

    @property
    def wait(self) -> float:
        """Seconds to leave between the last repair and the next."""
        return self._pace.wait

    def earliest(self) -> float:
        """When the next pass may begin that a notification asks for."""
        return self._pace.next(self._clock.monotonic())

    def drifted(self, attribution: Attribution, *, repaired: bool) -> None:
        """A pass has found a change. Where it only reports them, it is not one side of a contention."""
        now = self._clock.monotonic()
        self._pace = self._pace.happened(now) if self.on else self._pace.resumed(now)
        if self._pace.times == 1:
            self._since, self._named = now, UNATTRIBUTED
        self._named = attribution if attribution.writers else self._named
        if self.on:
            self.contender = self._named
        elif repaired and self.repairs >= IN_A_ROW:
            self.contender = self._named
            self._journal.write(FightDetected(self.repairs, now - self._since, LONGEST, **self._named.fields()))

    def due(self) -> float:
        """When `ended` will be true; infinity where there is no contention."""
        return self._pace.calm_at if self.on else float("inf")

    def ended(self, left: int) -> bool:
        """Whether a contention is over, which is logged once. `left` differences are only reported."""
        now = self._clock.monotonic()
        if self.contender is None or now < self._pace.calm_at:
            return False
        lasted, quiet = self._pace.last - self._since, now - self._pace.last
        self._journal.write(FightEnded(self.repairs, lasted, quiet, left, **self.contender.fields()))
        self.contender, self._pace = None, self._pace.reset()
        return True
