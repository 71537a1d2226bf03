# SPDX-License-Identifier: GPL-2.0-or-later
"""What sets labels of packets outside of our table, and where it stands beside ours.

Messages are those of nf_tables (NFT_MSG_NEWOBJ, NEWSET, NEWRULE, NEWCHAIN), each with its struct nfgenmsg before the
attributes. The numbers are those of linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from secmarkd.errors import one_line
from secmarkd.table.table import NAME, PRIORITY_FORWARD, PRIORITY_SECURITY

SECMARK_OBJECT = 8
"""NFT_OBJECT_SECMARK."""
_META_SECMARK, _CT_SECMARK = 14, 4
_RESTORE = 2
"""CONNSECMARK_RESTORE; the other mode saves."""
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_HOOKS_OF = {3: ("input", "output"), 5: ("ingress", "egress")}
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
NEEDLES = (
    struct.pack("=HH", 8, 2) + _META_SECMARK.to_bytes(4, "big"),
    struct.pack("=HH", 8, 2) + _CT_SECMARK.to_bytes(4, "big"),
    b"objref\0",
    b"SECMARK\0",
)
"""Without one of these, no message holds a rule that labels. With one it may be any rule."""


class Does(StrEnum):
    """What it does about labels."""

    DECLARES = "declares labels"
    """Which turns SELinux's packet checks on, rules or not."""
    PACKETS = "sets the label of packets"
    CONNECTIONS = "sets the label that is saved on connections"
    MAY = "may set labels (iptables-legacy, whose rules are not looked into)"


class Position(StrEnum):
    """When a packet meets it."""

    BEFORE = "before secmarkd"
    AFTER = "after secmarkd"
    SAME = "at the priority of secmarkd"
    UNKNOWN = "at a place that is not known"


Place = tuple[str, int]
"""A hook and a priority."""
ChainName = tuple[int, str, str]
"""Family, table and chain."""


@dataclass(frozen=True, slots=True, order=True)
class OtherLabel:
    """A chain of another table whose rules label, or another table's labels. Texts are on one line."""

    family: str
    table: str
    chain: str
    """Empty for labels that are declared, and for tables of the old iptables."""
    hook: str
    """Empty where the chain has none, so that others jump to it."""
    priority: int | None
    does: Does
    position: Position

    def __str__(self) -> str:
        where = f"table {self.family} {self.table}"
        if self.chain:
            where += f", chain {self.chain}"
        if self.hook:
            where += f" ({self.hook} at priority {self.priority})"
        return f"{where}: {self.does}{self._consequence()}"

    def _consequence(self) -> str:
        match self.does, self.position:
            case Does.DECLARES | Does.MAY, _:
                return ""
            case Does.CONNECTIONS, _:
                return f" {self.position}, which secmarkd may restore from there"
            case _, Position.BEFORE if self.hook == "output":
                return f" {self.position}, which keeps such a label"
            case _, Position.BEFORE:
                return f" {self.position}, which replaces such a label where it has one"
            case _, Position.AFTER:
                return f" {self.position}, whose label it replaces"
            case _:
                return f" {self.position}"


def label_from_json(data: Mapping[str, Any]) -> OtherLabel:
    """What asdict made of one. ValueError, TypeError or KeyError where it is none."""
    return OtherLabel(**{**data, "does": Does(data["does"]), "position": Position(data["position"])})


@dataclass(frozen=True, slots=True)
class OtherLabels:
    """All that was found, sorted; not all there is where not `whole`."""

    found: tuple[OtherLabel, ...] = ()
    whole: bool = True


def attributes(data: bytes) -> dict[int, bytes]:
    """Netlink attributes by kind; of several of a kind the last."""
    return dict(_each(data))


def _each(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, place)
        if length < 4:
            return
        yield kind & 0x3FFF, data[place + 4 : place + length]
        place += (length + 3) & ~3


def _text(value: bytes | None) -> str:
    return one_line((value or b"").split(b"\0")[0].decode(errors="surrogateescape"))


def _number(value: bytes | None) -> int | None:
    return int.from_bytes(value, "big") if value else None


def is_ours(family: int, table: str) -> bool:
    """Whether that is our table."""
    return (FAMILIES.get(family), table) == ("inet", NAME)


