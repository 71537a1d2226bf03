# SPDX-License-Identifier: GPL-2.0-or-later
"""A set or map of the kernel, its elements aside: one of our maps, an anonymous set of a rule, or something foreign.

What the number of a type and user data mean is libnftables' (enum datatypes) and libnftnl's (enum nftnl_udata_set_types).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from secmarkd.netlink.codec import attributes
from secmarkd.netlink.expression import text
from secmarkd.netlink.layout import layout_of
from secmarkd.netlink.numbers import Object as ObjectType
from secmarkd.netlink.numbers import Set, SetDesc, SetField, SetFlag
from secmarkd.netlink.words import printable
from secmarkd.table.elements import ByteOrder, Elements, Field, key_width
from secmarkd.table.table import DynamicSet, Key, Map, ObjectKind

_FLAG_WORDS = {
    SetFlag.ANONYMOUS: "anonymous", SetFlag.CONSTANT: "constant", SetFlag.INTERVAL: "interval", SetFlag.MAP: "map",
    SetFlag.TIMEOUT: "timeout", SetFlag.EVAL: "dynamic", SetFlag.OBJECT: "object", SetFlag.CONCAT: "concat",
    SetFlag.EXPR: "expressions",
}  # fmt: skip
_INTEGER, _CT_ID_WIDTH = 4, 4
"""The type and the bytes of `ct id`."""
_TYPE_BITS = 6
_FIELDS = {each.number: each for each in Field}
_TYPE_WORDS = {**{each.number: each.nft_type for each in Field}, 19: "mark", 1: "verdict"}
OBJECT_WORDS = {
    ObjectType.COUNTER: "counter", ObjectType.QUOTA: "quota", ObjectType.CT_HELPER: "ct helper",
    ObjectType.LIMIT: "limit", ObjectType.CONNLIMIT: "connlimit", ObjectType.TUNNEL: "tunnel",
    ObjectType.CT_TIMEOUT: "ct timeout", ObjectType.SECMARK: "secmark", ObjectType.CT_EXPECT: "ct expectation",
    ObjectType.SYNPROXY: "synproxy",
}  # fmt: skip
"""nft's words where it has one."""
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
    name, flags = text(found.get(Set.NAME, b"")), _int(found.get(Set.FLAGS, b""))
    word = "map" if flags & (SetFlag.MAP | SetFlag.OBJECT) else "set"
    key_length = _int(found.get(Set.KEY_LEN, b""))
    if len(found) != len(listed) or not {Set.NAME, Set.KEY_TYPE, Set.KEY_LEN} <= found.keys():
        return RawSet(name, word, None, "an attribute that comes twice, or is missing", key_length)
    if flags == SetFlag.ANONYMOUS | SetFlag.CONSTANT:
        extra = "; ".join(_attribute_words(found, {Set.KEY_TYPE, Set.KEY_LEN, Set.FLAGS}))
        return RawSet(name, word, None, extra and f"{_words(found)}; {extra}", key_length)
    if flags == SetFlag.TIMEOUT | SetFlag.EVAL and (dynamic := _dynamic(name, found)) is not None:
        extra = "; ".join(
            (
                *_note_words(found, _dynamic_notes(dynamic), typeofs),
                *_attribute_words(found, {Set.KEY_TYPE, Set.KEY_LEN, Set.FLAGS, Set.TIMEOUT}),
            )
        )
        return RawSet(name, word, dynamic, printable(extra), key_length)
    fields = _fields(_int(found[Set.KEY_TYPE]))
    kind = _OBJECTS.get(_int(found.get(Set.OBJ_TYPE, b"")))
    interval = bool(flags & SetFlag.INTERVAL)
    if fields is None or kind is None or not _is_ours(found, flags, fields):
        return RawSet(name, word, None, _words(found), key_length)
    extra = "; ".join(
        (
            *_flags(flags & ~_ours(fields, interval)),
            *_size_words(found),
            *_note_words(found, _notes(fields), typeofs),
            *_attribute_words(found, {Set.KEY_TYPE, Set.KEY_LEN, Set.FLAGS, Set.OBJ_TYPE}),
        )
    )
    map_ = Map(name, fields, kind, interval, Elements(key_width(fields, interval)))
    return RawSet(name, word, map_, printable(extra), key_length)


def typeofs_of(message: bytes) -> set[bytes]:
    """What is noted of the expressions of a set."""
    return {
        content for kind, content in _userdata(dict(attributes(message)).get(Set.USERDATA, b"")) if kind in _TYPEOFS
    }


_OBJECTS = {ObjectType.COUNTER: ObjectKind.COUNTER, ObjectType.SECMARK: ObjectKind.SECMARK}


