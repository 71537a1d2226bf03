# SPDX-License-Identifier: GPL-2.0-or-later
"""Implements ports.Lookups with a child process for each lookup, which is killed where nobody answers it."""

from __future__ import annotations

from collections.abc import Collection

from secmarkd.adapters.loading.question import Question
from secmarkd.adapters.loading.requests import LookUp
from secmarkd.model.names import Found, Name
from secmarkd.ports import LOOKUP_DEADLINE


class ChildLookups:
    """See ports.Lookups. One at a time."""

    def __init__(self) -> None:
        self._question = Question("the lookup of names", "look up")

    @property
    def pid(self) -> int | None:
        """The process that looks up; None while there is none."""
        return self._question.pid

    def fileno(self) -> int:
        """See ports.Lookups."""
        return self._question.fileno()

    def begin(self, names: Collection[Name]) -> None:
        """See ports.Lookups."""
        self._question.begin(LookUp(frozenset(names), LOOKUP_DEADLINE))

    def take(self) -> Found | None:
        """See ports.Lookups."""
        answer = self._question.take()
        assert answer is None or isinstance(answer, Found)
        return answer

    def abandon(self) -> None:
        """See ports.Lookups."""
        self._question.abandon()

    def close(self) -> None:
        """See ports.Lookups."""
        self._question.close()
