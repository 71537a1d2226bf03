# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `CgroupEvents`."""

from __future__ import annotations

from collections.abc import Collection

from secmarkd.ports import CgroupNews


class FakeCgroupEvents:
    """Tells once what happened to followed cgroups (`made`, `removed`), and what `news` has."""

    def __init__(self) -> None:
        self.followed: frozenset[str] = frozenset()
        self._happened: list[tuple[str, CgroupNews]] = []
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
        told = [news for cgroup, news in self._happened if self._concerns(cgroup)]
        self._happened.clear()
        told.append(self.news)
        self.news = CgroupNews(came=False, went=False)
        return CgroupNews(came=any(each.came for each in told), went=any(each.went for each in told))

    def close(self) -> None:
        """As ports.CgroupEvents."""

    def made(self, cgroup: str) -> None:
        """A cgroup is made."""
        self._happens(cgroup, CgroupNews(came=True, went=False))

    def removed(self, cgroup: str) -> None:
        """A cgroup is removed."""
        self._happens(cgroup, CgroupNews(came=False, went=True))

    def _happens(self, cgroup: str, news: CgroupNews) -> None:
        """Only what is followed then is told, and only while it still is when it is taken."""
        if self._concerns(cgroup):
            self._happened.append((cgroup, news))

    def _concerns(self, cgroup: str) -> bool:
        return any(f"{each}/".startswith(f"{cgroup}/") for each in self.followed)
