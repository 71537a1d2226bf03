# SPDX-License-Identifier: GPL-2.0-or-later
"""The service's port, by protocol: tcp, udp, sctp, dccp, udplite."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from secmarkd.mistakes.ports import MAX_PORT, is_service_name, port_mistake
from secmarkd.model.label_map import Rule
from secmarkd.model.names import Name, NameKind
from secmarkd.model.packet import Packet, View
from secmarkd.model.protocols import WITH_PORTS
from secmarkd.selectors.selector import NO_NUMBER, InKey, Item, Selector, Weight
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

_RANGE = re.compile(r"([0-9]{1,5}) *- *([0-9]{1,5})")
_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_PORT},
        {"type": "string", "pattern": "^([0-9]+ *- *[0-9]+|.*[A-Za-z].*)$"},
    ]
}

Ports = tuple[int, int] | str


def reader(protocol: str) -> Callable[[object], Ports]:
    """The reader of ports of one protocol: a number or a range -> first and last port; a service's name -> itself.

    A name is looked up elsewhere: whether it is known does not make a configuration right or wrong.
    """

    def ports(value: object) -> Ports:
        if type(value) is int and 0 < value <= MAX_PORT:  # bool is a subclass
            return value, value
        if isinstance(value, str):
            found = _RANGE.fullmatch(value)
            if found and 0 < int(found[1]) <= int(found[2]) <= MAX_PORT:
                return int(found[1]), int(found[2])
            if is_service_name(value, protocol):
                return value
        raise port_mistake(value, protocol, ports)

    return ports


def _item(key: str, shown: str, *examples: list[Any]) -> Item:
    protocol = WITH_PORTS[key]

    def rule(ports: Ports) -> Mapping[str, Any]:
        return {"protocol": protocol, "service" if isinstance(ports, str) else "ports": ports}

    def names(ports: Ports) -> Name | None:
        return Name(NameKind.SERVICE, ports, protocol) if isinstance(ports, str) else None

    return Item(
        key=key,
        description=f"{shown} ports of the service: numbers, ranges, or names from /etc/services.",
        examples=examples,
        schema=_SCHEMA,
        read=reader(key),
        like="[443]",
        rule=rule,
        names=names,
    )


def _matches(rule: Rule, _: Packet, view: View) -> bool:
    port = view.service_port
    return rule.ports is not None and port is not None and rule.ports[0] <= port <= rule.ports[1]


def _words(rule: Rule) -> str:
    if rule.ports is None:
        return rule.service or ""
    low, high = rule.ports
    return str(low) if low == high else f"{low}-{high}"


PORTS = Selector(
    name="port",
    weight=Weight.PORTS,
    items=(
        _item("tcp", "TCP", [80, 443, "8008-8009"], ["https"]),
        _item("udp", "UDP", [53], ["ntp"]),
        _item("sctp", "SCTP", [3868]),
        _item("dccp", "DCCP", [5004]),
        _item("udplite", "UDP-Lite", [5004]),
    ),
    fields=("ports", "service"),
    matches=_matches,
    words=_words,
    json=lambda rule: list(rule.ports) if rule.ports else None,
    in_key=InKey(
        field=lambda _: Field.PORT,
        expression=lambda ends, _: Key.TH_DPORT if ends.port_is_destination else Key.TH_SPORT,
        range=lambda rule: rule.ports or ((NO_NUMBER, NO_NUMBER) if rule.service is not None else None),
    ),
    narrowness=lambda rule: rule.ports[0] - rule.ports[1] if rule.ports else 0,
)
