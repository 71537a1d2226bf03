# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements from the kernel's messages are exactly those that were put in, and whatever else is there is foreign."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secmarkd.netlink.codec import attributes
from secmarkd.netlink.elements import parse_elements
from secmarkd.netlink.numbers import SetElem
from secmarkd.table.elements import Elements, Field, key_width
from secmarkd.table.table import Map, ObjectKind
from tests.support.raw_netlink import (
    CATCHALL,
    COMMENT,
    DATA,
    EXPIRATION,
    EXPR,
    EXPRESSIONS,
    INTERVAL_END,
    KEY,
    KEY_END,
    OPEN_END,
    TIMEOUT,
    USERDATA,
    attribute,
    element,
    encode_elements,
    flags,
    kernel_key,
    key,
    objref,
)
from tests.support.strategies import maps
from tests.support.tables import full_table

PORT, PAIR, RANGES = (Field.PORT,), (Field.PROTOCOL, Field.PORT), (Field.PORT, Field.PROTOCOL)
P80, P81 = b"\0\x50", b"\0\x51"


def keys(fields: tuple[Field, ...], interval: bool, *parts: bytes) -> tuple[dict[bytes, str], list[Any]]:
    elements, foreign = parse_elements(fields, interval, [b"".join(parts)])
    return elements.as_dict(), foreign


@pytest.mark.fault(17)
@given(map_=maps("m", ObjectKind.COUNTER), data=st.data())
def test_elements_in_any_order_and_repeated_are_those_elements(map_: Map, data: st.DataObject) -> None:
    sent = data.draw(st.permutations(encode_elements(map_.key, map_.interval, map_.elements)))
    again = data.draw(st.lists(st.sampled_from(sent), max_size=3)) if sent else []
    cut = data.draw(st.integers(0, len(sent)))
    blocks = [b"".join(sent[:cut]), b"".join([*sent[cut:], *again])]
    assert parse_elements(map_.key, map_.interval, blocks) == (map_.elements, [])


@pytest.mark.parametrize("map_", full_table().maps, ids=lambda each: each.name)
def test_every_shape_of_map_is_read(map_: Map) -> None:
    sent = encode_elements(map_.key, map_.interval, map_.elements)
    assert parse_elements(map_.key, map_.interval, sent) == (map_.elements, [])


@given(
    map_=maps("m", ObjectKind.COUNTER).filter(lambda map_: len(map_.elements) > 0),
    part=st.sampled_from(
        [
            attribute(USERDATA, COMMENT),
            attribute(TIMEOUT, bytes(8)),
            attribute(EXPR, attribute(1, b"counter\0")),
            attribute(EXPRESSIONS, attribute(1, attribute(1, b"limit\0"))),
            attribute(DATA, bytes(4)),
            attribute(99, b"new"),
            flags(4),
        ]
    ),
    data=st.data(),
)
def test_an_addition_to_one_element_makes_that_one_foreign(map_: Map, part: bytes, data: st.DataObject) -> None:
    sent = encode_elements(map_.key, map_.interval, map_.elements)
    starts = [number for number, each in enumerate(sent) if SetElem.OBJREF in dict(attributes(each[4:]))]
    place = data.draw(st.sampled_from(starts))
    sent[place] = element(sent[place][4:], part)
    elements, foreign = parse_elements(map_.key, map_.interval, sent)
    left = {key: name for number, (key, name) in enumerate(map_.elements.items()) if starts[number] != place}
    assert elements.as_dict() == left
    assert len(foreign) == 1
    assert "elem" in foreign[0][0]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((key(KEY, P80), objref("s"), attribute(USERDATA, COMMENT)), [{"elem": {"val": 80, "comment": "x"}}, "s"]),
        ((objref("s"), flags(CATCHALL)), ["*", "s"]),
        (
            (
                key(KEY, P80),
                objref("s"),
                attribute(TIMEOUT, (5000).to_bytes(8, "big")),
                attribute(EXPIRATION, bytes(8)),
            ),
            [{"elem": {"val": 80, "timeout": 5}}, "s"],
        ),
        ((key(KEY, P80),), [80, None]),
        ((key(KEY, P80), objref("")), [80, ""]),
        ((key(KEY, P80), objref("s"), flags(INTERVAL_END)), [{"elem": {"val": 80, "flags": "interval end"}}, "s"]),
        (
            (key(KEY, P80), objref("s"), attribute(USERDATA, OPEN_END)),
            [{"elem": {"val": 80, "flags": "open interval"}}, "s"],
        ),
        ((key(KEY, P80), key(KEY_END, P81), objref("s")), [{"raw": ["0050", "0051"]}, "s"]),
        (
            (key(KEY, P80), key(KEY, P81), objref("s")),
            [{"elem": {"val": 80, "attribute 1": "0600010000510000"}}, "s"],
        ),
        ((key(KEY, b"\0\0\x50"), objref("s")), [{"raw": ["000050", None]}, "s"]),
        ((attribute(KEY, b""), objref("s")), [{"elem": {"val": {"raw": [None, None]}, "key": ""}}, "s"]),
        ((objref("s"),), [{"raw": [None, None]}, "s"]),
        (
            (key(KEY, P80), objref("s"), attribute(EXPRESSIONS, attribute(1, attribute(1, b"counter\0")))),
            [{"elem": {"val": 80, "expressions": ["counter"]}}, "s"],
        ),
        (
            (key(KEY, P80), objref("s"), attribute(USERDATA, b"\5\1y")),
            [{"elem": {"val": 80, "user data 5": "79"}}, "s"],
        ),
        (
            (key(KEY, P80), objref("s"), attribute(USERDATA, b"\0\5")),
            [{"elem": {"val": 80, "user data": "0005"}}, "s"],
        ),
        ((key(KEY, P80), objref("s"), attribute(USERDATA, b"")), [{"elem": {"val": 80, "user data": ""}}, "s"]),
    ],
    ids=str,
)
def test_an_element_that_is_not_a_key_and_an_object_is_foreign(parts: tuple[bytes, ...], text: Any) -> None:
    ours = element(key(KEY, P81), objref("s"))
    assert keys(PORT, False, ours, element(*parts), ours) == ({P81: "s"}, [text])


