# SPDX-License-Identifier: GPL-2.0-or-later
"""Packed map elements as nft writes them: a line for each, made with one format string for all, for speed."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from secmarkd.model.address import format_address
from secmarkd.model.protocols import protocol_name
from secmarkd.table.elements import Elements, Field, unpack_value

_INTERFACE = re.compile(r"[!#-)+-Z\]^-~]{1,15}\Z")
"""Printable ASCII without space, quotation mark, backslash (nft's escape in interface names) and `*`."""

_FORMATS: dict[Field, tuple[str, str]] = {
    **{each: ({1: "B", 2: "H", 4: "I"}[each.width], "%d") for each in Field if each.width <= 4},
    Field.IPV4: ("4B", "%d.%d.%d.%d"),
    Field.IPV6: ("8H", "%x:%x:%x:%x:%x:%x:%x:%x"),
}
"""How each field of numbers is unpacked and printed where it is a single value."""


def element_lines(
    fields: tuple[Field, ...], interval: bool, elements: Elements, objects: Sequence[str]
) -> Iterator[str]:
    """`KEY : OBJECT` for each element; `objects` has the text for each of `elements.objects`, in their order.

    ValueError for an interface name, or a range of them, that nft cannot write.
    """
    if _fast(fields, interval):
        unpacked, line = _unpack(fields, elements), f"{_line(fields)} : %s"
        return (line % (*record[:-1], objects[record[-1]]) for record in unpacked)
    texts = dict(zip(elements.objects, objects, strict=True))
    render = _renderer(fields, interval)
    return (f"{render(key)} : {texts[name]}" for key, name in elements.items())


def key_lines(fields: tuple[Field, ...], interval: bool, elements: Elements) -> Iterator[str]:
    """`KEY` for each element, as a command that deletes them names it.

    nft 1.0.6 does not find an element of a concatenated interval map whose fields are all single values when one of them
    is a number in the order of the machine (a user's); written as a range, it does.
    """
    if _fast(fields, interval):
        line = _line(fields)
        return (line % record[:-1] for record in _unpack(fields, elements))
    render = _renderer(fields, interval, ranges=interval and len(fields) > 1)
    return (render(key) for key, _ in elements.items())


def _fast(fields: tuple[Field, ...], interval: bool) -> bool:
    """Whether all that the fields can hold is numbers."""
    return not interval and Field.INTERFACE not in fields


def _unpack(fields: tuple[Field, ...], elements: Elements) -> Iterator[tuple[int, ...]]:
    """The numbers of each key, and the index of its object."""
    return struct.iter_unpack(">" + "".join(_FORMATS[each][0] for each in fields) + "I", elements.data)


def _line(fields: tuple[Field, ...]) -> str:
    return " . ".join(_FORMATS[each][1] for each in fields)


def render_packed(fields: tuple[Field, ...], interval: bool, key: bytes, *, names: bool = False) -> str:
    """One packed key; with `names` protocols have their names."""
    return _renderer(fields, interval, names)(key)


def _renderer(
    fields: tuple[Field, ...], interval: bool, names: bool = False, *, ranges: bool = False
) -> Callable[[bytes], str]:
    """Renders packed keys; with `ranges`, a single number in the order of the machine is written as a range."""
    places: list[tuple[Field, int, int, int]] = []
    start, half = 0, sum(each.width for each in fields)
    for each in fields:
        places.append((each, start, start + each.width, half if interval else 0))
        start += each.width

    def render(key: bytes) -> str:
        return " . ".join(
            [
                _text(kind, key[low:high], key[low + last : high + last], names, ranges and kind.turned)
                for kind, low, high, last in places
            ]
        )

    return render


@lru_cache(maxsize=4096)
def _text(kind: Field, low: bytes, high: bytes, names: bool, as_range: bool) -> str:
    """A field's first and last value (equal for a single one) as one text."""
    if low == high and not as_range:
        return _single(kind, low, names)
    match kind:
        case Field.IPV4 | Field.IPV6:
            return _network(kind, low, high)
        case Field.INTERFACE:
            return _wildcard(low, high)
        case _:
            return f"{_single(kind, low, names)}-{_single(kind, high, names)}"


def _single(kind: Field, value: bytes, names: bool) -> str:
    number = unpack_value(kind, value)
    match kind:
        case Field.IPV4 | Field.IPV6:
            return format_address(4 if kind is Field.IPV4 else 6, int(number))
        case Field.INTERFACE:
            return interface_text(str(number), wildcard=False)
        case Field.PROTOCOL if names:
            return protocol_name(int(number))
        case _:
            return str(number)


def _network(kind: Field, low: bytes, high: bytes) -> str:
    """A prefix where the two addresses are the first and last of one, else a range."""
    first, last = int.from_bytes(low, "big"), int.from_bytes(high, "big")
    free = (first ^ last).bit_length()
    inside = (1 << free) - 1
    if first & inside == 0 and last & inside == inside:
        return f"{_single(kind, low, False)}/{kind.width * 8 - free}"
    return f"{_single(kind, low, False)}-{_single(kind, high, False)}"


def _wildcard(low: bytes, high: bytes) -> str:
    """`"wg*"`, packed as the name's beginning filled with NUL and with 0xff."""
    start = low.rstrip(b"\0")
    if not start or high != start.ljust(len(low), b"\xff"):
        raise ValueError("nft can write a range of interface names only as a beginning with *")
    return interface_text(start.decode(errors="replace") + "*")


def interface_text(name: str, *, wildcard: bool = True) -> str:
    """An interface name, or a beginning followed by `*`, quoted. ValueError where nft cannot quote it."""
    start = name[:-1] if wildcard and name.endswith("*") else name
    if not _INTERFACE.match(start):
        raise ValueError(f"{name!r} is not an interface name that nft can quote")
    return f'"{name}"'
