# SPDX-License-Identifier: GPL-2.0-or-later
"""The other host's address."""

from __future__ import annotations

from secmarkd.selectors.addresses import SCHEMA, in_key, reader, text
from secmarkd.selectors.selector import Item, Selector, Weight

REMOTE = Selector(
    name="remote",
    weight=Weight.REMOTE,
    items=(
        Item(
            key="remote",
            description="Addresses or networks of the other host, IPv4 and IPv6.",
            examples=(["192.0.2.0/24", "2001:db8::/32"],),
            schema=SCHEMA,
            read=reader("remote"),
            like='["192.0.2.0/24"]',
            rule=lambda network: {"remote": network},
        ),
    ),
    fields=("remote",),
    matches=lambda rule, _, view: rule.remote is not None and view.remote in rule.remote,
    words=lambda rule: f"remote {rule.remote}",
    json=lambda rule: text(rule.remote),
    in_key=in_key(lambda rule: rule.remote, remote=True),
    narrowness=lambda rule: rule.remote.length if rule.remote else 0,
)
