# SPDX-License-Identifier: GPL-2.0-or-later
"""What libnftables' JSON says of the elements of a table: the oracle for the path by raw netlink."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import replace

from secmarkd.model.protocols import WITH_PORTS, WITHOUT_PORTS
from secmarkd.netlink.elements import fill
from secmarkd.nft.element_text import interface_text
from secmarkd.table.elements import Elements, Field, key_width, pack_value
from secmarkd.table.foreign import Json
from secmarkd.table.table import Map, Table

_PROTOCOLS = WITHOUT_PORTS | WITH_PORTS
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What converting a value of unforeseen shape may raise."""


def with_listed_elements(table: Table, listing: Iterable[Json]) -> Table:
    """The table with the elements that nft's JSON of it lists, and what is foreign among them."""
    listed = {entry["map"]["name"]: entry["map"].get("elem", []) for entry in listing if _is_named_map(entry)}
    others = tuple(each for each in table.foreign if each.what != "element")

    def read(each: Map) -> tuple[Elements, list[Json]]:
        return decode_elements(each.key, each.interval, listed[each.name])

    return fill(replace(table, foreign=others), read)


def _is_named_map(entry: Json) -> bool:
    return "map" in entry and isinstance(entry["map"], dict) and isinstance(entry["map"].get("name"), str)


def decode_elements(fields: tuple[Field, ...], interval: bool, listed: Iterable[Json]) -> tuple[Elements, list[Json]]:
    """The elements of a map with these fields, and those that are not exactly a key and an object's name.

    A key that is listed twice counts once: libnftables repeats elements when the map changes while it reads.
    """
    convert = _interval_key(fields) if interval else _exact_key(fields)
    known: dict[bytes, str] = {}
    names: dict[str, str] = {}
    unknown: list[Json] = []
    for each in listed:
        try:
            key, name = each
            packed = convert(key)
            if type(name) is not str:
                raise ValueError("not the name of an object")
        except _UNREADABLE:
            unknown.append(each)
        else:
            known[packed] = names.setdefault(name, name)
    return Elements.of(key_width(fields, interval), known), unknown


def _exact_key(fields: tuple[Field, ...]) -> Callable[[Json], bytes]:
    single = [_SINGLE[each] for each in fields]
    if len(single) == 1:
        return single[0]

    def convert(key: Json) -> bytes:
        values = key["concat"]
        if len(values) != len(single) or len(key) != 1:
            raise ValueError("another number of fields")
        return b"".join([one(value) for one, value in zip(single, values, strict=True)])

    return convert


def _interval_key(fields: tuple[Field, ...]) -> Callable[[Json], bytes]:
    def convert(key: Json) -> bytes:
        values = key["concat"] if len(fields) > 1 else [key]
        if len(values) != len(fields) or (len(fields) > 1 and len(key) != 1):
            raise ValueError("another number of fields")
        ranges = [_range(kind, value) for kind, value in zip(fields, values, strict=True)]
        return b"".join([low for low, _ in ranges]) + b"".join([high for _, high in ranges])

    return convert


def _range(kind: Field, value: Json) -> tuple[bytes, bytes]:
    """First and last value. nft prints a range as such, or as a prefix, or as a single value, by its own taste."""
    if type(value) is not dict:
        if kind is Field.INTERFACE and value.endswith("*"):
            start = interface_text(value)[1:-2].encode()
            return start.ljust(kind.width, b"\0"), start.ljust(kind.width, b"\xff")
        single = _SINGLE[kind](value)
        return single, single
    ((word, inner),) = value.items()
    if word == "range":
        low, high = (_SINGLE[kind](each) for each in inner)
        if low > high:
            raise ValueError("a range that ends before it begins")
        return low, high
    if word == "prefix" and set(inner) == {"addr", "len"}:
        return _prefix(kind, inner["addr"], inner["len"])
    raise ValueError(f"{word} as a key")


def _prefix(kind: Field, address: Json, length: Json) -> tuple[bytes, bytes]:
    free = kind.width * 8 - length
    low = _SINGLE[kind](address)
    first, rest = int.from_bytes(low, "big"), (1 << free) - 1
    if length < 0 or first & rest:
        raise ValueError("not a prefix")
    return low, (first | rest).to_bytes(kind.width, "big")


def _number(kind: Field) -> Callable[[Json], bytes]:
    width = kind.width

    def convert(value: Json) -> bytes:
        if type(value) is not int:
            raise ValueError("not a number")
        return value.to_bytes(width, "big")

    return convert


def _protocol(value: Json) -> bytes:
    """By number; by name only from a libnftables that knows no numeric output for it."""
    number: int = _PROTOCOLS[value] if type(value) is str else value
    return bytes((number,))


def _ipv4(value: Json) -> bytes:
    packed = bytes([int(each) for each in value.split(".")])
    if len(packed) != 4:
        raise ValueError("not an IPv4 address")
    return packed


def _ipv6(value: Json) -> bytes:
    """Hexadecimal groups with one `::` at most are what nft prints nearly always; the rest is left to the library."""
    head, gap, tail = value.partition("::")
    before, after = head.split(":") if head else [], tail.split(":") if tail else []
    if len(before) + len(after) > (7 if gap else 8) or "." in value:
        return ipaddress.IPv6Address(value).packed
    packed = bytes.fromhex("".join([each.zfill(4) for each in before]))
    rest = bytes.fromhex("".join([each.zfill(4) for each in after]))
    if len(packed) != 2 * len(before) or len(rest) != 2 * len(after) or (not gap and len(before) != 8):
        raise ValueError("not an IPv6 address")
    return packed + rest.rjust(16 - len(packed), b"\0")


def _interface(value: Json) -> bytes:
    interface_text(value, wildcard=False)
    return pack_value(Field.INTERFACE, value)


_SINGLE: dict[Field, Callable[[Json], bytes]] = {
    Field.PROTOCOL: _protocol,
    Field.PORT: _number(Field.PORT),
    Field.IPV4: _ipv4,
    Field.IPV6: _ipv6,
    Field.INTERFACE: _interface,
    Field.USER: _number(Field.USER),
    Field.GROUP: _number(Field.GROUP),
}
