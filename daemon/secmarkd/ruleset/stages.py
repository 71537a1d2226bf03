"""The tables to pass through on the way from one to another, so that a packet in the middle of the rules is never let down.

A transaction is atomic, but a packet is not: one that has begun with the old rules may look up a map or enter a chain after
the commit. It then meets the new content of what stays, and nothing in what the commit deleted; and a base chain that the
commit hooked was not there when it passed. So what the old rules use stays for one transaction more:

    1. the new rules use maps and objects that have other names (`next_…`); what the old ones use is still there
    2. those of the right names, which no packet uses any more, are made anew, and the rules use them
    3. those of other names go

and likewise a base chain of another priority. Between two transactions lies far more time than a packet takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeVar

from secmarkd.ruleset.changes import element_changes
from secmarkd.ruleset.elements import Elements
from secmarkd.ruleset.table import BaseHook, Chain, Foreign, Lookup, Map, Mark, Object, Statement, Table, Verdict

PREFIX = "next_"
"""Of names that are there for two transactions. The compiler gives no name that begins so."""

_Part = TypeVar("_Part", Map, Chain)


def stages(live: Table, desired: Table) -> tuple[Table, ...]:
    """The tables to become, one after another; the last one is `desired`, and often the only one: so too from a table that
    a killed service left on such a way, for a start is to need one transaction at most."""
    old_maps, old_bases = {each.name: each for each in live.maps}, {each.name: each.base for each in live.chains}
    old_objects = {(each.name, each.kind): each for each in live.objects}
    objects = {each.name for each in desired.objects if old_objects.get((each.name, each.kind), each) != each}
    maps = {each.name for each in desired.maps if _is_renewed(each, old_maps.get(each.name), objects)}
    moved = {each.name for each in desired.chains if _is_moved(each, old_bases)}
    left_maps, left_chains = _left(live, desired)
    names = [*(each.name for each in live.maps), *(each.name for each in live.chains)]
    on_the_way = any(each.startswith(PREFIX) for each in names)
    if on_the_way or not (objects or maps or moved or left_maps or left_chains):
        return (desired,)
    rename = _Rename(objects, maps)
    next_chains = [replace(each, name=PREFIX + each.name) for each in desired.chains if each.name in moved]
    next_maps = [rename.map(each) for each in desired.maps if each.name in maps]
    next_objects = [replace(each, name=PREFIX + each.name) for each in desired.objects if each.name in objects]
    in_place = [_hanging_as(old_bases[each.name], each) if each.name in moved else each for each in desired.chains]
    first = replace(
        desired,
        objects=_all_objects(desired.objects, live.objects, next_objects),
        maps=_union(
            left_maps,
            (old_maps.get(each.name, each) if each.name in maps else each for each in desired.maps),
            next_maps,
        ),
        chains=_union(left_chains, map(rename.rules, (*in_place, *next_chains))),
    )
    second = replace(
        desired,
        objects=_all_objects(desired.objects, next_objects),
        maps=_union(desired.maps, next_maps),
        chains=_union(desired.chains, next_chains),
    )
    return (first, desired) if second == desired else (first, second, desired)


def _is_renewed(wanted: Map, there: Map | None, objects: AbstractSet[str]) -> bool:
    """Whether a map has to be made anew, or uses an object that has."""
    if not objects.isdisjoint(wanted.elements.objects):
        return True
    return there is not None and element_changes(wanted, there) is None


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


def _hanging_as(base: BaseHook | None, chain: Chain) -> Chain:
    """The chain with the priority that `base` has."""
    assert base is not None
    assert chain.base is not None
    return replace(chain, base=replace(chain.base, priority=base.priority))


def _left(live: Table, desired: Table) -> tuple[list[Map], list[Chain]]:
    """The maps and chains that the live rules use and that are not wanted any more."""
    said = [statement for chain in live.chains for rule in chain.rules for statement in rule]
    used = {each.map for each in said if isinstance(each, Lookup)}
    entered = {each.chain for each in said if isinstance(each, Verdict)}
    wanted_maps, wanted_chains = {each.name for each in desired.maps}, {each.name for each in desired.chains}
    maps = [each for each in live.maps if each.name in used - wanted_maps]
    chains = [each for each in live.chains if each.name in entered - wanted_chains and each.base is None]
    known = {each.name for each in live.maps}
    if any(_is_strange(statement, known) for each in chains for rule in each.rules for statement in rule):
        return maps, []  # someone else's; and what it says cannot be written
    return maps, chains


def _is_strange(statement: Statement, maps: AbstractSet[str]) -> bool:
    return isinstance(statement, Foreign) or (isinstance(statement, Lookup) and statement.map not in maps)


@dataclass(frozen=True, slots=True)
class _Rename:
    """Puts the other names into what uses these objects and maps."""

    objects: AbstractSet[str]
    maps: AbstractSet[str]

    def map(self, each: Map) -> Map:
        """The map of another name, with elements of those objects."""
        elements = each.elements
        if not self.objects.isdisjoint(elements.objects):
            elements = Elements.of(elements.width, ((key, self._object(name)) for key, name in elements.items()))
        return replace(each, name=PREFIX + each.name, elements=elements)

    def rules(self, chain: Chain) -> Chain:
        """The chain, whose rules use those maps and objects."""
        return replace(chain, rules=tuple(tuple(map(self._statement, rule)) for rule in chain.rules))

    def _statement(self, statement: Statement) -> Statement:
        match statement:
            case Lookup() if statement.map in self.maps:
                return replace(statement, map=PREFIX + statement.map)
            case Mark():
                return replace(statement, object=self._object(statement.object))
            case _:
                return statement

    def _object(self, name: str) -> str:
        return PREFIX + name if name in self.objects else name


def _all_objects(*parts: Iterable[Object]) -> tuple[Object, ...]:
    """Objects of different kinds may share a name; of those that are one, the last."""
    objects = {(each.name, each.kind): each for part in parts for each in part}
    return tuple(objects[key] for key in sorted(objects))


def _union(*parts: Iterable[_Part]) -> tuple[_Part, ...]:
    """All of them, of those that have one name the last; sorted as a table has them."""
    named = {each.name: each for part in parts for each in part}
    return tuple(named[name] for name in sorted(named))
