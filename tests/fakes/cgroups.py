# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `CgroupEvents`."""

from __future__ import annotations

from collections.abc import Collection

from secmarkd.ports import CgroupNews


class FakeCgroupEvents:
    """Tells what `news` has, once."""

    def __init__(self) -> None:
        self.followed: frozenset[str] = frozenset()
        self.news = CgroupNews(came=False, went=False)
        self.refused: OSError | None = None
        """What `follow` raises."""

    def fileno(self) -> int:
        """As ports.CgroupEvents; nobody waits for it."""
        return -1

    def follow(self, cgroups: Collection[str]) -> None:
        """As ports.CgroupEvents."""
        self.followed = frozenset(cgroups)
        if self.refused is not None:
            raise self.refused

    def take(self) -> CgroupNews:
        """As ports.CgroupEvents."""
        news, self.news = self.news, CgroupNews(came=False, went=False)
        return news

    def close(self) -> None:
        """As ports.CgroupEvents."""
