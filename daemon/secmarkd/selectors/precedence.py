# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of two rules wins: a total preorder that never looks at the order of files or lines.

`kind` orders by which selectors a rule has (cgroup, user, group, remote, local, interface, ports, protocol: the first
difference decides), and between rules with the same ones by the depth of the cgroup and by the interface's name (literal,
then wildcards by length). `narrowness` orders the other values within one kind (longer prefix, then smaller port range),
then the layer. What each selector says of itself is in its module.
"""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter

from secmarkd.model.label_map import Rule
from secmarkd.selectors.every import BY_WEIGHT
from secmarkd.selectors.selector import Weight

Kind = tuple[int, ...]
Rank = tuple[Kind, tuple[int, ...], int]

_FIELDS = tuple(field for each in BY_WEIGHT for field in each.fields)
_VALUES = attrgetter(*_FIELDS)
_LEVELS = tuple(each.level for each in BY_WEIGHT if each.level)
_NARROWNESS = tuple(each.narrowness for each in BY_WEIGHT if each.narrowness)
_MORE_THAN_PORTS = tuple(each.given for each in BY_WEIGHT if each.weight > Weight.PORTS)


def kind(rule: Rule) -> Kind:
    """Which selectors the rule has, the most selective first; then those of their values that need a lookup each."""
    return (*_given(tuple([value is not None for value in _VALUES(rule)])), *[level(rule) for level in _LEVELS])


@lru_cache(maxsize=1024)
def _given(fields: tuple[bool, ...]) -> tuple[int, ...]:
    """Which selectors a rule has by its fields that are not None; of 100,000 rules nearly all have the same ones."""
    known = dict(zip(_FIELDS, fields, strict=True))
    return tuple(int(any(known[field] for field in each.fields)) for each in BY_WEIGHT)


def more_than_ports(rule: Rule) -> bool:
    """Whether the rule asks for anything besides protocol and ports."""
    return any(given(rule) for given in _MORE_THAN_PORTS)


def narrowness(rule: Rule) -> tuple[int, ...]:
    """How narrow the rule's values are; the larger, the narrower. Comparable between rules of one kind."""
    return tuple(narrow(rule) for narrow in _NARROWNESS)


def rank(rule: Rule) -> Rank:
    """The larger rank wins; equal ranks with different contexts contradict each other where both match."""
    return kind(rule), narrowness(rule), int(rule.layer)
