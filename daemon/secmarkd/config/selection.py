# SPDX-License-Identifier: GPL-2.0-or-later
"""One table of selectors -> the combinations that its atomic rules are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from secmarkd.config.files import Document, dotted
from secmarkd.config.schema import SELECTORS, Selectors
from secmarkd.config.toml_positions import Path
from secmarkd.model.context import Context
from secmarkd.model.label_map import Layer, Origin, Role, Rule
from secmarkd.model.sources import Mention, Thing
from secmarkd.selectors.every import BY_WEIGHT, ITEMS, SELECTOR_OF
from secmarkd.selectors.local import LOCAL
from secmarkd.selectors.ports import PORTS
from secmarkd.selectors.protocol import PROTOCOL
from secmarkd.selectors.remote import REMOTE
from secmarkd.selectors.selector import Item

_TOGETHER = (PORTS, PROTOCOL)
"""What one of these selects and what the other does is selected by both."""
_DIMENSIONS = (*((each,) for each in BY_WEIGHT if each not in _TOGETHER), _TOGETHER)
"""The most selective first, so that it gives the place among lists of equal length."""
_FAMILIED = (_DIMENSIONS.index((REMOTE,)), _DIMENSIONS.index((LOCAL,)))

_NOTHING: dict[Any, Origin] = {}

_Value = tuple[Item | None, Any, Origin]
"""What one item of a list says, and where."""
_NOT_GIVEN: list[_Value] = [(None, None, Origin("", 0, ""))]
"""A dimension without a list: one value, which says nothing; its place is never asked for."""


def origin_at(document: Document, path: Path) -> Origin:
    """Where the value at `path` was written."""
    return Origin(document.path, document.positions.line(path), dotted(path))


class Selection:
    """What a label, or one entry of its match, selects.

    Every value stands once, with the place it was first written at. The place of a rule is that of its value in the
    longest list, because that is what tells it from the label's other rules.
    """

    def __init__(self, document: Document, path: Path, selectors: Selectors) -> None:
        self._layer: Layer = document.layer
        lists = self._lists = _lists(document, path, selectors)
        self.roles = frozenset(Role).intersection(*(SELECTOR_OF[key].roles for key in lists))
        dimensions: list[list[_Value]] = [
            [
                (item, value, origin)
                for selector in dimension
                for item in selector.items
                for value, origin in lists.get(item.key, _NOTHING).items()
            ]
            for dimension in _DIMENSIONS
        ]
        self._widest = max(range(len(dimensions)), key=lambda index: (len(dimensions[index]), -index))
        self._dimensions = [dimension or _NOT_GIVEN for dimension in dimensions]

    def combinations(self) -> int:
        """How many there are. An address of this host goes only with those of the other that have its family."""
        count = 1
        for index, dimension in enumerate(self._dimensions):
            if index not in _FAMILIED:
                count *= len(dimension)
        remotes, locals_ = (self._dimensions[index] for index in _FAMILIED)
        if remotes is _NOT_GIVEN or locals_ is _NOT_GIVEN:
            return count * len(remotes) * len(locals_)
        there, here = (Counter(prefix.family for _, prefix, _ in prefixes) for prefixes in (remotes, locals_))
        return count * sum(there[family] * here[family] for family in there)

    def rules(self, label: str, contexts: Mapping[Role, Context]) -> Iterator[Rule]:
        """An atomic rule for each combination and role."""
        layer, widest = self._layer, self._widest
        for combination in product(*self._dimensions):
            remote, local = (combination[index][1] for index in _FAMILIED)
            if remote is not None and local is not None and remote.family != local.family:
                continue
            fields: dict[str, Any] = {}
            for item, value, _ in combination:
                if item is not None:
                    fields.update(item.rule(value))
            origin = combination[widest][2]
            for role, context in contexts.items():
                yield Rule(label=label, context=context, role=role, origin=origin, layer=layer, **fields)

    def mentions(self, label: str) -> Iterator[Mention]:
        """What of this machine the table names, each value once, in order of the keys."""
        for key in (key for key in SELECTORS if key in self._lists):
            item = ITEMS[key]
            for value, origin in self._lists[key].items():
                if item.thing is not None:
                    yield Mention(label, item.thing, value, origin)
                elif (name := item.names(value)) is not None:
                    yield Mention(label, Thing.NAME, name, origin)


def _lists(document: Document, path: Path, selectors: Selectors) -> dict[str, dict[Any, Origin]]:
    """What each key that is given lists, with the place where each value first stands.

    Items on one line share their place: 100,000 places would be a large part of the memory that the rules take.
    """
    name = dotted(path)
    lists: dict[str, dict[Any, Origin]] = {}
    for key in selectors.model_fields_set.intersection(SELECTORS):
        lines = document.positions.item_lines((*path, key))
        origin = Origin(document.path, 0, f"{name}.{key}")
        distinct: dict[Any, Origin] = {}
        for value, line in zip(getattr(selectors, key), lines, strict=True):
            if line != origin.line:
                origin = Origin(origin.file, line, origin.key)
            distinct.setdefault(value, origin)
        lists[key] = distinct
    return lists
