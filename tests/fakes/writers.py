# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `Writers`."""

from __future__ import annotations

from collections.abc import Callable

from secmarkd.ports import Committed, Writer


class FakeWriters:
    """Knows of each thread what its event says, and what `known` has of the name."""

    def __init__(self) -> None:
        self.known: dict[str, Writer] = {}
        self.asked: list[Committed] = []

    def glimpse(self, committed: Committed) -> Callable[[], Writer]:
        """As ports.Writers."""
        self.asked.append(committed)
        comm = "".join(each if each.isprintable() else "?" for each in committed.comm)
        return lambda: self.known.get(committed.comm, Writer(comm, committed.thread or None))
