# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon to repair again: at once, unless it is repair after repair.

Fifty flushes in a row are a handful of repairs. Against a program that never stops, the wait doubles up to half a minute:
less often would leave the labels wrong for long, more often would only keep two programs busy.
"""

from __future__ import annotations

from secmarkd.events import FightDetected, FightEnded
from secmarkd.ports import Clock, Journal
from secmarkd.service.attribution import NOBODY, Blame
from secmarkd.service.backoff import doubling

FIRST = 0.1
"""Seconds from one repair to the next where the first was followed by another change at once. Scripts that load rules in
many small transactions are mostly done after that."""
LONGEST = 30.0
"""Seconds to which the wait doubles."""
IN_A_ROW = 6
"""Repairs in a row that make a fight: 0.1 + 0.2 + … s after the first one, so three seconds of it."""
QUIET = 2.0
"""Seconds without a change, at least, after which the next one is a new story; twice the last wait where that is more."""


class Fight:
    """Repairs in a row: their pace, and what the journal is told of them."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._since = self._last = 0.0
        self._named = NOBODY
        """Who was last known to have made one of the changes in a row: not every pass can tell."""
        self.repairs = 0
        """In a row."""
        self.opponent: Blame | None = None
        """Who it is, while there is a fight; perhaps NOBODY that is known."""

    @property
    def on(self) -> bool:
        """Whether there is a fight."""
        return self.opponent is not None

    @property
    def opponent_text(self) -> str:
        """Who it is; empty where there is no fight."""
        return (self.opponent.text or "another program") if self.opponent is not None else ""

    @property
    def wait(self) -> float:
        """Seconds to leave between the last repair and the next."""
        return doubling(self.repairs, FIRST, LONGEST) if self.repairs else 0.0

    def earliest(self) -> float:
        """When the next pass may begin that an event asks for."""
        now = self._clock.monotonic()
        return max(now, self._last + self.wait) if self.repairs else now

    def drifted(self, blame: Blame, *, repaired: bool) -> None:
        """A pass has found a change. Where it only reports them, it is not one side of a fight."""
        now = self._clock.monotonic()
        if not self.on and now >= self._calm_at():
            self.repairs = 0
        if not self.repairs:
            self._since, self._named = now, NOBODY
        self.repairs += 1
        self._last = now
        self._named = blame if blame.writers else self._named
        if self.on:
            self.opponent = self._named
        elif repaired and self.repairs >= IN_A_ROW:
            self.opponent = self._named
            self._journal.write(FightDetected(self.repairs, now - self._since, LONGEST, **self._named.fields()))

    def due(self) -> float:
        """When `ended` will be true; infinity where there is no fight."""
        return self._calm_at() if self.on else float("inf")

    def ended(self, left: int) -> bool:
        """Whether a fight is over, which is told once. `left` differences are only reported."""
        now = self._clock.monotonic()
        if self.opponent is None or now < self._calm_at():
            return False
        lasted, quiet = self._last - self._since, now - self._last
        self._journal.write(FightEnded(self.repairs, lasted, quiet, left, **self.opponent.fields()))
        self.opponent, self.repairs = None, 0
        return True

    def _calm_at(self) -> float:
        return self._last + max(QUIET, 2 * self.wait)