def _is_ours(found: Mapping[int, bytes], flags: int, fields: tuple[Field, ...]) -> bool:
    """Whether keys and values are those of a map of ours with these fields."""
    interval = bool(flags & SetFlag.INTERVAL)
    lengths = [each.width for each in fields] if interval and len(fields) > 1 else []
    needed = _ours(fields, interval)
    return (
        flags & needed == needed
        and not flags & (SetFlag.ANONYMOUS | SetFlag.CONSTANT | SetFlag.MAP)
        and _int(found[Set.KEY_LEN]) == layout_of(fields, interval).width
        and _concat(found.get(Set.DESC, b"")) == lengths
    )


def _ours(fields: tuple[Field, ...], interval: bool) -> int:
    """The flags of a map of ours."""
    if not interval:
        return SetFlag.OBJECT
    return SetFlag.OBJECT | SetFlag.INTERVAL | (SetFlag.CONCAT if len(fields) > 1 else 0)


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
    size, timeout = _desc_size(found.get(Set.DESC, b"")), _int(found.get(Set.TIMEOUT, b""))
    kind, width = _int(found[Set.KEY_TYPE]), _int(found[Set.KEY_LEN])
    fields = _fields(kind)
    if (kind, width) == (_INTEGER, _CT_ID_WIDTH):
        key: Key | tuple[Field, ...] = Key.CT_ID
    elif fields is not None and len(fields) > 1 and width == layout_of(fields, False).width:
        key = fields
    else:
        return None
    if _concat(found.get(Set.DESC, b"")) or not size or not timeout or timeout % 1000:
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
    listed = list(_userdata(found.get(Set.USERDATA, b"")))
    if _KEY_BYTEORDER not in dict(listed) or len(dict(listed)) != len(listed):
        yield "no note of the order of bytes, or one twice"
    for kind, content in listed:
        if kind != _COMMENT and notes.get(kind) != content and not (kind in _TYPEOFS and content in typeofs):
            yield f"user data {kind} 0x{content.hex()}"


def _size_words(found: Mapping[int, bytes]) -> Iterator[str]:
    size = _desc_size(found.get(Set.DESC, b""))
    if size != 0:
        yield "another description" if size is None else f"size {size}"


def _attribute_words(found: Mapping[int, bytes], known: set[int]) -> Iterator[str]:
    """What there is besides what is known: a comment, and attributes that sets and maps of ours do not have."""
    for kind, content in _userdata(found.get(Set.USERDATA, b"")):
        if kind == _COMMENT:
            yield printable(f'comment "{text(content)}"')
    unremarkable = {Set.TABLE, Set.NAME, Set.DESC, Set.USERDATA, Set.HANDLE, Set.PAD}
    for kind in sorted(found.keys() - known - unremarkable):
        yield f"{_ATTRIBUTE_WORDS.get(kind, f'attribute {kind}')} 0x{found[kind].hex()}"


_ATTRIBUTE_WORDS = {
    Set.DATA_TYPE: "data type", Set.DATA_LEN: "data length", Set.POLICY: "policy", Set.TIMEOUT: "timeout",
    Set.GC_INTERVAL: "gc-interval", Set.OBJ_TYPE: "object type", Set.EXPR: "expression", Set.EXPRESSIONS: "expressions",
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
        _int(dict(_attributes(each)).get(SetField.LEN, b""))
        for _, each in _attributes(found.get(SetDesc.CONCAT, b""))
    ]


def _desc_size(desc: bytes) -> int | None:
    """The size in a description, 0 without one; None for a description with something else in it."""
    listed = _attributes(desc)
    found = dict(listed)
    strange = len(found) != len(listed) or not found.keys() <= {SetDesc.SIZE, SetDesc.CONCAT}
    return None if strange else _int(found.get(SetDesc.SIZE, b""))


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
    flags = _int(found.get(Set.FLAGS, b""))
    parts = [f"type {_type_words(_int(found[Set.KEY_TYPE]))}"]
    if Set.OBJ_TYPE in found:
        kind = _int(found[Set.OBJ_TYPE])
        parts[0] += f" : {OBJECT_WORDS.get(kind, f'object {kind}')}"
    elif Set.DATA_TYPE in found:
        kind = _int(found[Set.DATA_TYPE])
        parts[0] += " : verdict" if kind == 0xFFFFFF00 else f" : {_type_words(kind)}"
    parts += _flags(flags & ~(SetFlag.MAP | SetFlag.OBJECT))
    parts += _size_words(found)
    parts += _attribute_words(
        found, {Set.KEY_TYPE, Set.KEY_LEN, Set.FLAGS, Set.OBJ_TYPE, Set.DATA_TYPE, Set.DATA_LEN}
    )
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
