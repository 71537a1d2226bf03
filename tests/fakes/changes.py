# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `ChangeEvents` that hears what happens to a FakeNft."""

from __future__ import annotations

from secmarkd.change.early_repair import MOST, ElementChange
from secmarkd.ports import Committed, News, Touched
from tests.fakes.nft import FakeNft


class FakeChanges:
    """The events of one fake nftables, until they are taken."""

    def __init__(self, nft: FakeNft) -> None:
        self.waiting: list[Committed] = []
        self.closed = False
        self.touched: list[Touched] = []
        self._lost = False
        nft.heard.append(self._hear)

    def _hear(self, committed: Committed, changes: list[ElementChange | None]) -> None:
        self.waiting.append(committed)
        generation = committed.generation & 0xFFFF
        self.touched += [Touched(generation, each) for each in changes[: 2 * MOST]]
        self.touched += [Touched(generation)] if len(changes) > 2 * MOST else []

    def lose(self) -> None:
        """The kernel drops what waits."""
        self.waiting.clear()
        self.touched.clear()
        self._lost = True

    def blur(self) -> None:
        """The kernel drops what waits of what was changed, but not by whom."""
        self.touched = [Touched()]

    def fileno(self) -> int:
        """As ports.ChangeEvents; nothing that can be waited for."""
        return -1

    def take(self) -> News:
        """As ports.ChangeEvents."""
        news = News(tuple(self.waiting), tuple(self.touched), self._lost)
        self.waiting.clear()
        self.touched.clear()
        self._lost = False
        return news

    def close(self) -> None:
        """As ports.ChangeEvents."""
        self.closed = True
