# SPDX-License-Identifier: GPL-2.0-or-later
"""A question to the loading process that nothing waits for: begun, and its answer taken once it is there."""

from __future__ import annotations

import select
from typing import Any

from secmarkd.workers.parent import Child

_READ = 5.0
"""Seconds for an answer that has begun to come."""


class Question:
    """One at a time, each to a process of its own, which can be killed."""

    def __init__(self, name: str, operation: str, **hints: str) -> None:
        """`name` is what messages call the process; `hints` as of Child."""
        self._child = Child("secmarkd.adapters.loading.process", name, **hints)
        self._operation = operation
        self._poll = select.epoll()
        """Its descriptor stays the same, whichever child it watches."""
        self._watched: int | None = None

    @property
    def pid(self) -> int | None:
        """The process that is asked; None while there is none."""
        return self._child.pid

    def fileno(self) -> int:
        """A descriptor that can be read when there is an answer, or when there will be none."""
        return self._poll.fileno()

    def begin(self, request: object, patience: float = 1.0) -> None:
        """Ask; what was asked before is given up. WorkerFailed where that is not possible, or where the process does not
        take the question within `patience` seconds: one that is larger than a socket's buffer is sent when it has started.
        """
        self.abandon()
        self._watched = self._child.begin(request, patience, operation=self._operation)
        self._poll.register(self._watched, select.EPOLLIN)

    def take(self) -> Any:
        """The answer; None while there is none. What the process raised of ours, or WorkerFailed."""
        if self._watched is None or not self._poll.poll(0) or not self._child.has_answer():
            return None
        self._forget()
        return self._child.finish(_READ, operation=self._operation)

    def abandon(self) -> None:
        """Give up what was asked; its process is gone when this returns."""
        self._forget()
        self._child.close()

    def close(self) -> None:
        """Give up, for good."""
        self.abandon()
        self._poll.close()

    def _forget(self) -> None:
        if self._watched is not None:
            self._poll.unregister(self._watched)
            self._watched = None
