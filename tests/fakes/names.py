# SPDX-License-Identifier: GPL-2.0-or-later
"""Fakes of the ports `Lookups` and `NameEvents`."""

from __future__ import annotations

from collections.abc import Collection

from secmarkd.model.names import Found, Name


class FakeLookups:
    """Remembers what was asked; `answer` is given once, to the lookup that is under way when it comes."""

    def __init__(self) -> None:
        self.begun: list[frozenset[Name]] = []
        self.abandoned = 0
        self._under_way = False
        self._answer: Found | Exception | None = None
        self.refused: Exception | None = None
        """What `begin` raises."""

    def fileno(self) -> int:
        """As ports.Lookups; nobody waits for it."""
        return -1

    def begin(self, names: Collection[Name]) -> None:
        """As ports.Lookups."""
        self._under_way, self._answer = False, None
        self.begun.append(frozenset(names))
        if self.refused is not None:
            raise self.refused
        self._under_way = True

    def take(self) -> Found | None:
        """As ports.Lookups."""
        answer, self._answer = self._answer, None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abandon(self) -> None:
        """As ports.Lookups."""
        self.abandoned += 1
        self._under_way, self._answer = False, None

    def close(self) -> None:
        """As ports.Lookups."""
        self._under_way, self._answer = False, None

    def reply(self, answer: Found | Exception) -> None:
        """The lookup that is under way is answered. What nobody waits for is lost."""
        if self._under_way:
            self._under_way, self._answer = False, answer


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
