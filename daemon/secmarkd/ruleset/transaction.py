"""What one nftables transaction does, as values: the adapters write it as nft text, the fake applies it to its state.

All commands of a transaction happen, in their order, or none does.
"""

from __future__ import annotations

from dataclasses import dataclass

from secmarkd.ruleset.elements import Elements
from secmarkd.ruleset.table import Map, Object, Table


@dataclass(frozen=True, slots=True)
class Replace:
    """`add table; delete table; table { … }`: our table becomes exactly this, without a moment in between."""

    table: Table


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The same for a table that is known to be there, by rewriting the rules within its chains: base chains stay hooked
    and maps that need only single changes stay filled.

    Only where `rebuild.rebuildable`. Conflict (ENOENT, EEXIST) where the live table is not as `before`.
    """

    before: Table
    after: Table


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


Command = Replace | Rebuild | Remove | Adopt | AddObjects | DeleteObjects | AddElements | DeleteElements
Transaction = tuple[Command, ...]
