# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.Labellers, for the kernel and for the fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from secmarkd.adapters.netlink.labellers import NetlinkLabellers
from secmarkd.ports import Labellers
from secmarkd.table.other_labels import Does, OtherLabel, OtherLabels, Position
from secmarkd.table.table import NAME
from tests.fakes.labellers import FakeLabellers
from tests.support.namespace import Namespace


def late(table: str) -> OtherLabel:
    """A chain of this table that saves labels after secmarkd."""
    return OtherLabel("inet", table, "c", "input", 60, Does.CONNECTIONS, Position.AFTER)


class Others(Protocol):
    """A network namespace in which nobody labels yet."""

    @property
    def labellers(self) -> Labellers:
        """The adapter."""

    def label(self, table: str) -> None:
        """A chain `c` of an inet table of this name saves labels, at input and priority 60."""

    def delete(self, table: str) -> None:
        """That table is deleted."""


class LabellersContract:
    """To be inherited, with a fixture `others`."""

    def test_where_nobody_labels_nothing_is_found(self, others: Others) -> None:
        assert others.labellers.look() == OtherLabels((), whole=True)

    def test_a_chain_that_labels_is_found_with_its_place_at_each_look(self, others: Others) -> None:
        others.label("other")
        assert others.labellers.look() == OtherLabels((late("other"),))
        assert others.labellers.look() == OtherLabels((late("other"),))

    def test_all_are_found_sorted(self, others: Others) -> None:
        for table in ("z", "a", "m"):
            others.label(table)
        assert others.labellers.look().found == (late("a"), late("m"), late("z"))

    def test_our_own_table_is_never_among_them(self, others: Others) -> None:
        others.label(NAME)
        others.label("other")
        assert others.labellers.look().found == (late("other"),)

    def test_a_table_that_was_deleted_is_found_no_longer(self, others: Others) -> None:
        others.label("other")
        others.label("another")
        others.delete("other")
        assert others.labellers.look().found == (late("another"),)


class RealOthers:
    """nftables in a network namespace, in which the calling thread is."""

    def __init__(self, netns: Namespace) -> None:
        self._netns = netns
        self.labellers = NetlinkLabellers()

    def label(self, table: str) -> None:
        chain = "type filter hook input priority 60; ct secmark set meta secmark;"
        self._netns.nft(f"table inet {table} {{ chain c {{ {chain} }}\n}}")

    def delete(self, table: str) -> None:
        self._netns.nft(f"delete table inet {table}")


class FakeOthers:
    def __init__(self) -> None:
        self.labellers = FakeLabellers()

    def label(self, table: str) -> None:
        self.labellers.add(late(table))

    def delete(self, table: str) -> None:
        self.labellers.remove(late(table))


class TestNetlinkLabellers(LabellersContract):
    @pytest.fixture
    def others(self, netns: Namespace) -> Iterator[Others]:
        with netns.enter():
            yield RealOthers(netns)


class TestFakeLabellers(LabellersContract):
    @pytest.fixture
    def others(self) -> Others:
        return FakeOthers()
