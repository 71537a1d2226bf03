# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables to pass through on the way from one to another, so that no packet is let down by a commit.

A transaction is atomic, but what packets meet is not, in two ways:

- A packet that has begun with the old rules may look up a map or enter a chain after the commit. It then meets the new
  content of what stays, nothing in what the commit deleted, and no base chain that the commit hooked.
- New rules are in force from the moment when nf_tables_commit moves the generation's cursor, but what is new in an interval
  map can be found only when its copy is put in place (nft_set_commit_update), after all else of the transaction:
  milliseconds later where there are many elements. In older kernels what goes from such a map goes at the first of the two
  moments, so that what takes its place is not there yet. (Seen under SELinux on 6.12: a port that was moved to a new
  interval map along with the rules got the default label for a moment, at nearly every reload.)

So interval maps are filled before rules look them up, and what rules use stays as it was for one transaction more:

    1. new chains, maps and objects are made under other names (`next_…`); nothing uses them yet
    2. base chains enter those
    3. chains, maps and objects of the right names, which no packet uses any more, are made anew
    4. base chains enter these
    5. those of other names go

and likewise a base chain of another priority. Between two transactions lies far more time than a packet takes. A hash map
that only gains elements is not copied: the old rules then find more, and nothing less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeVar

from secmarkd.change.element_changes import element_changes
from secmarkd.table.cgroups import cgroups_of, writable
from secmarkd.table.elements import Elements, unequal_parts
from secmarkd.table.table import (
    BaseHook,
    Chain,
    DynamicSet,
    Foreign,
    Lookup,
    Map,
    Mark,
    Object,
    Statement,
    Table,
    Verdict,
)

PREFIX = "next_"
"""Of names that are there for two transactions. The compiler gives no name that begins so."""

_Part = TypeVar("_Part", Map, Chain, DynamicSet)


def stages(live: Table, desired: Table) -> tuple[Table, ...]:
    """The tables to become, one after another; the last one is `desired`. It is the only one where that is as good, where
    `live` was left on such a way by a service that was killed, and where someone has written into it what cannot be
    written again."""
    old_maps = {each.name: each for each in live.maps}
    old_objects = {(each.name, each.kind): each for each in live.objects}
    objects = {each.name for each in desired.objects if old_objects.get((each.name, each.kind), each) != each}
    maps = {each.name for each in desired.maps if _is_renewed(each, old_maps.get(each.name), objects)}
    as_good = live.chains == desired.chains and not objects and not maps and not elements_move(live, desired)
    if as_good or _is_on_the_way(live) or _is_strange(live):
        return (desired,)
    maps |= {change.name for change in _changed(live, desired) if change.loses or change.shifts}
    entered = {each.name for each in desired.chains if each.base is None}
    rename = _Rename(objects, maps, entered)
    next_objects = [replace(each, name=PREFIX + each.name) for each in desired.objects if each.name in objects]
    next_maps = [rename.map(each) for each in desired.maps if each.name in maps]
    next_chains = [rename.chain(each) for each in desired.chains if each.name in entered]
    old_bases = {each.name: each.base for each in live.chains}
    moved = {each.name for each in desired.chains if _is_moved(each, old_bases)}
    bases = [each for each in desired.chains if each.base]
    next_bases = [rename.chain(_hanging(each, old_bases) if each.name in moved else each) for each in bases]
    beside = [replace(rename.chain(each), name=PREFIX + each.name) for each in bases if each.name in moved]
    filled = replace(
        desired,
        objects=_all_objects(desired.objects, live.objects, next_objects),
        sets=_union(live.sets, desired.sets),
        maps=_union(live.maps, (each for each in desired.maps if each.name not in maps), next_maps),
        chains=_union(_left(live, desired), next_chains),
    )
    entering = replace(filled, chains=_union(_left(live, desired), next_bases, next_chains, beside))
    renewed = replace(
        desired,
        objects=_all_objects(desired.objects, next_objects),
        maps=_union(desired.maps, next_maps),
        chains=_union(desired.chains, next_bases, next_chains, beside),
    )
    leaving = replace(renewed, chains=_union(desired.chains, next_chains, beside))
    way = (filled if filled.maps != live.maps else None, entering, renewed if maps else None, leaving, desired)
    return tuple(each for each in way if each is not None)


def _is_renewed(wanted: Map, there: Map | None, objects: AbstractSet[str]) -> bool:
    """Whether a map has to be made anew, or uses an object that has."""
    if not objects.isdisjoint(wanted.elements.objects):
        return True
    return there is not None and element_changes(wanted, there) is None


def elements_move(live: Table, desired: Table) -> bool:
    """Whether something goes from a map and something comes that may be in its place: in another map, or in an interval
    map. Put in force at once, a packet would find neither."""
    changed = tuple(_changed(live, desired))
    gaining = {each.name for each in changed if each.gains}
    return any(each.shifts or (each.loses and gaining - {each.name}) for each in changed)


