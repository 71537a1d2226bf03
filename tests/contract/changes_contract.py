# SPDX-License-Identifier: GPL-2.0-or-later
"""What every `ports.ChangeEvents` does, for the fake and for netlink in a network namespace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from secmarkd.change.diff import diff
from secmarkd.change.early_repair import MOST, narrowed
from secmarkd.errors import KernelError
from secmarkd.ports import ChangeEvents, News, Nft
from secmarkd.table.elements import Elements, Field
from secmarkd.table.generation import successor
from secmarkd.table.table import Chain, ObjectKind, Table
from secmarkd.table.transaction import AddElements, AddObjects, DeleteElements, Replace
from tests.support.tables import Values, find_map, full_table, make_map, make_object, replace_map, with_elements

TABLE = full_table(ObjectKind.COUNTER)
ADD_CHAIN = "add chain inet secmarkd theirs"


def with_chain(table: Table) -> Table:
    return replace(table, chains=(*table.chains, Chain("theirs", ())))


def without(table: Table, name: str, *values: Values) -> Table:
    """Without one element of a map, or without any."""
    map_ = find_map(table, name)
    gone = with_elements(map_, (values, "s_http")).as_dict() if values else map_.elements.as_dict()
    left = {key: target for key, target in map_.elements.items() if key not in gone}
    return replace_map(table, name, Elements.of(map_.elements.width, left))


def with_element(table: Table, name: str, target: str, *values: Values) -> Table:
    """With one more element in a map, or with another object for one."""
    map_ = find_map(table, name)
    added = with_elements(map_, (values, target)).as_dict()
    return replace_map(table, name, Elements.of(map_.elements.width, {**map_.elements.as_dict(), **added}))


@dataclass(frozen=True)
class Hint:
    """A change of elements in all of which events tell."""

    text: str
    effect: Callable[[Table], Table]

    def __str__(self) -> str:
        return self.text


T = "inet secmarkd"
HINTS = (
    Hint(f"delete element {T} m_port {{ tcp . 80 }}", lambda table: without(table, "m_port", 6, 80)),
    Hint(f'add element {T} m_port {{ udp . 80 : "s_ssh" }}', lambda table: with_element(table, "m_port", "s_ssh", 17, 80)),
    Hint(
        f'delete element {T} m_port {{ tcp . 80 }}; add element {T} m_port {{ tcp . 80 : "s_ssh" }}',
        lambda table: with_element(table, "m_port", "s_ssh", 6, 80),
    ),
    Hint(f"flush map {T} m_port", lambda table: without(table, "m_port")),
    Hint(f"flush map {T} m_remote4", lambda table: without(table, "m_remote4")),
    Hint(f"flush map {T} m_user; flush map {T} m_wildcard", lambda table: without(without(table, "m_user"), "m_wildcard")),
    Hint(f"delete element {T} m_protocol {{ 200 }}", lambda table: without(table, "m_protocol", 200)),
    Hint(f"delete element {T} m_user {{ 1000 . tcp . 22 }}", lambda table: without(table, "m_user", 1000, 6, 22)),
    Hint(
        f'add element {T} m_interface {{ udp . 22 . "br0" : "s_ssh" }}',
        lambda table: with_element(table, "m_interface", "s_ssh", 17, 22, "br0"),
    ),
    Hint(f"delete element {T} m_ranges {{ 8000-9000 . tcp }}", lambda table: without(table, "m_ranges", (8000, 9000), 6)),
    Hint(
        f'add element {T} m_remote6 {{ ::7-::9 . 24 . tcp : "s_http" }}',
        lambda table: with_element(table, "m_remote6", "s_http", (7, 9), 24, 6),
    ),
)  # fmt: skip
EFFECTS: dict[str, Callable[[Table], Table | None]] = {
    "delete element inet secmarkd m_address { 12.0.0.0 }": lambda table: without(table, "m_address", 12 << 24),
    "delete element inet secmarkd m_port { tcp . 80 }; add chain inet secmarkd theirs": (
        lambda table: with_chain(without(table, "m_port", 6, 80))
    ),
    "delete table inet secmarkd": lambda table: None,
}


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
        assert {each.generation for each in news.touched} == {second & 0xFFFF}

    # --- what was changed ---

    @pytest.mark.parametrize("hint", HINTS, ids=str)
    def test_changed_elements_are_told_whole(self, world: ChangesWorld, hint: Hint) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.change(hint.text, hint.effect)
        touched = world.events.take().touched
        assert {each.generation for each in touched} == {world.nft.generation() & 0xFFFF}
        parts = narrowed(TABLE, [each.change for each in touched if each.change is not None])
        assert parts is not None
        after = hint.effect(TABLE)
        assert diff(*parts) == diff(TABLE, after) != ()
        assert all(each.change is not None for each in touched)
        assert world.nft.read() == after

    @pytest.mark.parametrize(
        "text",
        [
            ADD_CHAIN,
            "delete element inet secmarkd m_address { 12.0.0.0 }",
            "delete element inet secmarkd m_port { tcp . 80 }; add chain inet secmarkd theirs",
            "delete table inet secmarkd",
        ],
    )
    def test_what_is_more_than_whole_elements_of_a_map_is_no_hint(self, world: ChangesWorld, text: str) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        world.change(text, EFFECTS.get(text, with_chain))
        touched = world.events.take().touched
        assert touched
        changes = [each.change for each in touched if each.change is not None]
        assert len(changes) < len(touched) or narrowed(TABLE, changes) is None

    def test_our_own_changes_are_told_as_those_of_others_are(self, world: ChangesWorld) -> None:
        world.nft.commit((Replace(TABLE),))
        world.events.take()
        port = find_map(TABLE, "m_port")
        for act in (DeleteElements, AddElements):
            before = world.nft.generation()
            world.nft.commit_at((act(port, with_elements(port, ((6, 80), "s_http"))),), before)
            news = world.events.take()
            assert [each.generation for each in news.committed] == [successor(before)]
            assert [each.generation for each in news.touched] == [successor(before) & 0xFFFF]
            assert [each.change and each.change.added for each in news.touched] == [act is AddElements]

    def test_a_flood_of_elements_is_told_in_short(self, world: ChangesWorld) -> None:
        """So that it is no hint, and nobody has to hold it."""
        many = make_map("m_port", (Field.PROTOCOL, Field.PORT), ObjectKind.COUNTER,
                        *(((6, port), "s_http") for port in range(1, 1001)))  # fmt: skip
        world.nft.commit((Replace(replace_map(TABLE, "m_port", many.elements)),))
        world.events.take()
        world.change("flush map inet secmarkd m_port", lambda table: without(table, "m_port"))
        touched = world.events.take().touched
        assert MOST < len(touched) < 300

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
