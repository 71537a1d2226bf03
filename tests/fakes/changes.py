"""A fake of the port `ChangeEvents` that hears what happens to a FakeNft."""

from __future__ import annotations

from secmarkd.ports import Committed, News
from tests.fakes.nft import FakeNft


class FakeChanges:
    """The events of one fake nftables, until they are taken."""

    def __init__(self, nft: FakeNft) -> None:
        self.waiting: list[Committed] = []
        self.closed = False
        self._ours = self._lost = False
        nft.heard.append(self._hear)

    def _hear(self, committed: Committed, ours: bool) -> None:
        self.waiting.append(committed)
        self._ours = self._ours or ours

    def lose(self) -> None:
        """The kernel drops what waits."""
        self.waiting.clear()
        self._ours = self._lost = True

    def fileno(self) -> int:
        """As ports.ChangeEvents; nothing that can be waited for."""
        return -1

    def take(self) -> News:
        """As ports.ChangeEvents."""
        news = News(tuple(self.waiting), self._ours, self._lost)
        self.waiting.clear()
        self._ours = self._lost = False
        return news

    def close(self) -> None:
        """As ports.ChangeEvents."""
        self.closed = True
