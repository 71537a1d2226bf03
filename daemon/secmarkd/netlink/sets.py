# SPDX-License-Identifier: GPL-2.0-or-later
"""A set or map of the kernel, its elements aside: one of our maps, an anonymous set of a rule, or something foreign.

Numbers are the enums nft_set_attributes, nft_set_flags and nft_set_desc_attributes of linux/netfilter/nf_tables.h; what the
number of a type and user data mean is libnftables' (enum datatypes) and libnftnl's (enum nftnl_udata_set_types).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from secmarkd.netlink.codec import attributes
from secmarkd.netlink.expression import text
from secmarkd.netlink.layout import layout_of
from secmarkd.netlink.words import printable
from secmarkd.table.elements import ByteOrder, Elements, Field, key_width
from secmarkd.table.table import DynamicSet, Key, Map, ObjectKind

NAME, FLAGS, KEY_TYPE, KEY_LEN, DATA_TYPE, DATA_LEN, POLICY, DESC = 2, 3, 4, 5, 6, 7, 8, 9
TIMEOUT, GC_INTERVAL, USERDATA, OBJ_TYPE, HANDLE, EXPR, EXPRESSIONS = 11, 12, 13, 15, 16, 17, 18
_TABLE, _PAD = 1, 14
_ANONYMOUS, _CONSTANT, _INTERVAL, _MAP, _TIMEOUT, _DYNAMIC, _OBJECT, _CONCAT = 1, 2, 4, 8, 16, 32, 0x40, 0x80
_FLAG_WORDS = {
    1: "anonymous", 2: "constant", 4: "interval", 8: "map", 16: "timeout", 32: "dynamic", 64: "object", 128: "concat",
    256: "expressions",
}  # fmt: skip
_DESC_SIZE, _DESC_CONCAT, _FIELD_LEN = 1, 2, 1
_INTEGER, _CT_ID_WIDTH = 4, 4
"""The type and the bytes of `ct id`."""
_TYPE_BITS = 6
_FIELDS = {each.number: each for each in Field}
_TYPE_WORDS = {**{each.number: each.nft_type for each in Field}, 19: "mark", 1: "verdict"}
OBJECT_WORDS = {
    1: "counter", 2: "quota", 3: "ct helper", 4: "limit", 5: "connlimit", 6: "tunnel", 7: "ct timeout", 8: "secmark",
    9: "ct expectation", 10: "synproxy",
}  # fmt: skip
"""NFT_OBJECT_*, with nft's words where it has one."""
_KEY_BYTEORDER, _KEY_TYPEOF, _DATA_TYPEOF, _DATA_INTERVAL, _COMMENT = 0, 3, 4, 6, 7
_TYPEOFS = (_KEY_TYPEOF, _DATA_TYPEOF)
_BIG_ENDIAN = (2).to_bytes(4, sys.byteorder)
RECORDED_TYPEOFS = frozenset(
    map(
        bytes.fromhex,
        (
            "00040d0000000100",
            "0004040000000100",
            "00040d000000010a00000004040000000100",
            "00040c000000010c0004170000000104ffffffff",
        ),
    )
)
"""What libnftables 1.0.6 and 1.1.3 note of the expressions of keys and values, of maps that are declared by types, and of
`typeof ct id`."""


@dataclass(frozen=True, slots=True)
class RawSet:
    """One set as the kernel tells of it."""

    name: str
    word: str
    """`map` or `set`, as nft deletes it."""
    ours: Map | DynamicSet | None
    """What it is in our types, a map without elements; None for whatever is neither."""
    extra: str
    """What there is besides, in words; for what is neither, what it is. Empty for exactly what nft makes of a map or a
    dynamic set of ours, and for an anonymous set as nft makes it."""
    key_length: int
    """Bytes of a key."""

    @property
    def anonymous(self) -> bool:
        """Whether it is an anonymous set as nft makes it for a rule."""
        return self.ours is None and not self.extra


