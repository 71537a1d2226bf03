# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's address."""

from __future__ import annotations

from secmarkd.model.sources import Thing
from secmarkd.selectors.addresses import SCHEMA, in_key, reader, text
from secmarkd.selectors.selector import Item, Selector, Weight

LOCAL = Selector(
    name="local",
    weight=Weight.LOCAL,
    items=(
        Item(
            key="local",
            description="Addresses or networks of this host, IPv4 and IPv6.",
            examples=(["198.51.100.7"],),
            schema=SCHEMA,
            read=reader("local"),
            like='["198.51.100.7"]',
            rule=lambda network: {"local": network},
            thing=Thing.LOCAL,
        ),
    ),
    fields=("local",),
    matches=lambda rule, _, view: rule.local is not None and view.local in rule.local,
    words=lambda rule: f"local {rule.local}",
    json=lambda rule: text(rule.local),
    in_key=in_key(lambda rule: rule.local, remote=False),
    narrowness=lambda rule: rule.local.length if rule.local else 0,
)
