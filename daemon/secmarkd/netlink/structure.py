# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's messages say of a table's things, elements aside, and lasts as long as nobody changes them.

Attributes are the enums nft_chain_attributes, nft_rule_attributes, nft_set_attributes and nft_object_attributes of
linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.netlink.element import ATTRIBUTE, attributes

_CHAIN_COUNTERS = 8
_RULE_EXPRESSIONS, _EXPR_NAME = 4, 1
_COUNTING = (b"counter\0", b"quota\0", b"limit\0", b"last\0", b"connlimit\0")
"""Expressions that run on by themselves."""
_SET_TYPE, _SET_COUNT = 19, 20
"""What the kernel chose by itself, and the number of elements, which kernels tell since 6.16."""
_OBJ_TYPE, _OBJ_DATA, _OBJ_USE = 3, 4, 5
_SECMARK = (8).to_bytes(4, "big")
"""NFT_OBJECT_SECMARK, whose data are its context. Those of others run on by themselves."""

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
    return _joined([(kind, b"" if kind == _CHAIN_COUNTERS else content) for kind, content in attributes(message)])


def lasting_rule(message: bytes) -> bytes:
    """A rule without what its counters, quotas and limits have counted. ValueError where it is not made of attributes."""
    if not any(each in message for each in _COUNTING):
        return message
    return _joined(
        [
            (kind, _lasting_expressions(inner) if kind == _RULE_EXPRESSIONS else inner)
            for kind, inner in attributes(message)
        ]
    )


def _lasting_expressions(content: bytes) -> bytes:
    kept = []
    for kind, expression in attributes(content):
        parts = list(attributes(expression))
        counts = dict(parts).get(_EXPR_NAME) in _COUNTING
        kept.append((kind, _joined([each for each in parts if not counts or each[0] == _EXPR_NAME])))
    return _joined(kept)


def lasting_set(message: bytes) -> bytes:
    """A set or map without how many elements it has. ValueError where it is not made of attributes."""
    return _without(message, {_SET_TYPE, _SET_COUNT})


def lasting_object(message: bytes) -> bytes:
    """An object without how many things refer to it and, but for a secmark's context, its data, where counts are.
    ValueError where it is not made of attributes."""
    secmark = any(kind == _OBJ_TYPE and content == _SECMARK for kind, content in attributes(message))
    return _without(message, {_OBJ_USE} if secmark else {_OBJ_USE, _OBJ_DATA})


def _without(message: bytes, kinds: set[int]) -> bytes:
    return _joined([(kind, content) for kind, content in attributes(message) if kind not in kinds])


def _joined(parts: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(
        [ATTRIBUTE.pack(ATTRIBUTE.size + len(each), kind) + each + bytes(-len(each) % 4) for kind, each in parts]
    )