def declaring(messages: Iterable[bytes]) -> frozenset[tuple[int, str]]:
    """Family and name of the other tables that have secmark objects, from messages about objects."""
    tables: set[tuple[int, str]] = set()
    for message in messages:
        found = attributes(message[4:])
        owner = message[0], _text(found.get(1))
        if _number(found.get(3)) == SECMARK_OBJECT and not is_ours(*owner):
            tables.add(owner)
    return frozenset(tables)


def label_maps(messages: Iterable[bytes]) -> frozenset[tuple[int, str, str]]:
    """Family, table and name of the maps whose values are secmark objects, from messages about sets."""
    maps: set[tuple[int, str, str]] = set()
    for message in messages:
        found = attributes(message[4:])
        if _number(found.get(15)) == SECMARK_OBJECT:
            maps.add((message[0], _text(found.get(1)), _text(found.get(2))))
    return frozenset(maps)


def labelling_rules(
    messages: Iterable[bytes], maps: frozenset[tuple[int, str, str]]
) -> frozenset[tuple[ChainName, Does]]:
    """The chains of other tables with rules that label, from messages about rules; `maps` as `label_maps` has them."""
    chains: set[tuple[ChainName, Does]] = set()
    for message in messages:
        if not any(needle in message for needle in NEEDLES):
            continue
        found = attributes(message[4:])
        chain = message[0], _text(found.get(1)), _text(found.get(2))
        if is_ours(chain[0], chain[1]):
            continue
        for _, expression in _each(found.get(4, b"")):
            parts = attributes(expression)
            does = _does(_text(parts.get(1)), attributes(parts.get(2, b"")), chain[:2], maps)
            if does is not None:
                chains.add((chain, does))
    return frozenset(chains)


def _does(
    expression: str, data: Mapping[int, bytes], table: tuple[int, str], maps: frozenset[tuple[int, str, str]]
) -> Does | None:
    """What an expression does about labels; None for nothing. A key that is loaded has no source register."""
    match expression:
        case "meta" if 3 in data and _number(data.get(2)) == _META_SECMARK:
            return Does.PACKETS
        case "ct" if 4 in data and _number(data.get(2)) == _CT_SECMARK:
            return Does.CONNECTIONS
        case "objref" if _number(data.get(1)) == SECMARK_OBJECT or (*table, _text(data.get(4))) in maps:
            return Does.PACKETS
        case "target" if _text(data.get(1)) == "SECMARK":
            return Does.PACKETS
        case "target" if _text(data.get(1)) == "CONNSECMARK":
            restores = data.get(3, b"\0")[:1] == bytes([_RESTORE])
            return Does.PACKETS if restores else Does.CONNECTIONS
        case _:
            return None


def places(messages: Iterable[bytes]) -> dict[ChainName, Place]:
    """Where base chains are hooked, from messages about chains."""
    found: dict[ChainName, Place] = {}
    for message in messages:
        chain = attributes(message[4:])
        hook = attributes(chain.get(4, b""))
        number, priority = _number(hook.get(1)), hook.get(2)
        if number is None or priority is None:
            continue
        names = _HOOKS_OF.get(message[0], _HOOKS)
        name = names[number] if number < len(names) else f"hook {number}"
        found[message[0], _text(chain.get(1)), _text(chain.get(3))] = (
            name,
            int.from_bytes(priority, "big", signed=True),
        )
    return found


def other_labels(
    tables: Iterable[tuple[int, str]], chains: Iterable[tuple[ChainName, Does]], hooks: Mapping[ChainName, Place]
) -> Iterator[OtherLabel]:
    """Put together what the functions above found."""
    for family, table in tables:
        yield OtherLabel(_family(family), table, "", "", None, Does.DECLARES, Position.UNKNOWN)
    for chain, does in chains:
        hook, priority = hooks.get(chain, ("", None))
        yield OtherLabel(
            _family(chain[0]), chain[1], chain[2], hook, priority, does, position(chain[0], hook, priority)
        )


def _family(number: int) -> str:
    return FAMILIES.get(number, f"family {number}")


def position(family: int, hook: str, priority: int | None) -> Position:
    """When a packet meets a chain there, relative to our own chain that it meets."""
    if hook in ("prerouting", "ingress"):
        return Position.BEFORE
    if hook in ("postrouting", "egress"):
        return Position.AFTER
    if not hook or priority is None or FAMILIES.get(family) not in ("inet", "ip", "ip6"):
        return Position.UNKNOWN
    ours = PRIORITY_FORWARD if hook == "forward" else PRIORITY_SECURITY
    if priority == ours:
        return Position.SAME
    return Position.BEFORE if priority < ours else Position.AFTER
