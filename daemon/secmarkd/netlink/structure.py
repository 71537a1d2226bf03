# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's messages say of a table's things, elements aside, and lasts as long as nobody changes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.netlink.codec import attribute, attributes
from secmarkd.netlink.numbers import Chain, Expr, Obj, Object, Rule, Set

_COUNTING = (b"counter\0", b"quota\0", b"limit\0", b"last\0", b"connlimit\0")
"""Expressions that run on by themselves."""
_SECMARK = Object.SECMARK.to_bytes(4, "big")
"""Its data are its context. Those of others run on by themselves."""

_TABLE_FLAG_WORDS = {1: "dormant", 2: "owner", 4: "persist"}
"""NFT_TABLE_F_*, with nft's words."""

Messages = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """The messages about one table, each without its head (struct nfgenmsg) and without what runs on by itself.

    Two that are equal are of the same things, for their handles are part of it: a thing that is replaced by an equal one
    is another.
    """

    tables: Messages = ()
    chains: Messages = ()
    rules: Messages = ()
    sets: Messages = ()
    objects: Messages = ()
    flowtables: Messages = ()


def whole(message: bytes) -> bytes:
    """A thing of which nothing runs on by itself."""
    return message


def lasting_chain(message: bytes) -> bytes:
    """A chain, of whose counters only that it has some. ValueError where it is not made of attributes."""
    return _joined([(kind, b"" if kind == Chain.COUNTERS else content) for kind, content in attributes(message)])


def lasting_rule(message: bytes) -> bytes:
    """A rule without what its counters, quotas and limits have counted. ValueError where it is not made of attributes."""
    if not any(each in message for each in _COUNTING):
        return message
    return _joined(
        [
            (kind, _lasting_expressions(inner) if kind == Rule.EXPRESSIONS else inner)
            for kind, inner in attributes(message)
        ]
    )


def _lasting_expressions(content: bytes) -> bytes:
    kept = []
    for kind, expression in attributes(content):
        parts = list(attributes(expression))
        counts = dict(parts).get(Expr.NAME) in _COUNTING
        kept.append((kind, _joined([each for each in parts if not counts or each[0] == Expr.NAME])))
    return _joined(kept)


def lasting_set(message: bytes) -> bytes:
    """A set or map without how many elements it has. ValueError where it is not made of attributes."""
    # The type is what the kernel chose by itself; the number of elements comes since 6.16.
    return _without(message, {Set.TYPE, Set.COUNT})


def lasting_object(message: bytes) -> bytes:
    """An object without how many things refer to it and, but for a secmark's context, its data, where counts are.
    ValueError where it is not made of attributes."""
    secmark = any(kind == Obj.TYPE and content == _SECMARK for kind, content in attributes(message))
    return _without(message, {Obj.USE} if secmark else {Obj.USE, Obj.DATA})


def _without(message: bytes, kinds: set[int]) -> bytes:
    return _joined([(kind, content) for kind, content in attributes(message) if kind not in kinds])


def _joined(parts: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join([attribute(kind, each) for kind, each in parts])


def table_flags(bits: int) -> tuple[str, ...]:
    """A table's flags, sorted, those without a word as `0x…`."""
    rest = bits & ~sum(_TABLE_FLAG_WORDS)
    words = [word for bit, word in _TABLE_FLAG_WORDS.items() if bits & bit]
    return tuple(sorted(words + ([f"{rest:#x}"] if rest else [])))
