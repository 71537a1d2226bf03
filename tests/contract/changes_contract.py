"""What every `ports.ChangeEvents` does, for the fake and for netlink in a network namespace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from secmarkd.errors import KernelError
from secmarkd.ports import ChangeEvents, News, Nft
from secmarkd.ruleset.generation import successor
from secmarkd.ruleset.table import Chain, ObjectKind, Table
from secmarkd.ruleset.transaction import AddElements, AddObjects, Replace
from tests.support.tables import find_map, full_table, make_object, with_elements

TABLE = full_table(ObjectKind.COUNTER)
ADD_CHAIN = "add chain inet secmarkd theirs"


def with_chain(table: Table) -> Table:
    return replace(table, chains=(*table.chains, Chain("theirs", ())))


class ChangesWorld(Protocol):
    """Events, the nftables that they are about, and others who change it."""

    @property
    def nft(self) -> Nft:
        """The port whose changes are heard of."""

    @property
    def events(self) -> ChangeEvents:
        """The port under test, opened before anything happened."""

    def change(self, text: str, effect: Callable[[Table], Table | None]) -> None:
        """Someone else, whose thread is called `nft`, runs `text`; `effect` is what that does to our table."""

    def change_elsewhere(self) -> None:
        """Someone else changes another table."""


class ChangesContract:
    """Tests for a class with a fixture `world`."""

    def test_nothing_happened_at_first(self, world: ChangesWorld) -> None:
        assert world.events.take() == News()

    def test_our_commits_are_heard_with_the_generation_that_they_made(self, world: ChangesWorld) -> None:
        before = world.nft.generation()
        world.nft.commit((Replace(TABLE),))
        news = world.events.take()
        assert [each.generation for each in news.committed] == [world.nft.generation()] == [successor(before)]
        assert news.committed[0].comm == "secmarkd-nft"
        assert (news.ours, news.lost) == (True, False)
        assert world.events.take() == News()

    def test_others_are_heard_with_their_name(self, world: ChangesWorld) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.change(ADD_CHAIN, with_chain)
        news = world.events.take()
        assert [(each.generation, each.comm) for each in news.committed] == [(world.nft.generation(), "nft")]
        assert news.committed[0].thread > 0
        assert news.ours

    def test_changes_of_other_tables_are_told_apart(self, world: ChangesWorld) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.change_elsewhere()
        news = world.events.take()
        assert [each.generation for each in news.committed] == [world.nft.generation()]
        assert (news.ours, news.lost) == (False, False)

    def test_several_commits_come_in_order_and_a_touched_table_is_not_overlooked_among_them(
        self, world: ChangesWorld
    ) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.change_elsewhere()
        world.change(ADD_CHAIN, with_chain)
        world.change_elsewhere()
        news = world.events.take()
        first, second, third = (each.generation for each in news.committed)
        assert (second, third) == (successor(first), successor(second))
        assert third == world.nft.generation()
        assert news.ours

    def test_what_fails_or_is_only_tried_or_read_is_silent(self, world: ChangesWorld) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        missing = with_elements(find_map(TABLE, "m_port"), ((6, 99), "s_nowhere"))
        with pytest.raises(KernelError):
            world.nft.commit((AddElements(find_map(TABLE, "m_port"), missing),))
        world.nft.check((Replace(TABLE),))
        world.nft.read()
        assert world.events.take() == News()

    def test_what_changes_nothing_is_silent(self, world: ChangesWorld) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.nft.commit((AddObjects((make_object("s_ssh", ObjectKind.COUNTER),)),))
        assert world.events.take() == News()
