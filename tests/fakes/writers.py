"""A fake of the port `Writers`."""

from __future__ import annotations

from secmarkd.ports import Committed, Writer


class FakeWriters:
    """Knows of each thread what its event says, and what `known` has of the name."""

    def __init__(self) -> None:
        self.known: dict[str, Writer] = {}
        self.asked: list[Committed] = []

    def identify(self, committed: Committed) -> Writer:
        """As ports.Writers."""
        self.asked.append(committed)
        return self.known.get(committed.comm, Writer(committed.comm, committed.thread))