def read_set(message: bytes, typeofs: AbstractSet[bytes] = RECORDED_TYPEOFS) -> RawSet:
    """A message about a set. `typeofs`: what libnftables may have noted of the expressions of a map. ValueError where it is
    not made of attributes."""
    listed = list(attributes(message))
    found = dict(listed)
    name, flags = text(found.get(NAME, b"")), _int(found.get(FLAGS, b""))
    word = "map" if flags & (_MAP | _OBJECT) else "set"
    key_length = _int(found.get(KEY_LEN, b""))
    if len(found) != len(listed) or not {NAME, KEY_TYPE, KEY_LEN} <= found.keys():
        return RawSet(name, word, None, "an attribute that comes twice, or is missing", key_length)
    if flags == _ANONYMOUS | _CONSTANT:
        extra = "; ".join(_attribute_words(found, {KEY_TYPE, KEY_LEN, FLAGS}))
        return RawSet(name, word, None, extra and f"{_words(found)}; {extra}", key_length)
    if flags == _TIMEOUT | _DYNAMIC and (dynamic := _dynamic(name, found)) is not None:
        extra = "; ".join(
            (
                *_note_words(found, _dynamic_notes(dynamic), typeofs),
                *_attribute_words(found, {KEY_TYPE, KEY_LEN, FLAGS, TIMEOUT}),
            )
        )
        return RawSet(name, word, dynamic, printable(extra), key_length)
    fields = _fields(_int(found[KEY_TYPE]))
    kind = _OBJECTS.get(_int(found.get(OBJ_TYPE, b"")))
    interval = bool(flags & _INTERVAL)
    if fields is None or kind is None or not _is_ours(found, flags, fields):
        return RawSet(name, word, None, _words(found), key_length)
    extra = "; ".join(
        (
            *_flags(flags & ~_ours(fields, interval)),
            *_size_words(found),
            *_note_words(found, _notes(fields), typeofs),
            *_attribute_words(found, {KEY_TYPE, KEY_LEN, FLAGS, OBJ_TYPE}),
        )
    )
    map_ = Map(name, fields, kind, interval, Elements(key_width(fields, interval)))
    return RawSet(name, word, map_, printable(extra), key_length)


def typeofs_of(message: bytes) -> set[bytes]:
    """What is noted of the expressions of a set."""
    return {content for kind, content in _userdata(dict(attributes(message)).get(USERDATA, b"")) if kind in _TYPEOFS}


_OBJECTS = {1: ObjectKind.COUNTER, 8: ObjectKind.SECMARK}
"""NFT_OBJECT_*."""


def _is_ours(found: Mapping[int, bytes], flags: int, fields: tuple[Field, ...]) -> bool:
    """Whether keys and values are those of a map of ours with these fields."""
    interval = bool(flags & _INTERVAL)
    lengths = [each.width for each in fields] if interval and len(fields) > 1 else []
    needed = _ours(fields, interval)
    return (
        flags & needed == needed
        and not flags & (_ANONYMOUS | _CONSTANT | _MAP)
        and _int(found[KEY_LEN]) == layout_of(fields, interval).width
        and _concat(found.get(DESC, b"")) == lengths
    )


def _ours(fields: tuple[Field, ...], interval: bool) -> int:
    """The flags of a map of ours."""
    if not interval:
        return _OBJECT
    return _OBJECT | _INTERVAL | (_CONCAT if len(fields) > 1 else 0)


def _fields(number: int) -> tuple[Field, ...] | None:
    """The fields of a key's type: six bits each."""
    found: list[Field] = []
    while number:
        each = _FIELDS.get(number & ((1 << _TYPE_BITS) - 1))
        if each is None:
            return None
        found.insert(0, each)
        number >>= _TYPE_BITS
    return tuple(found) or None


