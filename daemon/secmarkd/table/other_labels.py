# SPDX-License-Identifier: GPL-2.0-or-later
"""What sets labels of packets outside of our table, and where it stands beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from secmarkd.table.table import NAME, PRIORITY_FORWARD, PRIORITY_SECURITY

FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}


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


def is_ours(family: int, table: str) -> bool:
    """Whether that is our table."""
    return (FAMILIES.get(family), table) == ("inet", NAME)


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
