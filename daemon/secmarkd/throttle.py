# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon something may happen again that happens again and again: at once while that is rare, then less and less often.

Values without a clock: who has one says what time it is. Everything in this program that waits longer and longer is one of
these (contention, reads that others are in the way of, changes of the environment, lookups of names, failed passes, a
journal that is away); what may come in bursts and not often in the long run (lines about drift) is an Allowance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Throttle:
    """The pace of one kind of thing. Seconds; moments are those of one clock that never jumps."""

    first: float
    """From the one with which waiting begins to the next; doubled each time,"""
    longest: float
    """up to this."""
    at_once: int = 0
    """How many in a row are followed by another without waiting."""
    quiet: float = 0.0
    """Without any for so long, and for twice the wait, the next one begins a new row."""
    times: int = 0
    """How many there were in a row."""
    last: float = _NEVER
    """When the last one was."""

    @property
    def wait(self) -> float:
        """Seconds to leave between the last one and the next."""
        return self.wait_after(self.times)

    def wait_after(self, times: int) -> float:
        """The same for so many in a row."""
        waiting = times - self.at_once
        return float(min(self.longest, self.first * 2 ** min(waiting - 1, 16))) if waiting > 0 else 0.0

    def next(self, now: float) -> float:
        """When the next one may be: now, or later."""
        return max(now, self.last + self.wait)

    @property
    def calm_at(self) -> float:
        """When the row is over, unless there is another one before."""
        return self.last + max(self.quiet, 2 * self.wait)

    def happened(self, now: float) -> Throttle:
        """One more in a row."""
        return replace(self, times=self.times + 1, last=now)

    def reset(self) -> Throttle:
        """None in a row. When the last one was stays known."""
        return replace(self, times=0)

    def resumed(self, now: float) -> Throttle:
        """One more now: in the row, or the first of a new one where it is calm."""
        return (self if now < self.calm_at else self.reset()).happened(now)


FAILURES = Throttle(first=1.0, longest=60.0)
"""Tries of what has failed: 1, 2, 4, … seconds after so many failures in a row, a minute at most."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many at once, and in the long run one in so many seconds."""

    burst: int
    seconds_each: float
    left: float
    """At the moment `at`; below zero where more was taken than there was."""
    at: float

    def at_moment(self, now: float) -> Allowance:
        """The same, later."""
        return replace(self, left=min(float(self.burst), self.left + (now - self.at) / self.seconds_each), at=now)

    def has(self, number: int) -> bool:
        """Whether there are so many. At the very moment that `next` gave, rounding must not say no."""
        return self.left >= number - 1e-6

    def less(self, number: int) -> Allowance:
        """So many were used, whether they were there or not."""
        return replace(self, left=self.left - number)

    def next(self, now: float, number: int) -> float:
        """When there are so many: now, or later."""
        missing = max(0.0, number - self.at_moment(now).left)
        return now + missing * self.seconds_each
