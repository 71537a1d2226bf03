# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.CgroupEvents, for inotify and for the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from secmarkd.adapters.host import cgroup_watch
from secmarkd.ports import CgroupEvents, CgroupNews
from tests.fakes.cgroups import FakeCgroupEvents

NOTHING = CgroupNews(came=False, went=False)
CAME = CgroupNews(came=True, went=False)
WENT = CgroupNews(came=False, went=True)


class Hierarchy(Protocol):
    """A hierarchy of cgroups with only a root."""

    @property
    def events(self) -> CgroupEvents:
        """The adapter."""

    def make(self, cgroup: str) -> None:
        """As mkdir."""

    def remove(self, cgroup: str) -> None:
        """As rmdir."""


class CgroupEventsContract:
    """To be inherited, with a fixture `hierarchy`."""

    def test_nothing_has_happened_at_first(self, hierarchy: Hierarchy) -> None:
        hierarchy.events.follow(["a.slice"])
        assert hierarchy.events.take() == NOTHING

    def test_a_cgroup_that_is_made_is_told_once(self, hierarchy: Hierarchy) -> None:
        hierarchy.events.follow(["a.slice"])
        hierarchy.make("a.slice")
        assert hierarchy.events.take() == CAME
        assert hierarchy.events.take() == NOTHING

    def test_a_cgroup_that_is_removed_is_told_once(self, hierarchy: Hierarchy) -> None:
        hierarchy.make("a.slice")
        hierarchy.events.follow(["a.slice"])
        hierarchy.remove("a.slice")
        assert hierarchy.events.take() == WENT
        assert hierarchy.events.take() == NOTHING

    def test_a_restart_between_two_takes_is_both(self, hierarchy: Hierarchy) -> None:
        hierarchy.make("a.slice")
        hierarchy.events.follow(["a.slice"])
        hierarchy.remove("a.slice")
        hierarchy.make("a.slice")
        assert hierarchy.events.take() == CgroupNews(came=True, went=True)

    def test_the_cgroup_around_a_followed_one_is_told_and_then_the_followed_one(self, hierarchy: Hierarchy) -> None:
        hierarchy.events.follow(["a.slice/b.service"])
        hierarchy.make("a.slice")
        assert hierarchy.events.take() == CAME
        hierarchy.make("a.slice/b.service")
        assert hierarchy.events.take() == CAME

    def test_other_cgroups_are_not_told_of(self, hierarchy: Hierarchy) -> None:
        hierarchy.make("a.slice")
        hierarchy.events.follow(["a.slice/b.service"])
        hierarchy.make("c.slice")
        hierarchy.make("a.slice/d.service")
        hierarchy.remove("c.slice")
        assert hierarchy.events.take() == NOTHING

    def test_without_following_nothing_is_told(self, hierarchy: Hierarchy) -> None:
        hierarchy.make("a.slice")
        assert hierarchy.events.take() == NOTHING

    def test_cgroups_that_are_followed_no_longer_are_not_told_of(self, hierarchy: Hierarchy) -> None:
        hierarchy.events.follow(["a.slice"])
        hierarchy.events.follow(["b.slice"])
        hierarchy.make("a.slice")
        assert hierarchy.events.take() == NOTHING
        hierarchy.make("b.slice")
        assert hierarchy.events.take() == CAME


class RealHierarchy:
    """Directories, which tell the same as cgroups."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.events = cgroup_watch.CgroupEvents(str(root))

    def make(self, cgroup: str) -> None:
        (self._root / cgroup).mkdir()

    def remove(self, cgroup: str) -> None:
        (self._root / cgroup).rmdir()


class FakeHierarchy:
    def __init__(self) -> None:
        self.events = FakeCgroupEvents()

    def make(self, cgroup: str) -> None:
        self.events.made(cgroup)

    def remove(self, cgroup: str) -> None:
        self.events.removed(cgroup)


class TestCgroupWatch(CgroupEventsContract):
    @pytest.fixture
    def hierarchy(self, tmp_path: Path) -> Iterator[Hierarchy]:
        hierarchy = RealHierarchy(tmp_path)
        yield hierarchy
        hierarchy.events.close()


class TestFakeCgroupEvents(CgroupEventsContract):
    @pytest.fixture
    def hierarchy(self) -> Hierarchy:
        return FakeHierarchy()
