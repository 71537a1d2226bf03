# SPDX-License-Identifier: GPL-2.0-or-later
"""Overlapping rules of one kind become disjoint cells, each with the one rule that wins there.

The kernel's interval maps refuse keys that overlap or contain each other, and hash maps have one value a key: so who wins
is decided here, once, and not by the order in which the kernel looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from secmarkd.model.label_map import Rule
from secmarkd.selectors.precedence import narrowness

Exact = tuple[int | str, ...]
Range = tuple[int, int]
"""First and last value, inclusive."""


@dataclass(frozen=True, slots=True)
class Box:
    """What one rule selects within its kind: a value for each exact field, a range for each of the others."""

    exact: Exact
    ranges: tuple[Range, ...]
    rule: Rule

    @property
    def strength(self) -> tuple[tuple[int, ...], int]:
        """Order among boxes of one kind: narrower values first, then the layer."""
        return narrowness(self.rule), int(self.rule.layer)


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the key space, and the rule that wins everywhere in it. Cells of one resolution are disjoint."""

    exact: Exact
    ranges: tuple[Range, ...]
    rule: Rule


@dataclass(frozen=True, slots=True)
class Clash:
    """Two rules that are equal in every respect, name different contexts, and both match the packets of `cell`."""

    first: Rule
    second: Rule
    exact: Exact
    ranges: tuple[Range, ...]


def resolve(boxes: Iterable[Box]) -> tuple[list[Cell], list[Clash]]:
    """Disjoint cells that cover exactly what the boxes cover, and the contradictions among them."""
    by_exact: dict[Exact, list[Box]] = {}
    for box in boxes:
        by_exact.setdefault(box.exact, []).append(box)
    return _told_apart((exact, *part) for exact, group in by_exact.items() for part in _sweep(group, 0))


def resolve_points(boxes: Iterable[Box]) -> tuple[list[Cell], list[Clash]]:
    """The same for boxes whose ranges are all of one value, which stay single values: keys of a hash map."""
    by_place: dict[tuple[Exact, tuple[Range, ...]], list[Box]] = {}
    for box in boxes:
        by_place.setdefault((box.exact, box.ranges), []).append(box)
    return _told_apart(
        (exact, ranges, _winners(group) if len(group) > 1 else (group[0].rule,))
        for (exact, ranges), group in by_place.items()
    )


_Winners = tuple[Rule, ...]
"""The rule that wins, and where there is one, a rule that contradicts it."""


def _told_apart(parts: Iterable[tuple[Exact, tuple[Range, ...], _Winners]]) -> tuple[list[Cell], list[Clash]]:
    cells: list[Cell] = []
    clashes: list[Clash] = []
    for exact, ranges, winners in parts:
        cells.append(Cell(exact, ranges, winners[0]))
        if len(winners) > 1:
            clashes.append(Clash(winners[0], winners[1], exact, ranges))
    return cells, clashes


def _sweep(boxes: Sequence[Box], dimension: int) -> list[tuple[tuple[Range, ...], _Winners]]:
    """The disjoint parts of the boxes from `dimension` on, in order. Neighbours with equal labels become one part."""
    if len(boxes) == 1:
        return [(boxes[0].ranges[dimension:], (boxes[0].rule,))]
    if dimension == len(boxes[0].ranges):
        return [((), _winners(boxes))]
    result: list[tuple[tuple[Range, ...], _Winners]] = []
    previous: list[tuple[tuple[Range, ...], _Winners]] = []
    start = end = -1
    for low, high, active in _segments(boxes, dimension):
        inner = _sweep(active, dimension + 1)
        if low == end + 1 and _same_labels(previous, inner):
            end = high
            continue
        result += [(((start, end), *ranges), winners) for ranges, winners in previous]
        previous, start, end = inner, low, high
    return result + [(((start, end), *ranges), winners) for ranges, winners in previous]


def _segments(boxes: Sequence[Box], dimension: int) -> Iterator[tuple[int, int, list[Box]]]:
    """The stretches of one dimension between which the set of boxes changes, with the boxes that cover each."""
    opening: dict[int, list[int]] = {}
    closing: dict[int, list[int]] = {}
    for number, box in enumerate(boxes):
        low, high = box.ranges[dimension]
        opening.setdefault(low, []).append(number)
        closing.setdefault(high + 1, []).append(number)
    edges = sorted(opening.keys() | closing.keys())
    active: dict[int, None] = {}
    for edge, following in pairwise(edges):
        for number in closing.get(edge, ()):
            del active[number]
        for number in opening.get(edge, ()):
            active[number] = None
        if active:
            yield edge, following - 1, [boxes[number] for number in active]


def _winners(boxes: Sequence[Box]) -> _Winners:
    """By what the rules say, never by the order in which they come."""
    best = max(boxes, key=lambda box: (box.strength, box.rule.origin))
    equal = [box.rule for box in boxes if box.strength == best.strength and box.rule.context != best.rule.context]
    return (best.rule, max(equal, key=lambda rule: rule.origin)) if equal else (best.rule,)


def _same_labels(
    one: list[tuple[tuple[Range, ...], _Winners]], other: list[tuple[tuple[Range, ...], _Winners]]
) -> bool:
    return len(one) == len(other) and all(
        first[0] == second[0] and [rule.context for rule in first[1]] == [rule.context for rule in second[1]]
        for first, second in zip(one, other, strict=True)
    )
