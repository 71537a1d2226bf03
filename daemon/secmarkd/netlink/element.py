# SPDX-License-Identifier: GPL-2.0-or-later
"""One element of a map as the kernel sends it: what it is exactly, and for everything that is not ours, its words.

What user data mean is libnftnl's (enum nftnl_udata_set_elem_types).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from secmarkd.model.address import format_address
from secmarkd.netlink.codec import attributes
from secmarkd.netlink.layout import layout_of
from secmarkd.netlink.numbers import Data, Expr, SetElem, SetElemFlag
from secmarkd.nft.element_text import interface_text
from secmarkd.table.elements import Field, unpack_value
from secmarkd.table.foreign import Json

_COMMENT, _UDATA_FLAGS = 0, 1
OPEN_END = b"\x01\x04" + struct.pack("=I", 1)
"""User data of a range without an end mark, which goes on to the last value (NFTNL_SET_ELEM_F_INTERVAL_OPEN)."""


def is_tree(fields: tuple[Field, ...], interval: bool) -> bool:
    """Whether the kernel keeps ranges as starts and ends (nft_set_rbtree) rather than with both in one element."""
    return interval and len(fields) == 1


@dataclass(frozen=True, slots=True)
class RawElement:
    """An element in parts. Whatever is not a key, an object or the mark of a range's end is in `extra`, in nft's JSON."""

    key: bytes | None = None
    """The key as the kernel has it; None without one."""
    key_end: bytes | None = None
    target: Json = None
    """The object's name."""
    is_end: bool = False
    """The first value after a range, in a map of one field."""
    is_open: bool = False
    catch_all: bool = False
    extra: dict[str, Json] = field(default_factory=dict)


def read_element(data: bytes) -> RawElement:
    """The content of one NFTA_LIST_ELEM. ValueError where it is not made of attributes."""
    found: dict[str, Any] = {}
    extra: dict[str, Json] = {}
    for kind, content in attributes(data):
        if kind == SetElem.OBJREF and "target" not in found:
            found["target"] = content.rstrip(b"\0").decode(errors="surrogateescape")
        elif kind in (SetElem.KEY, SetElem.KEY_END) and (word := _KEYS[kind]) not in found:
            found[word] = _value(content, word, extra)
        elif kind == SetElem.FLAGS:
            _flags(int.from_bytes(content, "big"), found, extra)
        elif kind == SetElem.TIMEOUT:
            extra["timeout"] = int.from_bytes(content, "big") // 1000
        elif kind == SetElem.USERDATA:
            _userdata(content, found, extra)
        elif kind in (SetElem.EXPR, SetElem.EXPRESSIONS):
            extra.setdefault("expressions", []).extend(_names(kind, content))
        elif kind not in (SetElem.PAD, SetElem.EXPIRATION):
            # EXPIRATION runs on by itself, and comes with a TIMEOUT only.
            extra[f"attribute {kind}"] = content.hex()
    return RawElement(**found, extra=extra)


_KEYS = {SetElem.KEY: "key", SetElem.KEY_END: "key_end"}


def _value(content: bytes, word: str, extra: dict[str, Json]) -> bytes | None:
    parts = list(attributes(content))
    if len(parts) == 1 and parts[0][0] == Data.VALUE:
        return parts[0][1]
    extra[word] = content.hex()
    return None


def _flags(bits: int, found: dict[str, Any], extra: dict[str, Json]) -> None:
    found["is_end"], found["catch_all"] = bool(bits & SetElemFlag.INTERVAL_END), bool(bits & SetElemFlag.CATCHALL)
    if bits & ~(SetElemFlag.INTERVAL_END | SetElemFlag.CATCHALL):
        extra["flags"] = bits & ~(SetElemFlag.INTERVAL_END | SetElemFlag.CATCHALL)


