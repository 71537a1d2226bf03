# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of this host that the packets of a connection enter or leave by."""

from __future__ import annotations

import re

from secmarkd.mistakes.interfaces import MAX_INTERFACE, interface_mistake
from secmarkd.model.host import interface_matches
from secmarkd.model.label_map import Rule
from secmarkd.model.sources import Thing
from secmarkd.selectors.selector import InKey, Item, Selector, Weight
from secmarkd.table.elements import Field

LITERAL_INTERFACE = 1000
"""Above every wildcard, whose level is one more than the characters before its `*` (at most 15, IFNAMSIZ - 1)."""
_INTERFACE = re.compile(
    r"[!#-&(-)+-.0-9;-\[\]-~]*\*?"
)  # what is printable in ASCII, without " ' * / : \ and the blank
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


def read_interface(value: object) -> str:
    """An interface's name, or the beginning of names followed by `*`."""
    name = value if isinstance(value, str) and value not in ("", "*", ".", "..") else ""
    if 0 < len(name.encode()) <= MAX_INTERFACE and not _ADDRESS.fullmatch(name) and _INTERFACE.fullmatch(name):
        return name
    raise interface_mistake(value, read_interface)


def pattern(rule: Rule) -> str | None:
    """A wildcard of interface names. It guards a lookup instead of being part of its key: ranges of names cannot be split
    into disjoint ones in nft's syntax."""
    return rule.interface if rule.interface is not None and rule.interface.endswith("*") else None


def _level(rule: Rule) -> int:
    """0 for none, then wildcards by their length, then literal names."""
    if rule.interface is None:
        return 0
    return len(rule.interface) if rule.interface.endswith("*") else LITERAL_INTERFACE


INTERFACE = Selector(
    name="interface",
    weight=Weight.INTERFACE,
    items=(
        Item(
            key="interface",
            description="Interfaces of this host that the packets enter or leave by; * at the end stands for any end of a "
            "name.",
            examples=(["eth0", "wg*"],),
            schema={"type": "string", "minLength": 1, "maxLength": 15, "pattern": r"^[^\s/:\"'*]+\*?$"},
            read=read_interface,
            like='["eth0"]',
            rule=lambda name: {"interface": name},
            thing=Thing.INTERFACE,
        ),
    ),
    fields=("interface",),
    matches=lambda rule, _, view: rule.interface is not None and interface_matches(rule.interface, view.interface),
    words=lambda rule: f"on {rule.interface}",
    json=lambda rule: rule.interface,
    in_key=InKey(
        field=lambda _: Field.INTERFACE,
        expression=lambda ends, _: ends.interface,
        value=lambda rule: None if pattern(rule) else rule.interface,
    ),
    level=_level,
)
