# SPDX-License-Identifier: GPL-2.0-or-later
"""Notifications that wait, behind a descriptor for those who want one."""

from __future__ import annotations

import socket


class Notices:
    """What was notified and not yet taken."""

    def __init__(self) -> None:
        self._waiting = False
        self._ends: tuple[socket.socket, socket.socket] | None = None

    def happen(self) -> None:
        """Something happens."""
        if not self._waiting and self._ends:
            self._ends[1].send(b"\0")
        self._waiting = True

    def fileno(self) -> int:
        """A descriptor that can be read while something waits."""
        if self._ends is None:
            self._ends = socket.socketpair()
            if self._waiting:
                self._ends[1].send(b"\0")
        return self._ends[0].fileno()

    def take(self) -> None:
        """Nothing waits any longer."""
        if self._waiting and self._ends:
            self._ends[0].recv(1)
        self._waiting = False

    def close(self) -> None:
        """Close the descriptor."""
        for each in self._ends or ():
            each.close()
