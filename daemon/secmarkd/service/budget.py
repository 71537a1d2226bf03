# SPDX-License-Identifier: GPL-2.0-or-later
"""How many lines the journal is worth: a few at once, and few in the long run."""

from __future__ import annotations

from secmarkd.ports import Clock
from secmarkd.throttle import Allowance

BURST = 40
"""Lines about drift that may come at once."""
SECONDS_PER_LINE = 3.0
"""And one more for each of these: far below journald's own limit, whose drops would hide what they are about."""


class Budget:
    """The lines that are left, by the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines = Allowance(BURST, SECONDS_PER_LINE, BURST, clock.monotonic())

    def take(self, lines: int) -> bool:
        """Whether there is room for so many lines now; if so, it is used."""
        self._lines = self._lines.at_moment(self._clock.monotonic())
        if not self._lines.has(lines):
            return False
        self._lines = self._lines.less(lines)
        return True

    def charge(self, lines: int) -> None:
        """So many lines are told in any case; those that can wait do so for longer."""
        self._lines = self._lines.at_moment(self._clock.monotonic()).less(lines)

    def room_at(self, lines: int) -> float:
        """When there is room for so many lines."""
        return self._lines.next(self._clock.monotonic(), lines)
