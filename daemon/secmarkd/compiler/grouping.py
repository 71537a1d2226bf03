# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules sorted by kind of selector: each kind becomes one lookup of the ruleset, the most selective kind first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from secmarkd.compiler.overlap import Box
from secmarkd.model.label_map import Rule
from secmarkd.model.names import Name
from secmarkd.selectors.every import BY_WEIGHT, IN_WORDS
from secmarkd.selectors.interface import pattern
from secmarkd.selectors.precedence import Kind, kind
from secmarkd.selectors.selector import Selector

RANGED = tuple(each for each in BY_WEIGHT if each.in_key and each.in_key.range)
"""Selectors whose values are ranges, in the order of their weight in `precedence.narrowness`."""
EXACT = tuple(each for each in IN_WORDS if each.in_key and not each.in_key.range)
_RANGES: dict[Selector, Callable[[Rule], Any]] = {
    each: each.in_key.range for each in RANGED if each.in_key and each.in_key.range
}
_VALUES: dict[Selector, Callable[[Rule], Any]] = {each: each.in_key.value for each in EXACT if each.in_key}


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
        exact = tuple([_VALUES[each](rule) for each in self.exact])
        return Box(exact, tuple([_RANGES[each](rule) for each in self.ranged]), rule)


def groups(rules: Iterable[Rule]) -> list[Group]:
    """The rules of one role by kind, the most selective kind first, in an order that depends on nothing else."""
    sorted_out: dict[_GroupKey, list[Rule]] = {}
    for rule in rules:
        key = (kind(rule), rule.cgroup or "", pattern(rule) or "", _family(rule), rule.names if rule.waits else ())
        sorted_out.setdefault(key, []).append(rule)
    result = []
    for (_, cgroup, wildcard, family, waits), members in sorted(sorted_out.items(), key=_most_selective_first):
        first = members[0]
        ranged = tuple(each for each, range_ in _RANGES.items() if range_(first) is not None)
        exact = tuple(each for each, value in _VALUES.items() if value(first) is not None)
        result.append(Group(cgroup or None, wildcard or None, family, ranged, exact, tuple(members), waits))
    return result


_GroupKey = tuple[Kind, str, str, int, tuple[Name, ...]]


def _most_selective_first(item: tuple[_GroupKey, list[Rule]]) -> tuple[object, ...]:
    (rank, cgroup, pattern, family, waits), _ = item
    return tuple(-number for number in rank), cgroup, pattern, family, waits


def _family(rule: Rule) -> int:
    network = rule.remote or rule.local
    return network.family if network else 0
