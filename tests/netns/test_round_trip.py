# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written to the kernel is what is read from it, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from secmarkd.adapters.nftables.port import LibNft
from secmarkd.change.plan import plan
from secmarkd.change.rebuild import rebuild
from secmarkd.change.staged_reload import stages
from secmarkd.table.elements import Field
from secmarkd.table.table import ObjectKind, Table
from secmarkd.table.transaction import Replace
from tests.support.capability import require_bindings, require_namespaces
from tests.support.namespace import Namespace
from tests.support.strategies import tables
from tests.support.tables import full_table, make_map, make_object


@pytest.fixture(scope="module")
def nft() -> Iterator[LibNft]:
    require_namespaces()
    require_bindings()
    with Namespace() as namespace, namespace.enter():
        nft = LibNft()
        yield nft
        nft.close()


@given(table=tables())
@example(table=full_table())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_table_reads_back_as_it_was_written(nft: LibNft, table: Table) -> None:
    nft.commit((Replace(table),))
    assert nft.read() == table


@given(before=tables(), after=tables())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.slow
def test_every_table_is_rebuilt_into_every_other(nft: LibNft, before: Table, after: Table) -> None:
    after = replace(after, flags=before.flags)
    nft.commit((Replace(before),))
    nft.commit((rebuild(before, after),))
    assert nft.read() == after


@given(before=tables(), after=tables())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.slow
def test_every_table_becomes_every_other_in_stages(nft: LibNft, before: Table, after: Table) -> None:
    after = replace(after, flags=before.flags)
    nft.commit((Replace(before),))
    for one, next_one in pairwise((before, *stages(before, after))):
        nft.commit((rebuild(one, next_one),))
        assert nft.read() == next_one


@pytest.mark.parametrize("fields", [(Field.USER, Field.IPV4), (Field.PORT, Field.GROUP), (Field.USER, Field.GROUP)])
@pytest.mark.parametrize("keys", [((7, 8), (9, 8)), ((7, 8), (0, 0)), (((7, 9), 8), (7, 10))])
def test_elements_with_users_are_deleted_from_interval_maps(
    nft: LibNft, fields: tuple[Field, ...], keys: Any
) -> None:
    """nft 1.0.6 does not find them by single values (`nft.element_text.key_lines`)."""
    one, other = ((key, "s") for key in keys)
    objects = (make_object("s", ObjectKind.COUNTER),)
    both, left = (
        make_map("m", fields, ObjectKind.COUNTER, *those, interval=True) for those in ((one, other), (one,))
    )
    for live, desired in pairwise(Table(objects=objects, maps=(each,)) for each in (both, left, both, left)):
        nft.commit((Replace(live),))
        (transaction,) = plan(desired, live)
        nft.commit(transaction)
        assert nft.read() == desired
    nothing = Table(objects=objects, maps=(make_map("m", fields, ObjectKind.COUNTER, interval=True),))
    nft.commit((rebuild(Table(objects=objects, maps=(left,)), nothing),))
    assert nft.read() == nothing


def test_a_wildcard_that_nft_does_not_delete_goes_all_the_same(nft: LibNft) -> None:
    """nft 1.0.6: `element does not exist`, of an interval map whose only field is an interface."""
    both = make_map("m", (Field.INTERFACE,), ObjectKind.COUNTER, (("a*",), "s"), (("b*",), "s"), interval=True)
    one = make_map("m", (Field.INTERFACE,), ObjectKind.COUNTER, (("b*",), "s"), interval=True)
    objects = (make_object("s", ObjectKind.COUNTER),)
    live, desired = Table(objects=objects, maps=(both,)), Table(objects=objects, maps=(one,))
    nft.commit((Replace(live),))
    for transaction in plan(desired, live):
        nft.commit(transaction)
    assert nft.read() == desired
