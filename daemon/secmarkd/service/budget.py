# SPDX-License-Identifier: GPL-2.0-or-later
"""How many lines the journal is worth: a few at once, and few in the long run."""

from __future__ import annotations

from secmarkd.ports import Clock

BURST = 40
"""Lines about drift that may come at once."""
SECONDS_PER_LINE = 3.0
"""And one more for each of these: far below journald's own limit, whose drops would hide what they are about."""


class Budget:
    """A token bucket for lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens = float(BURST)
        self._at = clock.monotonic()

    def take(self, lines: int) -> bool:
        """Whether there is room for so many lines now; if so, it is used."""
        self._refill()
        if self._tokens < lines - 1e-6:  # at the very moment that room_at gave, rounding must not say no
            return False
        self._tokens -= lines
        return True

    def charge(self, lines: int) -> None:
        """So many lines are told in any case; those that can wait do so for longer."""
        self._refill()
        self._tokens -= lines

    def room_at(self, lines: int) -> float:
        """When there is room for so many lines."""
        self._refill()
        return self._at + max(0.0, lines - self._tokens) * SECONDS_PER_LINE

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(float(BURST), self._tokens + (now - self._at) / SECONDS_PER_LINE)
        self._at = now
