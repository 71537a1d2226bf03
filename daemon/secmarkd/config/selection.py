# SPDX-License-Identifier: GPL-2.0-or-later
"""One table of selectors -> the combinations that its atomic rules are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from secmarkd.config.files import Document, dotted
from secmarkd.config.schema import PORT_KEYS, SELECTORS, Selectors
from secmarkd.config.toml_positions import Path
from secmarkd.model.context import Context
from secmarkd.model.label_map import Layer, Origin, Role, Rule
from secmarkd.model.names import Name, NameKind
from secmarkd.model.protocols import WITH_PORTS
from secmarkd.model.sources import Mention, Thing

_BESIDE_SERVICES = ("cgroup", "user", "remote", "local", "interface")
_FAMILIED = (2, 3)
"""Where remote and local stand among the dimensions."""

_NOTHING: dict[Any, Origin] = {}

_NOT_GIVEN: list[tuple[Any, Origin]] = [(None, Origin("", 0, ""))]
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
        services: dict[Any, Origin] = {}
        for key in PORT_KEYS:
            for ports, origin in lists.get(key, _NOTHING).items():
                services.setdefault((WITH_PORTS[key], ports), origin)
        for number, origin in lists.get("protocol", _NOTHING).items():
            services[number, None] = origin
        # the most selective first, as in model.precedence, so that it gives the place among lists of equal length
        dimensions = [list(lists.get(key, _NOTHING).items()) for key in _BESIDE_SERVICES]
        dimensions.append(list(services.items()))
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
        there, here = (Counter(prefix.family for prefix, _ in prefixes) for prefixes in (remotes, locals_))
        return count * sum(there[family] * here[family] for family in there)

    def rules(self, label: str, contexts: Mapping[Role, Context]) -> Iterator[Rule]:
        """An atomic rule for each combination and role."""
        layer, widest = self._layer, self._widest
        for combination in product(*self._dimensions):
            (cgroup, _), (user, _), (remote, _), (local, _), (interface, _), (service, _) = combination
            if remote is not None and local is not None and remote.family != local.family:
                continue
            protocol, ports = service if service is not None else (None, None)
            for role, context in contexts.items():
                yield Rule(
                    label=label,
                    context=context,
                    role=role,
                    origin=combination[widest][1],
                    layer=layer,
                    protocol=protocol,
                    ports=None if isinstance(ports, str) else ports,
                    remote=remote,
                    local=local,
                    interface=interface,
                    user=None if isinstance(user, str) else user,
                    cgroup=cgroup,
                    user_name=user if isinstance(user, str) else None,
                    service=ports if isinstance(ports, str) else None,
                )

    def mentions(self, label: str) -> Iterator[Mention]:
        """What of this machine the table names, each value once, in order of the keys."""
        for key in (key for key in SELECTORS if key in self._lists):
            for value, origin in self._lists[key].items():
                match key:
                    case "cgroup" | "interface" | "local":
                        yield Mention(label, Thing(key), value, origin)
                    case "user" if isinstance(value, str):
                        yield Mention(label, Thing.NAME, Name(NameKind.USER, value), origin)
                    case _ if key in PORT_KEYS and isinstance(value, str):
                        name = Name(NameKind.SERVICE, value, WITH_PORTS[key])
                        yield Mention(label, Thing.NAME, name, origin)
                    case _:
                        pass


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
