# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol as a whole; one that ports are given of is in this field of a rule too."""

from __future__ import annotations

from secmarkd.mistakes.protocols import MAX_PROTOCOL, protocol_mistake
from secmarkd.model.label_map import Rule
from secmarkd.model.protocols import WITH_PORTS, WITHOUT_PORTS, protocol_name
from secmarkd.selectors.selector import InKey, Item, Selector, Weight
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

_KNOWN = WITH_PORTS | WITHOUT_PORTS


def read_protocol(value: object) -> int:
    """A protocol's name or number -> its number."""
    if type(value) is int and 0 <= value <= MAX_PROTOCOL:
        return value
    if isinstance(value, str) and value.lower() in _KNOWN:
        return _KNOWN[value.lower()]
    raise protocol_mistake(value, read_protocol)


def _name(rule: Rule) -> str | None:
    return None if rule.protocol is None else protocol_name(rule.protocol)


PROTOCOL = Selector(
    name="protocol",
    weight=Weight.PROTOCOL,
    items=(
        Item(
            key="protocol",
            description="Protocols as a whole, whatever their ports: names or numbers (0 to 255). They are added to those "
            "of tcp, udp, sctp, dccp and udplite.",
            examples=(["esp", 112], ["icmp", "icmpv6"]),
            schema={"anyOf": [{"enum": sorted(_KNOWN)}, {"type": "integer", "minimum": 0, "maximum": MAX_PROTOCOL}]},
            read=read_protocol,
            like='["esp"]',
            rule=lambda number: {"protocol": number},
        ),
    ),
    fields=("protocol",),
    matches=lambda rule, packet, _: rule.protocol == packet.protocol,
    words=lambda rule: _name(rule) or "",
    json=_name,
    in_key=InKey(field=lambda _: Field.PROTOCOL, expression=lambda *_: Key.L4PROTO, value=lambda rule: rule.protocol),
)
