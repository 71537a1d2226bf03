# SPDX-License-Identifier: GPL-2.0-or-later
"""What a selector's description says: how it is written, which packets it matches, and what it is in nftables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from secmarkd.model.label_map import Role, Rule
from secmarkd.model.names import Name
from secmarkd.model.packet import Packet, View
from secmarkd.model.sources import Thing
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

NO_NUMBER = 0
"""In a map's key, in the place of the number that a name does not have."""


class Weight(IntEnum):
    """How selective it is to have a selector at all; of two rules the first difference decides, from the heaviest down."""

    PROTOCOL = 1
    PORTS = 2
    INTERFACE = 3
    LOCAL = 4
    REMOTE = 5
    GROUP = 6
    USER = 7
    CGROUP = 8


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the packets of one chain carry what the selectors ask for."""

    remote_is_source: bool
    port_is_destination: bool
    interface_is_input: bool

    @property
    def interface(self) -> Key:
        """The interface that the packets enter or leave by."""
        return Key.IIFNAME if self.interface_is_input else Key.OIFNAME


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """A key of a label, which lists items, and what one item is."""

    key: str
    description: str
    examples: tuple[list[Any], ...]
    schema: Mapping[str, Any]
    """JSON Schema of an item."""
    read: Callable[[object], Any]
    """What an item means; a Mistake for what is none."""
    like: str
    """A list in TOML, for advice."""
    rule: Callable[[Any], Mapping[str, Any]]
    """What an item's meaning sets in an atomic rule, by the names of the rule's fields."""
    names: Callable[[Any], Name | None] = lambda _: None
    """The name that this machine has to look up for an item's meaning."""
    thing: Thing | None = None
    """What of this machine every item mentions, names aside."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InKey:
    """What a selector is in the key of a map."""

    field: Callable[[int], Field]
    """nft's field, for the IP version of the map's addresses."""
    expression: Callable[[Ends, int], Key]
    """nft's expression for a packet."""
    value: Callable[[Rule], int | str | None] = lambda _: None
    """A rule's value, where it is a single one; None where it has none that belongs into a key."""
    range: Callable[[Rule], tuple[int, int] | None] | None = None
    """A rule's first and last value, of a selector whose values are ranges."""
    meta: int = 0
    """The number of `meta`'s key in the kernel's messages, of a number that is nothing but that (NFT_META_*)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selector:
    """One selector. Two are the same only where they are identical."""

    name: str
    """In the names of maps, and in packets in words."""
    weight: Weight
    items: tuple[Item, ...]
    fields: tuple[str, ...]
    """Of an atomic rule: the rule has the selector where one of them is not None. The first is the value, a second one the
    name that the value is looked up for."""
    matches: Callable[[Rule, Packet, View], bool]
    """Whether a rule that has the selector (and whose names have numbers) can be about the packet, seen in this way."""
    words: Callable[[Rule], str]
    """For people; of a rule that has it."""
    json: Callable[[Rule], Any]
    """For scripts: the value, None where there is none."""
    in_key: InKey | None
    """None for what never is in a map's key."""
    roles: frozenset[Role] = frozenset(Role)
    """Those in which packets can show it."""
    narrowness: Callable[[Rule], int] | None = None
    """How narrow a rule's value is, the larger, the narrower; for rules without it too."""
    level: Callable[[Rule], int] | None = None
    """Of what a lookup has to be made for each value: which comes before which; the larger, the earlier, 0 for none."""
    clause: str = ""
    """How `explain` takes it, of what is about the local process, which not every hook sees for every packet. A packet has
    it in the field of the selector's name."""

    @property
    def by_process(self) -> bool:
        """Whether it is about the local process."""
        return bool(self.clause)

    def given(self, rule: Rule) -> bool:
        """Whether the rule has it."""
        return any(getattr(rule, each) is not None for each in self.fields)
