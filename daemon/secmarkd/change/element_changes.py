# SPDX-License-Identifier: GPL-2.0-or-later
"""How the elements of a map that is there become the wanted ones: by single changes, where these will do."""

from __future__ import annotations

from dataclasses import replace

from secmarkd.table.elements import Elements, Field, unequal_parts
from secmarkd.table.table import Map
from secmarkd.table.transaction import AddElements, DeleteElements

MOST_HASH_CHANGES = 2000
"""Above this, making the map anew is quicker than single changes."""
MOST_INTERVAL_CHANGES = 8
"""Each deletion from an interval map of 10,000 elements takes 41 ms, making all of it anew 309 ms (nft 1.0.6)."""

ElementChanges = tuple[DeleteElements | AddElements, ...]


def element_changes(wanted: Map, there: Map) -> ElementChanges | None:
    """The changes, deletions first; none for equal maps. None where the map has to be made anew: it is declared otherwise,
    there are too many changes, or nft would silently not make one."""
    if wanted == there:
        return ()
    if replace(wanted, elements=there.elements) != there:
        return None
    mine, others = (set(each.items()) for each in unequal_parts(wanted.elements, there.elements))
    width = wanted.elements.width
    changes: list[DeleteElements | AddElements] = []
    if others - mine:
        changes.append(DeleteElements(wanted, Elements.of(width, others - mine)))
    if mine - others:
        changes.append(AddElements(wanted, Elements.of(width, mine - others)))
    most = MOST_INTERVAL_CHANGES if wanted.interval else MOST_HASH_CHANGES
    if sum(len(each.elements) for each in changes) > most or any(_is_not_made(each) for each in changes):
        return None
    return tuple(changes)


def _is_not_made(change: DeleteElements | AddElements) -> bool:
    """Whether nft keeps an element of an interval map with one field: a single last value (255.255.255.255) is not deleted
    by 1.0.6 nor 1.1.3, exit code 0 notwithstanding; and 1.0.6 refuses to delete a wildcard of interface names (ENOENT)."""
    if not isinstance(change, DeleteElements) or not change.map.interval or len(change.map.key) > 1:
        return False
    width = change.map.key[0].width
    last = b"\xff" * change.map.elements.width
    wildcards = change.map.key == (Field.INTERFACE,)
    return any(key == last or (wildcards and key[:width] != key[width:]) for key, _ in change.elements.items())
