# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules sorted by kind of selector: each kind becomes one lookup of the ruleset, the most selective kind first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from secmarkd.compiler.overlap import Box
from secmarkd.model.label_map import Rule
from secmarkd.model.names import Name
from secmarkd.model.precedence import Kind, kind
from secmarkd.table.elements import Field


class Selector(Enum):
    """A selector that is a field of a map's key, by the word it has in the map's name."""

    PORT = "port"
    REMOTE = "remote"
    LOCAL = "local"
    INTERFACE = "interface"
    USER = "user"
    PROTOCOL = "protocol"

    def field(self, family: int) -> Field:
        """The field of nft for it; `family` is that of the kind's addresses."""
        if self in (Selector.REMOTE, Selector.LOCAL):
            return Field.IPV4 if family == 4 else Field.IPV6
        return _FIELDS[self]


_FIELDS = {
    Selector.PORT: Field.PORT,
    Selector.INTERFACE: Field.INTERFACE,
    Selector.USER: Field.USER,
    Selector.PROTOCOL: Field.PROTOCOL,
}

RANGED = (Selector.REMOTE, Selector.LOCAL, Selector.PORT)
"""Selectors whose values are ranges, in the order of their weight in `precedence.narrowness`."""
EXACT = (Selector.PROTOCOL, Selector.INTERFACE, Selector.USER)


_NO_NUMBER = 0
"""In the place of the number that a name does not have."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules of one role, one kind, one address family and one set of guards."""

    cgroup: str | None
    pattern: str | None
    """A wildcard of interface names. It guards the lookup instead of being part of the key: ranges of names cannot be
    split into disjoint ones in nft's syntax."""
    family: int
    """4 or 6; 0 where the kind has no addresses."""
    ranged: tuple[Selector, ...]
    exact: tuple[Selector, ...]
    rules: tuple[Rule, ...]
    waits: tuple[Name, ...] = ()
    """Names of all its rules that have no number, so that it selects nothing now; like a cgroup they guard the group, and
    stand in its keys by a number that means nothing."""

    def box(self, rule: Rule) -> Box:
        """The rule as a box of this group's key space."""
        exact = tuple(_exact_value(rule, selector) for selector in self.exact)
        return Box(exact, tuple(_range(rule, selector) for selector in self.ranged), rule)


def groups(rules: Iterable[Rule]) -> list[Group]:
    """The rules of one role by kind, the most selective kind first, in an order that depends on nothing else."""
    sorted_out: dict[_GroupKey, list[Rule]] = {}
    for rule in rules:
        key = (kind(rule), rule.cgroup or "", _pattern(rule) or "", _family(rule), rule.names if rule.waits else ())
        sorted_out.setdefault(key, []).append(rule)
    result = []
    for (_, cgroup, pattern, family, waits), members in sorted(sorted_out.items(), key=_most_selective_first):
        first = members[0]
        ranged = tuple(each for each in RANGED if _has_range(first, each))
        exact = tuple(each for each in EXACT if _exact_value(first, each) != "")
        result.append(Group(cgroup or None, pattern or None, family, ranged, exact, tuple(members), waits))
    return result


_GroupKey = tuple[Kind, str, str, int, tuple[Name, ...]]


def _most_selective_first(item: tuple[_GroupKey, list[Rule]]) -> tuple[object, ...]:
    (rank, cgroup, pattern, family, waits), _ = item
    return tuple(-number for number in rank), cgroup, pattern, family, waits


def _has_range(rule: Rule, selector: Selector) -> bool:
    match selector:
        case Selector.PORT:
            return rule.ports is not None or rule.service is not None
        case Selector.REMOTE:
            return rule.remote is not None
        case _:
            return rule.local is not None


def _pattern(rule: Rule) -> str | None:
    return rule.interface if rule.interface is not None and rule.interface.endswith("*") else None


def _family(rule: Rule) -> int:
    network = rule.remote or rule.local
    return network.family if network else 0


def _exact_value(rule: Rule, selector: Selector) -> int | str:
    """The rule's value, or an empty string where it has none that belongs into a key."""
    if selector is Selector.INTERFACE:
        return "" if rule.interface is None or rule.interface.endswith("*") else rule.interface
    if selector is Selector.USER and rule.user is None and rule.user_name is not None:
        return _NO_NUMBER
    value = rule.protocol if selector is Selector.PROTOCOL else rule.user
    return "" if value is None else value


def _range(rule: Rule, selector: Selector) -> tuple[int, int]:
    if selector is Selector.PORT:
        return rule.ports or (_NO_NUMBER, _NO_NUMBER)
    network = rule.remote if selector is Selector.REMOTE else rule.local
    assert network is not None
    return network.low, network.high
