# SPDX-License-Identifier: GPL-2.0-or-later
"""Implements ports.Lookups with a child process for each lookup, which is killed where nobody answers it."""

from __future__ import annotations

import select
from collections.abc import Collection

from secmarkd.adapters.loading.requests import LookUp
from secmarkd.model.names import Found, Name
from secmarkd.ports import LOOKUP_DEADLINE
from secmarkd.workers.parent import Child

_READ = 5.0
"""Seconds for an answer that has begun to come."""


class ChildLookups:
    """See ports.Lookups. One at a time."""

    def __init__(self) -> None:
        self._child = Child("secmarkd.adapters.loading.process", "the lookup of names")
        self._poll = select.epoll()
        """Its descriptor stays the same, whichever child it watches."""
        self._watched: int | None = None

    def fileno(self) -> int:
        """See ports.Lookups."""
        return self._poll.fileno()

    def begin(self, names: Collection[Name]) -> None:
        """See ports.Lookups."""
        self.abandon()
        self._watched = self._child.begin(LookUp(frozenset(names), LOOKUP_DEADLINE), operation="look up")
        self._poll.register(self._watched, select.EPOLLIN)

    def take(self) -> Found | None:
        """See ports.Lookups."""
        if self._watched is None or not self._poll.poll(0) or not self._child.has_answer():
            return None
        self._forget()
        answer = self._child.finish(_READ, operation="look up")
        assert isinstance(answer, Found)
        return answer

    def abandon(self) -> None:
        """See ports.Lookups."""
        self._forget()
        self._child.close()

    def close(self) -> None:
        """See ports.Lookups."""
        self.abandon()
        self._poll.close()

    def _forget(self) -> None:
        if self._watched is not None:
            self._poll.unregister(self._watched)
            self._watched = None