@dataclass(frozen=True, slots=True)
class _Changed:
    """What becomes of the elements of a map that stays."""

    name: str
    loses: bool
    """Whether a key goes."""
    gains: bool
    """Whether a key comes."""
    shifts: bool
    """Whether, in an interval map, an element goes and another one comes, be it of the same key."""


def _changed(live: Table, desired: Table) -> Iterator[_Changed]:
    there = {each.name: each for each in live.maps}
    for each in desired.maps:
        old = there.get(each.name)
        if old is not None and old.elements != each.elements:
            mine, others = (dict(part.items()) for part in unequal_parts(each.elements, old.elements))
            shifts = each.interval and bool(mine) and bool(others)
            yield _Changed(each.name, bool(others.keys() - mine.keys()), bool(mine.keys() - others.keys()), shifts)


def hangs_elsewhere(live: Table, desired: Table) -> bool:
    """Whether a base chain of ours has another priority."""
    bases = {each.name: each.base for each in live.chains}
    return any(_is_moved(each, bases) for each in desired.chains)


def _is_moved(wanted: Chain, bases: Mapping[str, BaseHook | None]) -> bool:
    """Whether it hangs at the right hook with another priority. At another hook it is of no use meanwhile."""
    base = bases.get(wanted.name)
    if wanted.base is None or base is None or base.priority == wanted.base.priority:
        return False
    return (base.hook, base.type) == (wanted.base.hook, wanted.base.type)


def _hanging(chain: Chain, bases: Mapping[str, BaseHook | None]) -> Chain:
    """The base chain with the priority that it has there."""
    base = bases[chain.name]
    assert base is not None
    assert chain.base is not None
    return replace(chain, base=replace(chain.base, priority=base.priority))


def _left(live: Table, desired: Table) -> list[Chain]:
    """The live chains, but for base chains that hang where none should."""
    wanted = {each.name: each for each in desired.chains if each.base}
    bases = {each.name: each.base for each in live.chains}
    left = []
    for each in live.chains:
        there = wanted.get(each.name)
        if each.base is None:
            left.append(each)
        elif there is not None and _is_moved(there, bases):
            left.append(replace(_hanging(there, bases), rules=each.rules))
        elif there is not None:
            left.append(replace(there, rules=each.rules))
    return left


def _is_on_the_way(live: Table) -> bool:
    names = [*(each.name for each in live.maps), *(each.name for each in live.chains)]
    return any(each.startswith(PREFIX) for each in names)


def _is_strange(live: Table) -> bool:
    maps = {each.name for each in live.maps}
    said = (statement for chain in live.chains for rule in chain.rules for statement in rule)
    if not all(map(writable, cgroups_of(live.chains))):
        return True
    return any(isinstance(each, Foreign) or (isinstance(each, Lookup) and each.map not in maps) for each in said)


@dataclass(frozen=True, slots=True)
class _Rename:
    """Puts the other names into what uses these objects, maps and chains."""

    objects: AbstractSet[str]
    maps: AbstractSet[str]
    chains: AbstractSet[str]

    def map(self, each: Map) -> Map:
        """The map of another name, with elements of those objects."""
        elements = each.elements
        if not self.objects.isdisjoint(elements.objects):
            named = ((key, _named(name, self.objects)) for key, name in elements.items())
            elements = Elements.of(elements.width, named)
        return replace(each, name=PREFIX + each.name, elements=elements)

    def chain(self, each: Chain) -> Chain:
        """The chain, of another name where it is one of those."""
        rules = tuple(tuple(map(self._statement, rule)) for rule in each.rules)
        return replace(each, name=_named(each.name, self.chains), rules=rules)

    def _statement(self, statement: Statement) -> Statement:
        match statement:
            case Lookup():
                return replace(statement, map=_named(statement.map, self.maps))
            case Mark():
                return replace(statement, object=_named(statement.object, self.objects))
            case Verdict():
                return replace(statement, chain=_named(statement.chain, self.chains))
            case _:
                return statement


def _named(name: str, others: AbstractSet[str]) -> str:
    return PREFIX + name if name in others else name


def _all_objects(*parts: Iterable[Object]) -> tuple[Object, ...]:
    """Objects of different kinds may share a name; of those that are one, the last."""
    objects = {(each.name, each.kind): each for part in parts for each in part}
    return tuple(objects[key] for key in sorted(objects))


def _union(*parts: Iterable[_Part]) -> tuple[_Part, ...]:
    """All of them, of those that have one name the last; sorted as a table has them."""
    named = {each.name: each for part in parts for each in part}
    return tuple(named[name] for name in sorted(named))
