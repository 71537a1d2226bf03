# SPDX-License-Identifier: GPL-2.0-or-later
"""How long to wait after failures in a row, or after anything else that comes again and again."""

from __future__ import annotations

FIRST = 1.0
LONGEST = 60.0
"""Seconds."""


def delay(failures: int) -> float:
    """Seconds before the next try after so many failures (at least one): doubling from FIRST to LONGEST."""
    return doubling(failures, FIRST, LONGEST)


def doubling(times: int, first: float, longest: float) -> float:
    """Seconds to wait for the so-manieth time (at least one) in a row."""
    return float(min(longest, first * 2 ** min(times - 1, 16)))