def test_the_same_key_with_another_object_counts_once() -> None:
    first, second = (element(key(KEY, P80), objref(name)) for name in ("s_a", "s_b"))
    assert keys(PORT, False, first, second) == ({P80: "s_b"}, [])


def test_padding_that_is_not_empty_is_foreign() -> None:
    good, bad = (kernel_key(PAIR, False, b"\6" + P80), b"\6\0\0\1\0\x50\0\0")
    read, foreign = keys(PAIR, False, element(key(KEY, good), objref("s")), element(key(KEY, bad), objref("s")))
    assert read == {b"\6" + P80: "s"}
    assert foreign == [[{"raw": [bad.hex(), None]}, "s"]]


@pytest.mark.parametrize("name", [b"", b"eth0\0x", b"a*", b'"', b"\xff" * 16, b"x" * 16])
@pytest.mark.parametrize("fields", [(Field.INTERFACE,), (Field.PROTOCOL, Field.INTERFACE)], ids=len)
def test_a_name_that_no_interface_of_ours_has_is_foreign(fields: tuple[Field, ...], name: bytes) -> None:
    good, bad = (b"\6" * (len(fields) - 1) + each.ljust(16, b"\0") for each in (b"eth0", name))
    sent = [element(key(KEY, kernel_key(fields, False, each)), objref("s")) for each in (good, bad)]
    read, foreign = keys(fields, False, *sent)
    assert (read, len(foreign)) == ({good: "s"}, 1)


def test_a_range_of_names_that_is_no_beginning_is_foreign() -> None:
    fields = (Field.INTERFACE, Field.PROTOCOL)
    ends = [kernel_key(fields, True, each.ljust(16, b"\0") + b"\6") for each in (b"a", b"b")]
    read, foreign = keys(fields, True, element(key(KEY, ends[0]), key(KEY_END, ends[1]), objref("s")))
    assert (read, foreign) == ({}, [[{"concat": [{"range": ["a", "b"]}, 6]}, "s"]])


def test_an_element_of_ranges_without_a_last_key_is_a_single_value() -> None:
    one = kernel_key(RANGES, True, P80 + b"\6")
    assert keys(RANGES, True, element(key(KEY, one), objref("s"))) == ({2 * (P80 + b"\6"): "s"}, [])


# --- ranges in maps of one field ---


