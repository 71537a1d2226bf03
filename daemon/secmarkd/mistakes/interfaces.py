# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no interface's name as it stands, and which one it means."""

from __future__ import annotations

import ipaddress
import re

from secmarkd.errors import Fix
from secmarkd.mistakes.advice import (
    Mistake,
    Reader,
    leave_out,
    looks_into,
    settled,
    settled_all,
    toml,
    write,
)
from secmarkd.mistakes.words import plain, shown

MAX_INTERFACE = 15
"""Bytes of an interface's name: IFNAMSIZ without its NUL."""

_LIKE = ('"eth0"', '"wg*"')


@looks_into
def interface_mistake(value: object, read: Reader) -> Mistake:
    """Why the value is no name of an interface, nor the beginning of names; `read` is the reader that refused it."""
    if isinstance(value, list) and value:
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value) and (items := settled_all(read, texts)):
            return Mistake("a list inside the list of interfaces", write(*items))
    if not isinstance(value, str):
        return Mistake(f"expected an interface's name in quotes, got {shown(value)}", write(*_LIKE, like=True))
    text = plain(value)
    if not text or not text.strip("*"):
        return Mistake(f"{shown(value)} would match every interface", leave_out("leave interface out for that"))
    for find in (_several, _address, _pasted):
        if mistake := find(value, text, read):
            return mistake
    if "*" in text[:-1] and (items := settled(read, f"{text.split('*')[0]}*")):
        return Mistake(f"{shown(value)}: * goes at the end only, for any end of a name", write(*items))
    if text != value and (items := settled(read, text)):
        return Mistake(f"{shown(value)} has blanks or look-alikes of plain characters", write(*items))
    if len(text.encode()) > MAX_INTERFACE:
        wrong = f"{shown(value)} is too long: the name of an interface has at most {MAX_INTERFACE} bytes"
        beginning = text[: MAX_INTERFACE - 1] + "*"
        return Mistake(wrong, *([write(*items, like=True)] if (items := settled(read, beginning)) else [_like()]))
    rule = "no blanks, quotes, colons or slashes, and only ASCII"
    return Mistake(f"{shown(value)} cannot be the name of an interface: {rule}", _like())


def _like() -> Fix:
    return write(*_LIKE, like=True)


def _several(value: str, text: str, read: Reader) -> Mistake | None:
    parts = [part for part in re.split(r"[,;|\s]+", text.strip("(){}")) if part]
    if not 1 < len(parts) <= 1000 or re.match(r"[0-9]+:", text):
        return None
    items = settled_all(read, parts)
    return Mistake(f"{shown(value)} is several interfaces in one string", write(*items)) if items else None


def _address(value: str, text: str, _: Reader) -> Mistake | None:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    wrong = f"{shown(value)} is an address, and this is a list of interfaces"
    whole = network.prefixlen == network.max_prefixlen
    return Mistake(
        wrong, write(beside=[("local", f"[{toml(str(network.network_address) if whole else str(network))}]")])
    )


def _pasted(value: str, text: str, read: Reader) -> Mistake | None:
    """`2: eth0:`, `eth0:` and `eth0:1`, as `ip` and `ifconfig` show them."""
    found = re.fullmatch(r"(?:[0-9]+:\s*)?([^\s:/@\"']+)(?:@[^\s:]+)?(?::\s*(?:<.*)?|:[0-9]+)?", text)
    if found is None or found[1] == text or not (items := settled(read, found[1])):
        return None
    alias = re.search(r":[0-9]+$", text) is not None
    wrong = f"{shown(value)} is more than an interface's name"
    purpose = "(packets of an alias have the interface's own name; its address is given as local)" if alias else ""
    return Mistake(wrong, write(*items, purpose=purpose))
