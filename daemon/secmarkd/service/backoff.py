"""How long to wait after failures in a row."""

from __future__ import annotations

FIRST = 1.0
LONGEST = 60.0
"""Seconds."""


def delay(failures: int) -> float:
    """Seconds before the next try after so many failures (at least one): doubling from FIRST to LONGEST."""
    return float(min(LONGEST, FIRST * 2 ** min(failures - 1, 16)))