def start(port: int, name: str = "s", *more: bytes) -> bytes:
    return element(key(KEY, port.to_bytes(2, "big")), objref(name), *more)


def end(port: int, *more: bytes) -> bytes:
    return element(key(KEY, port.to_bytes(2, "big")), flags(INTERVAL_END), *more)


def ranges(*parts: bytes) -> tuple[dict[tuple[int, int], str], list[Any]]:
    read, foreign = keys(PORT, True, *parts)
    spans = {(int.from_bytes(one[:2], "big"), int.from_bytes(one[2:], "big")): name for one, name in read.items()}
    return spans, foreign


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([end(0), start(5), end(10)], {(5, 9): "s"}),
        ([start(0), end(10)], {(0, 9): "s"}),
        ([start(5), end(10), start(10, "t"), end(11)], {(5, 9): "s", (10, 10): "t"}),
        ([start(5), start(10, "t"), end(11)], {(5, 9): "s", (10, 10): "t"}),
        ([start(5), b""], {(5, 65535): "s"}),
        ([start(65535, "s", attribute(USERDATA, OPEN_END))], {(65535, 65535): "s"}),
        ([start(5, "s", attribute(USERDATA, OPEN_END)), start(7), end(9)], {(5, 6): "s", (7, 8): "s"}),
        ([end(3), end(7)], {}),
        ([], {}),
    ],
)
def test_marks_are_ranges_as_the_kernel_looks_values_up(parts: list[bytes], expected: dict[Any, str]) -> None:
    assert ranges(*parts) == (expected, [])
    assert ranges(*reversed(parts)) == (expected, [])


def test_a_range_with_a_comment_is_foreign_as_a_whole() -> None:
    sent = [start(5, "s", attribute(USERDATA, COMMENT)), end(10), start(20), end(21)]
    assert ranges(*sent) == ({(20, 20): "s"}, [[{"elem": {"comment": "x", "val": {"range": [5, 9]}}}, "s"]])


@pytest.mark.parametrize("more", [objref("s"), attribute(USERDATA, COMMENT), attribute(TIMEOUT, bytes(8))], ids=len)
def test_an_end_of_a_range_with_anything_else_is_foreign(more: bytes) -> None:
    read, foreign = ranges(start(5), end(10, more))
    assert len(foreign) == 1
    assert read == {(5, 65535): "s"}


# --- anything at all ---


@pytest.mark.parametrize(
    "broken", [b"\0", b"\0\0\0\0", b"\x08\0\1\0", b"\x05\0\1\0\0\0\0\0", b"\x08\0\1\0\x09\0\1\0"]
)
def test_what_is_not_made_of_attributes_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="broken"):
        parse_elements(PORT, False, [broken])


part = st.one_of(
    st.binary(max_size=20).map(lambda some: attribute(KEY, some)),
    st.sampled_from([P80, P81, b"\6\0\0\0\0\x50\0\0"]).map(lambda value: key(KEY, value)),
    st.sampled_from([P80, P81, b"\6\0\0\0\0\x50\0\0"]).map(lambda value: key(KEY_END, value)),
    st.sampled_from(["", "s", "s_long"]).map(objref),
    st.integers(0, 7).map(flags),
    st.binary(max_size=20).map(lambda some: attribute(USERDATA, some)),
    st.tuples(st.integers(0, 20), st.binary(max_size=12)).map(lambda some: attribute(*some)),
)


@given(
    parts=st.lists(st.lists(part, max_size=4), max_size=4),
    fields=st.sampled_from([PORT, PAIR, (Field.INTERFACE,), (Field.INTERFACE, Field.PORT), (Field.USER,)]),
    interval=st.booleans(),
)
def test_every_element_is_ours_or_foreign_or_the_end_of_a_range(
    parts: list[list[bytes]], fields: tuple[Field, ...], interval: bool
) -> None:
    sent = [element(*each) for each in parts]
    try:
        elements, foreign = parse_elements(fields, interval, [b"".join(sent)])
    except ValueError:
        return
    assert elements.width == key_width(fields, interval)
    if not (interval and len(fields) == 1):
        different = len(set(sent))
        assert min(different, len(elements)) + len(foreign) <= len(sent)
        assert len(elements) + len(foreign) >= min(different, 1)
    assert elements == Elements.of(elements.width, elements.as_dict())
