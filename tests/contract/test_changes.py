# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of `ports.ChangeEvents`, kept by the fake and by netlink; and what only the kernel can show."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.ports import News
from secmarkd.table.table import Table
from secmarkd.table.transaction import Replace
from tests.contract.changes_contract import TABLE, ChangesContract, ChangesWorld
from tests.fakes.changes import FakeChanges
from tests.fakes.nft import FakeNft
from tests.support.capability import require, require_bindings
from tests.support.namespace import Namespace


class FakeWorld:
    def __init__(self) -> None:
        self.nft = FakeNft()
        self.events = FakeChanges(self.nft)

    def change(self, text: str, effect: Callable[[Table], Table | None]) -> None:
        self.nft.change(effect)

    def change_elsewhere(self) -> None:
        self.nft.change_elsewhere()


class KernelWorld:
    """The calling thread is in the namespace."""

    def __init__(self, netns: Namespace) -> None:
        self.netns = netns
        self.nft = LibNft()
        self.events = NetlinkEvents()
        self._tables = 0
        self._bindings: Any = None

    def commit(self, text: str) -> str:
        """By libnftables in this process, which is quick; what went wrong."""
        from nftables import Nftables

        self._bindings = self._bindings or Nftables()
        status, _, said = self._bindings.cmd(text)
        return str(said) if status else ""

    def change(self, text: str, effect: Callable[[Table], Table | None]) -> None:
        self.netns.nft(text)

    def change_elsewhere(self) -> None:
        self._tables += 1
        self.netns.nft(f"add table inet other{self._tables}; add chain inet other{self._tables} secmarkd")


class TestFakeChanges(ChangesContract):
    @pytest.fixture
    def world(self) -> ChangesWorld:
        return FakeWorld()

    def test_what_was_lost_may_have_been_anything(self) -> None:
        world = FakeWorld()
        world.change_elsewhere()
        world.events.lose()
        assert world.events.take() == News(lost=True)


class TestNetlinkEvents(ChangesContract):
    @pytest.fixture
    def world(self, netns: Namespace) -> Iterator[KernelWorld]:
        require_bindings()
        with netns.enter():
            world = KernelWorld(netns)
            yield world
            world.nft.close()
            world.events.close()

    def test_its_descriptor_wakes_only_when_something_was_committed(self, world: KernelWorld) -> None:
        def awake() -> bool:
            return bool(select.select([world.events], [], [], 0)[0])

        assert not awake()
        world.nft.read()
        assert not awake()
        world.change_elsewhere()
        assert awake()
        world.events.take()
        assert not awake()

    def test_the_thread_is_the_one_that_committed(self, world: KernelWorld) -> None:
        require(os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC, "needs the initial PID namespace")
        world.nft.commit((Replace(TABLE),))
        assert [each.thread for each in world.events.take().committed] == [world.nft.pid]

    @pytest.mark.fault(14)
    def test_a_hundred_thousand_elements_lose_nothing(self, world: KernelWorld) -> None:
        world.netns.nft("table inet other { set s { type ipv4_addr; }; }")
        world.events.take()
        elements = ", ".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(100_000))
        world.netns.nft(f"add element inet other s {{ {elements} }}")
        world.netns.nft("flush set inet other s")
        news = world.events.take()
        assert len(news.committed) == 2
        assert not news.lost
        assert not news.ours
        world.netns.nft("add table inet another")
        assert not world.events.take().ours

    @pytest.mark.fault(14)
    def test_thousands_of_commits_while_nobody_listens_lose_nothing(self, world: KernelWorld) -> None:
        """The system's default has room for 256."""
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        texts = ["add table inet w; delete table inet w"] * 2000
        texts.insert(1000, "add counter inet secmarkd theirs")
        for text in texts:
            assert not world.commit(text)
        news = world.events.take()
        assert len(news.committed) == 2001
        assert not news.lost
        assert [each.generation for each in news.touched] == [news.committed[1000].generation & 0xFFFF]

    @pytest.mark.fault(14)
    def test_an_overflow_is_told_and_passes(self, world: KernelWorld) -> None:
        events = NetlinkEvents(receive_buffer=1)  # the kernel makes it 2304 bytes
        for _ in range(10):
            world.change_elsewhere()
        news = events.take()
        assert news.lost
        assert news.ours
        world.change_elsewhere()
        assert len(events.take().committed) == 1
        events.close()

    def test_other_namespaces_are_not_heard(self, world: KernelWorld) -> None:
        with Namespace() as other:
            other.nft("add table inet secmarkd")
            assert world.events.take() == News()

    def test_a_table_that_goes_with_a_flush_of_all_is_ours(self, world: KernelWorld) -> None:
        for number in range(30):
            world.netns.nft(f"add table inet a{number}; add chain inet a{number} c")
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.netns.run("nft flush ruleset")
        assert world.events.take().ours
        assert world.nft.flags() is None

    def test_a_table_of_the_same_name_in_another_family_is_not_ours(self, world: KernelWorld) -> None:
        world.netns.nft("add table ip secmarkd; add chain ip secmarkd c")
        news = world.events.take()
        assert news.committed
        assert not news.ours

    @pytest.mark.parametrize(
        "text",
        [
            "add chain inet secmarkd x",
            "add rule inet secmarkd done accept",
            "flush chain inet secmarkd done",
            "flush map inet secmarkd m_port",
            "delete element inet secmarkd m_port { tcp . 80 }",
            "add set inet secmarkd x { type mark; }",
            "add counter inet secmarkd x",
            "reset counters table inet secmarkd",
            "add table inet secmarkd { flags dormant; }",
            "rename chain inet secmarkd empty full",
            "flush table inet secmarkd",
            "flush ruleset",
            "delete table inet secmarkd",
        ],
    )
    def test_every_change_of_our_table_is_ours(self, world: KernelWorld, text: str) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        with Netlink() as netlink:
            before = netlink.generation()
            world.netns.nft(text)
            after = netlink.generation()
        touched = {each.generation for each in world.events.take().touched}
        assert touched == ({after & 0xFFFF} if after != before else set())