def _userdata(content: bytes, found: dict[str, Any], extra: dict[str, Json]) -> None:
    """Type, length and value, a byte each for the first two."""
    place = 0
    while place + 2 <= len(content) and place + 2 + content[place + 1] <= len(content):
        kind, value = content[place], content[place + 2 : place + 2 + content[place + 1]]
        if kind == _COMMENT:
            extra["comment"] = value.rstrip(b"\0").decode(errors="surrogateescape")
        elif content[place : place + 2 + len(value)] == OPEN_END:
            found["is_open"] = True
        else:
            extra[f"user data {kind}"] = value.hex()
        place += 2 + len(value)
    if place < len(content) or not content:
        extra["user data"] = content[place:].hex()


def _names(kind: int, content: bytes) -> list[str]:
    """Names of the expressions, such as counter: what they have counted is not part of what was configured."""
    inner = [content] if kind == SetElem.EXPR else [each for _, each in attributes(content)]
    names = [next((value for word, value in attributes(each) if word == Expr.NAME), b"?") for each in inner]
    return [name.rstrip(b"\0").decode(errors="replace") for name in names]


# --- in the words of nft's JSON ---


def foreign_text(fields: tuple[Field, ...], interval: bool, each: RawElement, last: bytes | None = None) -> Json:
    """An element that is not ours in nft's JSON, `[KEY, OBJECT]`. `last` is the last key of its range."""
    key: Json = (
        "*" if each.catch_all else _key_text(fields, interval, each.key, each.key_end if last is None else last)
    )
    extra = dict(each.extra)
    if each.catch_all and each.key is not None:
        extra["key"] = each.key.hex()
    if each.is_end:
        extra["flags"] = "interval end"
    if each.is_open and (len(fields) > 1 or not interval):
        extra["flags"] = "open interval"
    return [{"elem": {"val": key, **extra}} if extra else key, each.target]


def _key_text(fields: tuple[Field, ...], interval: bool, first: bytes | None, last: bytes | None) -> Json:
    layout = layout_of(fields, interval)
    try:
        low = layout.pack(first or b"")
        high = low if last is None else layout.pack(last)
        if last is not None and not interval:
            raise ValueError("a range in a map without ranges")
    except ValueError:
        return {"raw": [None if each is None else each.hex() for each in (first, last)]}
    texts, place = [], 0
    for one in fields:
        part = slice(place, place + one.width)
        texts.append(_range_text(one, low[part], high[part]))
        place += one.width
    return {"concat": texts} if len(fields) > 1 else texts[0]


def _range_text(kind: Field, low: bytes, high: bytes) -> Json:
    if low == high:
        return _single_text(kind, low)
    if kind in (Field.IPV4, Field.IPV6):
        first, rest = int.from_bytes(low, "big"), int.from_bytes(low, "big") ^ int.from_bytes(high, "big")
        if rest & (rest + 1) == 0 and first & rest == 0:
            length = kind.width * 8 - rest.bit_length()
            return {"prefix": {"addr": _single_text(kind, low), "len": length}}
    if kind is Field.INTERFACE and wildcard(low, high):
        return f"{_single_text(kind, low)}*"
    return {"range": [_single_text(kind, low), _single_text(kind, high)]}


def _single_text(kind: Field, value: bytes) -> Json:
    if kind in (Field.IPV4, Field.IPV6):
        return format_address(4 if kind is Field.IPV4 else 6, int.from_bytes(value, "big"))
    if kind is Field.INTERFACE:
        return value.rstrip(b"\0").decode("latin-1")
    return unpack_value(kind, value)


# --- names of interfaces, the one field that can hold what no key of ours can ---


def wildcard(low: bytes, high: bytes) -> bool:
    """Whether a range of names is all that begin alike."""
    start = low.rstrip(b"\0")
    return bool(start) and high == start.ljust(len(low), b"\xff")


def good_name(low: bytes, high: bytes) -> bool:
    """Whether it is one name, or a beginning with `*`, that nft can quote."""
    try:
        interface_text(low.rstrip(b"\0").decode("ascii"), wildcard=False)
    except ValueError:
        return False
    return low == high or wildcard(low, high)
