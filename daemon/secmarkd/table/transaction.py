# SPDX-License-Identifier: GPL-2.0-or-later
"""What one nftables transaction does, as values: the adapters write it as nft text, the fake applies it to its state.

All commands of a transaction happen, in their order, or none does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.table.elements import Elements
from secmarkd.table.table import Chain, DynamicSet, Map, Object, Table

WRITER_PROCESS = "secmarkd-nft"
"""The name of the process by which the service commits (`comm`)."""


@dataclass(frozen=True, slots=True)
class Replace:
    """`add table; delete table; table { … }`: our table becomes exactly this, without a moment in between."""

    table: Table


@dataclass(frozen=True, slots=True)
class Remove:
    """`add table; delete table`: afterwards there is no table of ours, whether or not there was one."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Own the table that its owner left behind (`persist` without `owner`), with all that is in it, from now on.

    Conflict where it was not left behind: the kernel lets nobody own a table that was anyone's to change.
    """

    flags: tuple[str, ...]
    """Those that it then has."""


@dataclass(frozen=True, slots=True)
class AddObjects:
    """Add objects whose names are free. (On a taken name the kernel silently keeps the old object: never rely on it.)"""

    objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class DeleteObjects:
    """Delete objects; Conflict (EBUSY) while anything refers to one."""

    objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class AddElements:
    """Add elements to a map; Conflict (EEXIST) where a key is there with another object."""

    map: Map
    """The map as compiled: its name, key and kind are used, its own elements are not."""
    elements: Elements


@dataclass(frozen=True, slots=True)
class DeleteElements:
    """Delete elements of a map; Conflict (ENOENT) where one is not there."""

    map: Map
    elements: Elements


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The same for a table that is known to be there, by rewriting the rules within its chains: base chains stay hooked
    and maps that need only single changes stay filled.

    In the order of the fields: rules go before what they refer to, and come after it. Conflict (ENOENT, EEXIST, EBUSY)
    where the live table is not as it was read.
    """

    flush: tuple[str, ...]
    """Chains. All of them: no rule may refer to what goes."""
    shrink: tuple[DeleteElements, ...]
    delete: tuple[tuple[str, str], ...]
    """Maps, chains, objects and foreign things: nft's word for the kind, and the name."""
    objects: tuple[Object, ...]
    sets: tuple[DynamicSet, ...]
    maps: tuple[Map, ...]
    """With all their elements."""
    chains: tuple[Chain, ...]
    """Without their rules. One that is there only gets its policy: what cannot be changed in place has gone."""
    rules: tuple[Chain, ...]
    """All chains that there are then, with all their rules."""
    grow: tuple[AddElements, ...]

    def element_count(self) -> int:
        """Elements that it writes and takes out."""
        parts: tuple[Iterable[DeleteElements | AddElements | Map], ...] = (self.shrink, self.maps, self.grow)
        return sum(len(each.elements) for part in parts for each in part)


Command = Replace | Rebuild | Remove | Adopt | AddObjects | DeleteObjects | AddElements | DeleteElements
Transaction = tuple[Command, ...]
