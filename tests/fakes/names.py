# SPDX-License-Identifier: GPL-2.0-or-later
"""Fakes of the ports `Lookups` and `NameEvents`."""

from __future__ import annotations

from collections.abc import Collection

from secmarkd.model.names import Found, Name


class FakeLookups:
    """Remembers what was asked; `answer` is given once."""

    def __init__(self) -> None:
        self.begun: list[frozenset[Name]] = []
        self.abandoned = 0
        self.answer: Found | Exception | None = None
        self.refused: Exception | None = None
        """What `begin` raises."""

    def fileno(self) -> int:
        """As ports.Lookups; nobody waits for it."""
        return -1

    def begin(self, names: Collection[Name]) -> None:
        """As ports.Lookups."""
        self.begun.append(frozenset(names))
        if self.refused is not None:
            raise self.refused

    def take(self) -> Found | None:
        """As ports.Lookups."""
        answer, self.answer = self.answer, None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abandon(self) -> None:
        """As ports.Lookups."""
        self.abandoned += 1

    def close(self) -> None:
        """As ports.Lookups."""


class FakeNameEvents:
    """Tells `changed`, once."""

    def __init__(self) -> None:
        self.changed = False

    def fileno(self) -> int:
        """As ports.NameEvents; nobody waits for it."""
        return -1

    def take(self) -> bool:
        """As ports.NameEvents."""
        changed, self.changed = self.changed, False
        return changed

    def close(self) -> None:
        """As ports.NameEvents."""
