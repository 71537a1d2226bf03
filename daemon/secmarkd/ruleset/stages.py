"""The tables to pass through on the way from one to another, so that a packet in the middle of the rules is never let down.

A transaction is atomic, but a packet is not: one that has begun with the old rules may look up a map or enter a chain after
the commit. It then meets the new content of what stays, and nothing in what the commit deleted; and a base chain that the
commit hooked was not there when it passed. (Seen under SELinux: a port went from a hash map to an interval map, and a
packet in thousands of connections was in neither.) So what the old rules use stays as it was for one transaction more:

    1. base chains enter the new rules in chains, maps and objects of other names (`next_…`); the old ones are still there
    2. those of the right names, which no packet uses any more, are made anew, and the base chains enter them
    3. those of other names go

and likewise a base chain of another priority. Between two transactions lies far more time than a packet takes. A map that
only gains elements is not copied: the old rules then find more, and nothing less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeVar

from secmarkd.ruleset.changes import element_changes
from secmarkd.ruleset.elements import Elements, unequal_parts
from secmarkd.ruleset.table import BaseHook, Chain, Foreign, Lookup, Map, Mark, Object, Statement, Table, Verdict

PREFIX = "next_"
"""Of names that are there for two transactions. The compiler gives no name that begins so."""

_Part = TypeVar("_Part", Map, Chain)


def stages(live: Table, desired: Table) -> tuple[Table, ...]:
    """The tables to become, one after another; the last one is `desired`, and the only one where that is as good, or where
    `live` was left on such a way by a service that was killed."""
    old_maps, old_bases = {each.name: each for each in live.maps}, {each.name: each.base for each in live.chains}
    old_objects = {(each.name, each.kind): each for each in live.objects}
    objects = {each.name for each in desired.objects if old_objects.get((each.name, each.kind), each) != each}
    maps = {each.name for each in desired.maps if _is_renewed(each, old_maps.get(each.name), objects)}
    if live.chains != desired.chains or elements_move(live, desired):
        maps |= _losing(live, desired)
    names = [*(each.name for each in live.maps), *(each.name for each in live.chains)]
    on_the_way = any(each.startswith(PREFIX) for each in names)
    if on_the_way or (live.chains == desired.chains and not objects and not maps):
        return (desired,)
    entered = {each.name for each in desired.chains if each.base is None}
    rename = _Rename(objects, maps, entered)
    next_objects = [replace(each, name=PREFIX + each.name) for each in desired.objects if each.name in objects]
    next_maps = [rename.map(each) for each in desired.maps if each.name in maps]
    next_chains = [rename.chain(each) for each in desired.chains if each.name in entered]
    bases, moved = [rename.chain(each) for each in desired.chains if each.base], set[str]()
    for each in desired.chains:
        if _is_moved(each, old_bases):
            moved.add(each.name)
            next_chains.append(replace(rename.chain(each), name=PREFIX + each.name))
    left_maps, left_chains = _left(live)
    first = replace(
        desired,
        objects=_all_objects(desired.objects, live.objects, next_objects),
        maps=_union(
            left_maps,
            (old_maps.get(each.name, each) if each.name in maps else each for each in desired.maps),
            next_maps,
        ),
        chains=_union(
            left_chains,
            (_hanging_as(old_bases[each.name], each) if each.name in moved else each for each in bases),
            next_chains,
        ),
    )
    second = replace(
        desired,
        objects=_all_objects(desired.objects, next_objects),
        maps=_union(desired.maps, next_maps),
        chains=_union(desired.chains, next_chains),
    )
    return first, second, desired


def _is_renewed(wanted: Map, there: Map | None, objects: AbstractSet[str]) -> bool:
    """Whether a map has to be made anew, or uses an object that has."""
    if not objects.isdisjoint(wanted.elements.objects):
        return True
    return there is not None and element_changes(wanted, there) is None


def elements_move(live: Table, desired: Table) -> bool:
    """Whether a map loses elements and another one gains some. Put in force at once, a packet that has looked up the one
    that gains, in vain, would look up the one that has lost already."""
    gaining = {map_.name for map_, lost, gained in _differing(live, desired) if gained}
    return any(gaining - {name} for name in _losing(live, desired))


def _losing(live: Table, desired: Table) -> set[str]:
    return {map_.name for map_, lost, gained in _differing(live, desired) if lost}


def _differing(live: Table, desired: Table) -> Iterator[tuple[Map, bool, bool]]:
    """Maps of both tables, whether keys go from them, and whether keys come; a key whose object is another does neither."""
    there = {each.name: each for each in live.maps}
    for each in desired.maps:
        old = there.get(each.name)
        if old is not None and old.elements != each.elements:
            mine, others = ({key for key, _ in part.items()} for part in unequal_parts(each.elements, old.elements))
            yield each, bool(others - mine), bool(mine - others)


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


def _left(live: Table) -> tuple[list[Map], list[Chain]]:
    """The chains that the live base chains enter, and the maps that the live rules look up."""
    said = [statement for chain in live.chains for rule in chain.rules for statement in rule]
    used = {each.map for each in said if isinstance(each, Lookup)}
    maps = [each for each in live.maps if each.name in used]
    chains = [each for each in live.chains if each.base is None]
    known = {each.name for each in live.maps}
    if any(_is_strange(statement, known) for each in chains for rule in each.rules for statement in rule):
        return maps, []  # what someone else has written into them cannot be written again
    return maps, chains


def _is_strange(statement: Statement, maps: AbstractSet[str]) -> bool:
    return isinstance(statement, Foreign) or (isinstance(statement, Lookup) and statement.map not in maps)


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
