# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's events say of changed elements: enough to put single ones right before the table has been read.

A hint is never the truth. What it says differs is compared, planned and written as if it had been read; then the table is
read, and what differs there is put right too. Whatever is not plainly a few whole elements of our maps gives no hint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from secmarkd.netlink.element import is_tree
from secmarkd.netlink.elements import parse_elements
from secmarkd.table.elements import Elements
from secmarkd.table.table import Map, Table

MOST = 64
"""Changes that are worth a repair ahead of the read."""


@dataclass(frozen=True, slots=True)
class ElementChange:
    """Elements that a transaction added to a map of our table, or deleted from it."""

    map: str
    added: bool
    elements: bytes
    """As the kernel has them: the content of NFTA_SET_ELEM_LIST_ELEMENTS (see `raw_elements`)."""


@dataclass(frozen=True, slots=True)
class Hints:
    """All that happened to our table since it was last read and found equal to the desired one."""

    generation: int
    """The ruleset's last transaction that `changes` cover."""
    changes: tuple[ElementChange, ...]
    """In order."""


def narrowed(desired: Table, changes: Iterable[ElementChange]) -> tuple[Table, Table] | None:
    """Of the desired table and of what it became by these changes, the elements that they name, and nothing else.

    None where a change is not one of whole elements of a desired map, each with nothing but a key and an object.
    """
    maps = {each.name: each for each in desired.maps}
    now: dict[str, dict[bytes, str | None]] = {}
    for change in changes:
        map_ = maps.get(change.map)
        keys = None if map_ is None else _whole(map_, change.elements)
        if keys is None:
            return None
        now.setdefault(change.map, {}).update({key: name if change.added else None for key, name in keys.items()})
    wanted, there = [], []
    for name, known in sorted(now.items()):
        map_ = maps[name]
        width = map_.elements.width
        mine = {key: target for key in known if (target := map_.elements.get(key)) is not None}
        wanted.append(replace(map_, elements=Elements.of(width, mine)))
        others = {key: target for key, target in known.items() if target is not None}
        there.append(replace(map_, elements=Elements.of(width, others)))
    return Table(maps=tuple(wanted)), Table(maps=tuple(there))


def _whole(map_: Map, raw: bytes) -> dict[bytes, str] | None:
    """The elements of a message; None where one of them is more or less than a key and an object."""
    if is_tree(map_.key, map_.interval):
        return None
    try:
        elements, foreign = parse_elements(map_.key, map_.interval, [raw])
    except ValueError:
        return None
    return None if foreign else elements.as_dict()
