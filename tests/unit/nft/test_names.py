# SPDX-License-Identifier: GPL-2.0-or-later
"""No name stands in a command that nft would not take for that name; what cannot be named goes with the whole table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secmarkd.change.diff import diff
from secmarkd.change.plan import plan
from secmarkd.change.rebuild import rebuild
from secmarkd.nft.names import can_be_named, named
from secmarkd.nft.text import encode
from secmarkd.table.elements import Field
from secmarkd.table.table import Chain, Foreign, Object, ObjectKind, Table
from secmarkd.table.transaction import Replace
from tests.support.names import FINE, STRANGE
from tests.support.service_rig import configuration
from tests.support.tables import full_table, make_map

COUNTER = ObjectKind.COUNTER


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
def test_a_strange_name_is_never_a_part_of_a_command(name: str) -> None:
    assert not can_be_named(name)
    with pytest.raises(ValueError, match="cannot be a name"):
        named(name)


@pytest.mark.parametrize("name", FINE)
def test_an_ordinary_name_is(name: str) -> None:
    assert can_be_named(name)
    assert named(name) == name


def test_every_name_that_the_compiler_gives_can_be_named() -> None:
    table = configuration(*range(1, 50)).table
    names = [each.name for things in (table.objects, table.maps, table.chains) for each in things]
    assert len(names) > 10
    assert all(map(can_be_named, names))


def _chain(table: Table, name: str) -> Table:
    return replace(table, chains=tuple(sorted((*table.chains, Chain(name, ())), key=lambda each: each.name)))


def _map(table: Table, name: str) -> Table:
    another = make_map(name, (Field.PORT,), COUNTER)
    return replace(table, maps=tuple(sorted((*table.maps, another), key=lambda each: each.name)))


def _object(table: Table, name: str) -> Table:
    return replace(table, objects=tuple(sorted((*table.objects, Object(name, COUNTER)))))


def _foreign(table: Table, name: str) -> Table:
    return replace(table, foreign=(Foreign("quota", name, "quota"),))


ADDING = [_chain, _map, _object, _foreign]


@pytest.mark.parametrize("adding", ADDING)
@pytest.mark.parametrize("name", STRANGE, ids=ascii)
@pytest.mark.parametrize("staged", [False, True])
def test_a_thing_with_a_strange_name_makes_the_repair_a_replacement(
    adding: Callable[[Table, str], Table], name: str, staged: bool
) -> None:
    desired = full_table()
    live = adding(desired, name)
    (transaction,) = plan(desired, live, staged=staged)
    assert transaction == (Replace(desired),)
    assert name.isalpha() or len(name) < 2 or name not in encode(transaction, table_present=True)


@pytest.mark.parametrize("adding", ADDING)
@pytest.mark.parametrize("name", FINE)
def test_a_thing_with_an_ordinary_name_is_put_right_by_it(adding: Callable[[Table, str], Table], name: str) -> None:
    desired = full_table()
    (transaction,) = plan(desired, adding(desired, name))
    assert not any(isinstance(each, Replace) for each in transaction)
    assert name in encode(transaction)


@pytest.mark.parametrize("kind", ["chains of one name", "rules", "tunnel", "x ; flush ruleset"])
def test_what_no_command_has_a_word_for_makes_the_repair_a_replacement(kind: str) -> None:
    desired = full_table()
    assert plan(desired, replace(desired, foreign=(Foreign(kind, "x", ""),))) == ((Replace(desired),),)


def test_nothing_that_is_written_names_what_cannot_be_named() -> None:
    strange = _chain(full_table(), "x ; flush ruleset")
    for table in (strange, _map(full_table(), "drop"), _object(full_table(), "a b")):
        for transaction in ((Replace(table),), (rebuild(table, full_table()),), (rebuild(full_table(), table),)):
            with pytest.raises(ValueError, match="cannot be a name"):
                encode(transaction)


@pytest.mark.parametrize("adding", ADDING)
def test_what_drift_says_of_a_name_is_on_one_line(adding: Callable[[Table, str], Table]) -> None:
    name = "a\nb\x1b[31m\udcff"
    (drift,) = diff(full_table(), adding(full_table(), name))
    assert str(drift).isprintable()
    assert r"a\nb\x1b[31m\udcff" in drift.name
