# SPDX-License-Identifier: GPL-2.0-or-later
"""What the selectors remote and local have in common: addresses and networks."""

from __future__ import annotations

from collections.abc import Callable

from secmarkd.mistakes.addresses import address_mistake
from secmarkd.mistakes.advice import Mistake, write
from secmarkd.mistakes.words import shown
from secmarkd.model.address import Prefix, parse_prefix
from secmarkd.model.label_map import Rule
from secmarkd.selectors.selector import InKey
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

SCHEMA = {"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"}


def reader(key: str) -> Callable[[object], Prefix]:
    """The reader of an address or network; `key` is the one that it is listed under."""

    def read(value: object) -> Prefix:
        try:
            prefix = parse_prefix(value) if isinstance(value, str) and "%" not in value else None
        except ValueError:
            prefix = None
        if prefix is None:
            raise address_mistake(value, key, read)
        if prefix.family == 6 and prefix.length >= 96 and prefix.low >> 32 == 0xFFFF:
            # packets of an IPv4 connection have IPv4 addresses, whatever the program sees that holds its socket
            plain = str(Prefix(4, prefix.low & 0xFFFFFFFF, prefix.length - 96))
            raise Mistake(f"no packet has the address {shown(str(prefix))}, which is IPv4", write(f'"{plain}"'))
        return prefix

    return read


def in_key(network: Callable[[Rule], Prefix | None], *, remote: bool) -> InKey:
    """An address in the key of a map: that of the other host, or of this one."""

    def expression(source: bool, family: int) -> Key:
        if family == 4:
            return Key.IP_SADDR if source else Key.IP_DADDR
        return Key.IP6_SADDR if source else Key.IP6_DADDR

    def first_and_last(rule: Rule) -> tuple[int, int] | None:
        found = network(rule)
        return None if found is None else (found.low, found.high)

    return InKey(
        field=lambda family: Field.IPV4 if family == 4 else Field.IPV6,
        expression=lambda ends, family: expression(ends.remote_is_source is remote, family),
        range=first_and_last,
    )


def text(network: Prefix | None) -> str | None:
    """As people write it."""
    return None if network is None else str(network)
