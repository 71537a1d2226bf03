# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to make one table of another within its base chains, as one value."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from secmarkd.change.element_changes import ElementChanges, element_changes
from secmarkd.nft.names import can_be_named
from secmarkd.table.table import BaseHook, Chain, ObjectKind, Table
from secmarkd.table.transaction import AddElements, DeleteElements, Rebuild

_SETS = frozenset({"set", "map"})
_OTHERS = frozenset(
    {"flowtable", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "synproxy", *ObjectKind}
)
"""nft's words for what can be deleted by kind and name, beside sets and chains."""


def rebuildable(live: Table, desired: Table) -> bool:
    """Whether `desired` can be made of `live` without deleting the table: where everything in it can be named in commands,
    what is foreign by its kind as well."""
    kinds = {"element", "chain", *_SETS, *_OTHERS}
    there = {each.name: each for each in live.sets}
    return (
        live.flags == desired.flags
        and all(there.get(each.name, each) == each for each in desired.sets)
        and all(map(can_be_named, _names(live)))
        and all(each.what in kinds for each in live.foreign)
    )


def _names(table: Table) -> Iterator[str]:
    """Of everything that commands may have to name."""
    for things in (table.objects, table.maps, table.sets, table.chains, table.foreign):
        for each in things:
            yield each.name


def rebuild(before: Table, after: Table) -> Rebuild:
    """What makes `after` of `before`, only where `rebuildable`.

    Maps that need no more than single changes keep what they have; base chains stay hooked where they are.
    """
    foreign = {(each.what, each.name) for each in before.foreign}
    objects = {each for each in set(before.objects) & set(after.objects) if (each.kind, each.name) not in foreign}
    chains = {_hung(each) for each in before.chains} & {_hung(each) for each in after.chains}
    chains -= {each for each in chains if ("chain", each[0]) in foreign}
    there = {each.name: each.base for each in before.chains}
    spoilt = {name for what, name in foreign if what in ("map", "element")}
    renamed = {each.name for each in set(before.objects) - objects} & {each.name for each in after.objects}
    changes = _changes(before, after, spoilt, renamed)
    flushed = {each.name for each in before.chains} | {name for what, name in foreign if what == "chain"}
    gone_sets = {("map", each.name) for each in before.maps if each.name not in changes}
    gone_sets |= {("set", each.name) for each in set(before.sets) - set(after.sets)}
    gone_sets |= {each for each in foreign if each[0] in _SETS}
    gone_chains = {("chain", name) for name in flushed - {name for name, _ in chains}}
    gone_objects = {(str(each.kind), each.name) for each in set(before.objects) - objects}
    gone_objects |= {each for each in foreign if each[0] in _OTHERS}
    return Rebuild(
        flush=tuple(sorted(flushed)),
        shrink=tuple(each for change in changes.values() for each in change if isinstance(each, DeleteElements)),
        delete=(*sorted(gone_sets), *sorted(gone_chains), *sorted(gone_objects)),
        objects=tuple(each for each in after.objects if each not in objects),
        sets=tuple(each for each in after.sets if each not in before.sets or ("set", each.name) in foreign),
        maps=tuple(each for each in after.maps if each.name not in changes),
        chains=tuple(each for each in after.chains if _hung(each) not in chains or each.base != there[each.name]),
        rules=after.chains,
        grow=tuple(each for change in changes.values() for each in change if isinstance(each, AddElements)),
    )


def _hung(chain: Chain) -> tuple[str, BaseHook | None]:
    """A chain's name and what of its hook nf_tables cannot change while it hangs there: all but the policy."""
    return chain.name, None if chain.base is None else replace(chain.base, policy="")


def _changes(
    before: Table, after: Table, spoilt: Collection[str], renamed: Collection[str]
) -> dict[str, ElementChanges]:
    """By name, the maps that stay. One that has an element of a `renamed` object does not: that object has to go first."""
    there = {each.name: each for each in before.maps if each.name not in spoilt}
    changes: dict[str, ElementChanges] = {}
    for each in after.maps:
        old = there.get(each.name)
        if old is None or not set(old.elements.objects).isdisjoint(renamed):
            continue
        change = element_changes(each, old)
        if change is not None:
            changes[each.name] = change
    return changes
