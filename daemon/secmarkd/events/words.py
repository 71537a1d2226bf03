# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that several sentences share."""

from __future__ import annotations


def count(number: int, one: str, many: str = "") -> str:
    """`1 label`, `2 labels`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def with_author(said: str, by: str) -> str:
    """The sentence, and who did it."""
    return f"{said}; by {by}" if by else said


def with_meanwhile(error: str, by: str) -> str:
    """The error, and who kept committing when it came."""
    return f"{error}; meanwhile commits by {by}" if by else error


def with_hint(error: str, hint: str) -> str:
    """The error, and in brackets the fix."""
    return f"{error} ({hint})" if hint else error


def duration(seconds: float) -> str:
    """A length of time as people say it: `12 ms`, `1.5 s`, `5 min`, `3 h`, `2 d`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    for unit, size in (("min", 60), ("h", 3600)):
        if seconds < size * (120 if unit == "min" else 48):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
