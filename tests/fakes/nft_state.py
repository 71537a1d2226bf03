# SPDX-License-Identifier: GPL-2.0-or-later
"""What commands make of a table, and what the kernel refuses: the pure part of FakeNft."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from secmarkd.change.early_repair import ElementChange
from secmarkd.errors import (
    Conflict,
    KernelError,
)
from secmarkd.netlink.element import is_tree
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.nft.render import render_key
from secmarkd.table.elements import Elements
from secmarkd.table.table import Chain, DynamicSet, Foreign, Lookup, Map, Mark, Object, Table, Verdict
from secmarkd.table.transaction import (
    AddElements,
    DeleteElements,
    Rebuild,
    Replace,
    Transaction,
)

_PAIRS = 1_000_000
"""Pairs of interval elements that are compared for overlaps; more are taken on trust."""

_LONGEST = 65531
"""Bytes of elements in one command of `commit_at`."""

DAEMON, OURS, THEIRS = (99, "secmarkd"), (100, "secmarkd-nft"), (200, "nft")
"""Thread and name of those who commit: by `commit_at`, by `commit`, and others."""


def changes_between(before: Table | None, after: Table | None) -> list[ElementChange | None]:
    """What the kernel tells of a change: an element each, deletions first; anything else is one None."""
    if before == after:
        return []
    if before is None or after is None or heads(before) != heads(after):
        return [None]
    changes: list[ElementChange | None] = []
    for old, new in zip(before.maps, after.maps, strict=True):
        for one, other, added in ((old, new, False), (new, old, True)):
            different = sorted(set(one.elements.items()) - set(other.elements.items()))
            changes += [element_change(one, key, name, added) for key, name in different]
    return changes


def element_change(map_: Map, key: bytes, name: str, added: bool) -> ElementChange | None:
    if is_tree(map_.key, map_.interval):
        return None
    return ElementChange(map_.name, added, encode_elements(map_, Elements.of(map_.elements.width, {key: name})))


def heads(table: Table) -> Table:
    return replace(table, maps=tuple(replace(each, elements=Elements(each.elements.width)) for each in table.maps))


def transaction_size(transaction: Transaction) -> int:
    """Elements that it carries."""
    size = 0
    for command in transaction:
        match command:
            case Replace(table):
                size += table.element_count()
            case Rebuild():
                size += command.element_count()
            case AddElements(_, elements) | DeleteElements(_, elements):
                size += len(elements)
    return size


def live_map(table: Table, map_: Map, operation: str) -> Map:
    for each in table.maps:
        if each.name == map_.name:
            if (each.key, each.interval) != (map_.key, map_.interval):
                raise KernelError("the map has other keys", operation=operation, offender=f"element {map_.name}")
            return each
    raise Conflict("no such map", operation=operation, offender=f"element {map_.name}")


_Named = TypeVar("_Named", Object, DynamicSet, Map)


def sorted_by_name(things: Iterable[_Named]) -> tuple[_Named, ...]:
    return tuple(sorted(things, key=lambda each: each.name))


def without_things(table: Table, gone: set[tuple[str, str]], operation: str) -> Table:
    """The table without what is foreign, or one of the compiler's; each by its kind and name."""
    there = {
        *(("map", each.name) for each in table.maps),
        *(("set", each.name) for each in table.sets),
        *(("chain", each.name) for each in table.chains),
        *((str(each.kind), each.name) for each in table.objects),
        *((each.what, each.name) for each in table.foreign),
    }
    for kind, name in sorted(gone - there):
        raise Conflict(f"no such {kind}", operation=operation, offender=f"{kind} {name}")
    left = replace(
        table,
        maps=tuple(each for each in table.maps if ("map", each.name) not in gone),
        sets=tuple(each for each in table.sets if ("set", each.name) not in gone),
        chains=tuple(each for each in table.chains if ("chain", each.name) not in gone),
        objects=tuple(each for each in table.objects if (each.kind, each.name) not in gone),
        foreign=tuple(each for each in table.foreign if not is_gone(each, gone)),
    )
    used = {(str(each.kind), name) for each in left.maps for name in each.elements.objects}
    for kind, name in sorted(gone & used):
        raise Conflict("it is in use", operation=operation, offender=f"{kind} {name}")
    return left


def is_gone(each: Foreign, gone: set[tuple[str, str]]) -> bool:
    """Rules go with their chain's, which were flushed; elements with their map."""
    return each.what == "rule" or (each.what, each.name) in gone or ("map", each.name) in gone


def with_map(table: Table, map_: Map) -> Table:
    return replace(table, maps=tuple(map_ if each.name == map_.name else each for each in table.maps))


def with_more_elements(map_: Map, elements: Elements, objects: Iterable[Object], operation: str) -> Map:
    there = map_.elements.as_dict()
    known = {each.name for each in objects if each.kind is map_.kind}
    overlaps = map_.interval and len(elements) * (len(there) + len(elements)) < _PAIRS
    for key, name in elements.items():
        offender = f"{map_.name} {{ {render_key(map_, key)} }}"
        if name not in known:
            raise Conflict("no such object", operation=operation, offender=offender)
        if there.get(key, name) != name or (
            overlaps and any(overlapping(map_, key, other) for other in there if other != key)
        ):
            raise Conflict("the key is there with another object", operation=operation, offender=offender)
        there[key] = name
    return replace(map_, elements=Elements.of(map_.elements.width, there))


def overlapping(map_: Map, one: bytes, other: bytes) -> bool:
    place, half = 0, len(one) // 2
    for field in map_.key:
        low, high = slice(place, place + field.width), slice(half + place, half + place + field.width)
        if one[high] < other[low] or other[high] < one[low]:
            return False
        place += field.width
    return True


def with_fewer_elements(map_: Map, elements: Elements, operation: str) -> Map:
    there = map_.elements.as_dict()
    for key, _ in elements.items():
        if map_.interval and len(map_.key) == 1 and key == b"\xff" * len(key):
            continue  # nft 1.0.6 and 1.1.3 silently delete nothing
        if there.pop(key, None) is None:
            offender = f"{map_.name} {{ {render_key(map_, key)} }}"
            raise Conflict("no such element", operation=operation, offender=offender)
    return replace(map_, elements=Elements.of(map_.elements.width, there))


def without_objects(table: Table, objects: Iterable[Object], operation: str) -> Table:
    left = {(each.name, each.kind): each for each in table.objects}
    used = {(name, each.kind) for each in table.maps for _, name in each.elements.items()}
    used |= {
        (statement.object, statement.kind)
        for chain in table.chains
        for rule in chain.rules
        for statement in rule
        if isinstance(statement, Mark)
    }
    for each in objects:
        offender = f"{each.kind} {each.name}"
        if left.pop((each.name, each.kind), None) is None:
            raise Conflict("no such object", operation=operation, offender=offender)
        if (each.name, each.kind) in used:
            raise Conflict("the object is in use", operation=operation, offender=offender)
    return replace(table, objects=tuple(left.values()))


def check_references(chain: Chain, table: Table, operation: str) -> None:
    """Every map, object and chain that a rule names has to be there."""
    chains, maps = {each.name for each in table.chains}, {each.name for each in table.maps}
    objects = {(each.name, each.kind) for each in table.objects}
    for rule in chain.rules:
        for statement in rule:
            match statement:
                case Verdict(_, target):
                    found = not target or target in chains
                case Lookup(_, _, map_):
                    found = map_ in maps
                case Mark(kind, name):
                    found = (name, kind) in objects
                case _:
                    found = True
            if not found:
                raise KernelError("no such thing", operation=operation, offender=f"rule {chain.name}")