def _dynamic(name: str, found: Mapping[int, bytes]) -> DynamicSet | None:
    """The dynamic set of ours, if it is one."""
    size, timeout = _desc_size(found.get(DESC, b"")), _int(found.get(TIMEOUT, b""))
    kind, width = _int(found[KEY_TYPE]), _int(found[KEY_LEN])
    fields = _fields(kind)
    if (kind, width) == (_INTEGER, _CT_ID_WIDTH):
        key: Key | tuple[Field, ...] = Key.CT_ID
    elif fields is not None and len(fields) > 1 and width == layout_of(fields, False).width:
        key = fields
    else:
        return None
    if _concat(found.get(DESC, b"")) or not size or not timeout or timeout % 1000:
        return None
    return DynamicSet(name, key, size, timeout // 1000)


def _notes(fields: tuple[Field, ...]) -> dict[int, bytes]:
    """What libnftables notes of a map of ours, by kind of user data, besides the expressions."""
    order = fields[0].order if len(fields) == 1 else ByteOrder.NONE
    return {_KEY_BYTEORDER: order.to_bytes(4, sys.byteorder), _DATA_INTERVAL: bytes(4)}


def _dynamic_notes(each: DynamicSet) -> dict[int, bytes]:
    """What libnftables notes of a dynamic set of ours."""
    return {_KEY_BYTEORDER: _BIG_ENDIAN if isinstance(each.key, Key) else bytes(4)}


def _note_words(found: Mapping[int, bytes], notes: Mapping[int, bytes], typeofs: AbstractSet[bytes]) -> Iterator[str]:
    """What libnftables would not have noted. It goes by these notes when it writes elements."""
    listed = list(_userdata(found.get(USERDATA, b"")))
    if _KEY_BYTEORDER not in dict(listed) or len(dict(listed)) != len(listed):
        yield "no note of the order of bytes, or one twice"
    for kind, content in listed:
        if kind != _COMMENT and notes.get(kind) != content and not (kind in _TYPEOFS and content in typeofs):
            yield f"user data {kind} 0x{content.hex()}"


def _size_words(found: Mapping[int, bytes]) -> Iterator[str]:
    size = _desc_size(found.get(DESC, b""))
    if size != 0:
        yield "another description" if size is None else f"size {size}"


def _attribute_words(found: Mapping[int, bytes], known: set[int]) -> Iterator[str]:
    """What there is besides what is known: a comment, and attributes that sets and maps of ours do not have."""
    for kind, content in _userdata(found.get(USERDATA, b"")):
        if kind == _COMMENT:
            yield printable(f'comment "{text(content)}"')
    for kind in sorted(found.keys() - known - {_TABLE, NAME, DESC, USERDATA, HANDLE, _PAD}):
        yield f"{_ATTRIBUTE_WORDS.get(kind, f'attribute {kind}')} 0x{found[kind].hex()}"


_ATTRIBUTE_WORDS = {
    DATA_TYPE: "data type", DATA_LEN: "data length", POLICY: "policy", TIMEOUT: "timeout", GC_INTERVAL: "gc-interval",
    OBJ_TYPE: "object type", EXPR: "expression", EXPRESSIONS: "expressions",
}  # fmt: skip


def _userdata(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type, length and value, a byte each for the first two."""
    place = 0
    while place < len(content):
        if place + 2 > len(content) or place + 2 + content[place + 1] > len(content):
            yield -1, content[place:]
            return
        yield content[place], content[place + 2 : place + 2 + content[place + 1]]
        place += 2 + content[place + 1]


def _concat(desc: bytes) -> list[int]:
    """The lengths of a concatenation's fields, as a description has them."""
    found = dict(_attributes(desc))
    return [
        _int(dict(_attributes(each)).get(_FIELD_LEN, b"")) for _, each in _attributes(found.get(_DESC_CONCAT, b""))
    ]


def _desc_size(desc: bytes) -> int | None:
    """The size in a description, 0 without one; None for a description with something else in it."""
    listed = _attributes(desc)
    found = dict(listed)
    strange = len(found) != len(listed) or not found.keys() <= {_DESC_SIZE, _DESC_CONCAT}
    return None if strange else _int(found.get(_DESC_SIZE, b""))


def _attributes(content: bytes) -> list[tuple[int, bytes]]:
    try:
        return list(attributes(content))
    except ValueError:
        return [(-1, content)]


def _flags(bits: int) -> Iterator[str]:
    if bits:
        words = [word for bit, word in _FLAG_WORDS.items() if bits & bit]
        rest = bits & ~sum(_FLAG_WORDS)
        yield f"flags {','.join(words + ([f'{rest:#x}'] if rest else []))}"


def _words(found: Mapping[int, bytes]) -> str:
    """What a foreign set is."""
    flags = _int(found.get(FLAGS, b""))
    parts = [f"type {_type_words(_int(found[KEY_TYPE]))}"]
    if OBJ_TYPE in found:
        kind = _int(found[OBJ_TYPE])
        parts[0] += f" : {OBJECT_WORDS.get(kind, f'object {kind}')}"
    elif DATA_TYPE in found:
        kind = _int(found[DATA_TYPE])
        parts[0] += " : verdict" if kind == 0xFFFFFF00 else f" : {_type_words(kind)}"
    parts += _flags(flags & ~(_MAP | _OBJECT))
    parts += _size_words(found)
    parts += _attribute_words(found, {KEY_TYPE, KEY_LEN, FLAGS, OBJ_TYPE, DATA_TYPE, DATA_LEN})
    return printable("; ".join(parts))


def _type_words(number: int) -> str:
    words: list[str] = []
    while number:
        part = number & ((1 << _TYPE_BITS) - 1)
        words.insert(0, _TYPE_WORDS.get(part, str(part)))
        number >>= _TYPE_BITS
    return " . ".join(words)


def _int(content: bytes) -> int:
    return int.from_bytes(content, "big")
