# SPDX-License-Identifier: GPL-2.0-or-later
"""Transactions of nf_tables by raw netlink, for what nft's text and JSON cannot say: a table written again with a change.

clone = Clone.of_our_table()            # in the namespace
clone.write(lambda part, message: …)    # deletes the table and writes it again, in one transaction
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, fields

from secmarkd.adapters.netlink.dump import NetlinkDump
from secmarkd.adapters.netlink.socket import Link
from secmarkd.netlink.codec import Message, attributes, nfgenmsg, nft
from secmarkd.netlink.codec import text as string_attribute
from secmarkd.netlink.numbers import Nfnl, Nfproto
from secmarkd.netlink.structure import Structure
from secmarkd.table.table import NAME
from tests.support.raw_netlink import attribute

Change = Callable[[str, bytes], bytes | None]
"""Of the part of a Structure and one of its messages, the message to be written; None to leave it out."""
_REQUEST, _ACK, _CREATE, _APPEND = 1, 4, 0x400, 0x800
_NEW = {"tables": 0, "chains": 3, "sets": 9, "objects": 18, "rules": 6}
"""NFT_MSG_NEW*, in an order in which the kernel takes them."""
_DELTABLE, NEWSETELEM, NEWRULE, NEWCHAIN, NEWSET = 2, 12, 6, 3, 9
_KERNELS_OWN = {
    "tables": {3, 4, 7},
    "chains": {2, 6, 10},
    "sets": {16, 19, 20},
    "objects": {4, 5, 6},
    "rules": {3, 6},
}
"""Attributes that nobody writes: handles, counts, positions."""
_EXPRESSIONS, _SET_NAME, _SET_ID, _OBJ_TYPE, _OBJ_DATA = 4, 2, 10, 3, 4
_ANONYMOUS = re.compile(rb"__set(\d+)\0")


def batch(messages: Iterable[tuple[int, int, bytes]]) -> None:
    """Commit messages, as type, more flags and attributes, of family inet. OSError of the first that is refused."""
    inner = [
        Message(nft(kind), _REQUEST | _ACK | flags, nfgenmsg(Nfproto.INET) + body) for kind, flags, body in messages
    ]
    frame = nfgenmsg(Nfproto.UNSPEC, Nfnl.SUBSYS_NFTABLES)
    with closing(Link(patience=5.0)) as link:
        link.send([Message(0x10, _REQUEST, frame), *inner, Message(0x11, _REQUEST, frame)])
        left = len(inner)
        while left:
            for place, answer in link.answers(link.datagram()):
                if answer.error:
                    raise OSError(answer.error, f"message {place}: {os.strerror(answer.error)}")
                left -= 1


@dataclass(frozen=True)
class Clone:
    """All that the kernel says of our table."""

    structure: Structure
    elements: dict[str, list[bytes]]

    @classmethod
    def of_our_table(cls) -> Clone:
        """As it is now in the namespace of the calling thread."""
        with closing(NetlinkDump()) as lists:
            structure = lists.structure(NAME)
            names = [string(message, _SET_NAME) for message in structure.sets]
            return cls(structure, {name: list(lists.elements(NAME, name)) for name in names})

    def plain(self) -> dict[str, list[bytes]]:
        """Everything but what the kernel numbers by itself, to be compared."""
        found = {part: sorted(_written(part, message) for message in getattr(self.structure, part)) for part in _NEW}
        for message in self.structure.rules:
            found.setdefault(f"rules of {string(message, 2)}", []).append(_written("rules", message))
        del found["rules"]
        for name, blocks in self.elements.items():
            found[f"elements of {name}"] = sorted(each for block in blocks for _, each in attributes(block))
        return found

    def write(self, change: Change = lambda part, message: message) -> None:
        """Put it in the place of the table that is there, in one transaction."""
        messages = [(_DELTABLE, 0, string_attribute(1, NAME))]
        for part, kind in _NEW.items():
            for message in getattr(self.structure, part):
                changed = change(part, message)
                if changed is not None:
                    messages.append((kind, _CREATE | (_APPEND if part == "rules" else 0), _written(part, changed)))
            if part == "objects":
                messages += [(NEWSETELEM, _CREATE, self._elements(name)) for name in self.elements]
        batch(message for message in messages if message[2])

    def _elements(self, name: str) -> bytes:
        content = b"".join(self.elements[name])
        if not content:
            return b""
        number = _ANONYMOUS.fullmatch(name.encode() + b"\0")
        named = string_attribute(1, NAME) + string_attribute(2, "__set%d" if number else name)
        return named + (_id(4, int(number[1])) if number else b"") + attribute(3, content)


def string(message: bytes, kind: int) -> str:
    """A name in a message."""
    return dict(attributes(message))[kind].rstrip(b"\0").decode(errors="surrogateescape")


def rebuilt(message: bytes, **changes: Callable[[bytes], bytes | None]) -> bytes:
    """A message with some attributes changed, by their number (`a4`); None takes one out."""
    kept = []
    for kind, content in attributes(message):
        changed = changes[f"a{kind}"](content) if f"a{kind}" in changes else content
        if changed is not None:
            kept.append(attribute(kind, changed))
    return b"".join(kept)


def expressions(message: bytes) -> list[tuple[str, dict[int, bytes]]]:
    """Of a rule, each with its name and attributes."""
    found = []
    for _, inner in attributes(dict(attributes(message))[_EXPRESSIONS]):
        parts = dict(attributes(inner))
        found.append((parts[1].rstrip(b"\0").decode(), dict(attributes(parts.get(2, b"")))))
    return found


def with_expressions(message: bytes, listed: Iterable[tuple[str, dict[int, bytes]]]) -> bytes:
    """A rule with other expressions."""
    inner = b"".join(map(_expression, listed))
    return rebuilt(message, a4=lambda _: inner)


def _expression(each: tuple[str, dict[int, bytes]]) -> bytes:
    name, found = each
    data = b"".join(attribute(kind, content) for kind, content in found.items())
    return attribute(1, string_attribute(1, name) + attribute(2, data))


def _id(kind: int, number: int) -> bytes:
    return attribute(kind, (number + 1).to_bytes(4, "big"))


def _written(part: str, message: bytes) -> bytes:
    """A message as it is written: anonymous sets by numbers of this transaction."""
    own = _KERNELS_OWN[part]
    if part == "objects" and dict(attributes(message)).get(_OBJ_TYPE) == (8).to_bytes(4, "big"):
        own = own - {_OBJ_DATA}
    kept = [(kind, content) for kind, content in attributes(message) if kind not in own]
    if part == "objects" and _OBJ_DATA in own:
        kept.append((_OBJ_DATA, b""))
    if part == "sets" and (number := _ANONYMOUS.fullmatch(dict(kept)[_SET_NAME])):
        kept = [(kind, b"__set%d\0" if kind == _SET_NAME else content) for kind, content in kept]
        kept.append((_SET_ID, (int(number[1]) + 1).to_bytes(4, "big")))
    elif part == "sets":
        kept.append((_SET_ID, (1 << 16).to_bytes(4, "big")))
    if part == "rules":
        content = b"".join(_expression(_by_number(*each)) for each in expressions(message))
        kept = [(kind, content if kind == _EXPRESSIONS else other) for kind, other in kept]
    return b"".join(attribute(*each) for each in kept)


def _by_number(name: str, found: dict[int, bytes]) -> tuple[str, dict[int, bytes]]:
    """A look-up in an anonymous set by the number that it has in the transaction."""
    if name == "lookup" and (number := _ANONYMOUS.fullmatch(found[1])):
        return name, {**found, 1: b"__set%d\0", 4: (int(number[1]) + 1).to_bytes(4, "big")}
    return name, found


PARTS = tuple(each.name for each in fields(Structure))
