# SPDX-License-Identifier: GPL-2.0-or-later
"""What events say of changed elements is what differs, or it is no hint at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secmarkd.change.diff import diff
from secmarkd.change.early_repair import ElementChange, narrowed
from secmarkd.netlink.element import is_tree
from secmarkd.netlink.elements import parse_elements
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.table.elements import Elements
from secmarkd.table.table import Map, ObjectKind, Table
from tests.fakes.nft_state import changes_between
from tests.support.raw_netlink import COMMENT, KEY, USERDATA, attribute, element, flags, kernel_key, key, objref
from tests.support.strategies import maps
from tests.support.tables import find_map, full_table, make_map, replace_map, with_elements

TABLE = full_table()
PORTS = find_map(TABLE, "m_port")
HASHES = maps("m", ObjectKind.COUNTER).filter(lambda map_: not is_tree(map_.key, map_.interval))


def change(map_: Map, *elements: tuple[tuple[int, ...], str], added: bool) -> ElementChange:
    return ElementChange(map_.name, added, encode_elements(map_, with_elements(map_, *elements)))


def drifts(*changes: ElementChange) -> list[str] | None:
    parts = narrowed(TABLE, changes)
    return None if parts is None else [str(each) for each in diff(*parts)]


# --- elements, written ---


@given(map_=HASHES)
def test_what_is_written_reads_back(map_: Map) -> None:
    raw = encode_elements(map_, map_.elements)
    assert parse_elements(map_.key, map_.interval, [raw]) == (map_.elements, [])


@given(map_=HASHES.filter(lambda map_: len(map_.elements) > 0))
def test_keys_alone_have_no_object(map_: Map) -> None:
    elements, foreign = parse_elements(
        map_.key, map_.interval, [encode_elements(map_, map_.elements, keys_only=True)]
    )
    assert not elements
    assert [target for _, target in foreign] == [None] * len(map_.elements)


def test_ranges_of_a_single_field_are_not_written_one_by_one() -> None:
    map_ = find_map(TABLE, "m_address")
    with pytest.raises(ValueError, match="m_address"):
        encode_elements(map_, map_.elements)


# --- what differs ---


def test_nothing_happened_nothing_differs() -> None:
    assert drifts() == []


def test_a_deleted_element_is_missing() -> None:
    assert drifts(change(PORTS, ((6, 80), "s_http"), added=False)) == [
        "element missing: m_port { tcp . 80 }; expected s_http"
    ]


def test_an_added_element_is_too_much() -> None:
    assert drifts(change(PORTS, ((6, 81), "s_http"), added=True)) == [
        "unexpected element: m_port { tcp . 81 }; found s_http"
    ]


def test_an_element_deleted_and_added_with_another_object_is_retargeted() -> None:
    gone, there = change(PORTS, ((6, 80), "s_http"), added=False), change(PORTS, ((6, 80), "s_ssh"), added=True)
    assert drifts(gone, there) == ["element retargeted: m_port { tcp . 80 }; expected s_http; found s_ssh"]


def test_what_was_undone_does_not_differ() -> None:
    gone, back = (change(PORTS, ((6, 80), "s_http"), added=each) for each in (False, True))
    new, away = (change(PORTS, ((6, 81), "s_ssh"), added=each) for each in (True, False))
    assert drifts(gone, new, back, away) == []
    assert drifts(new, away, gone) == drifts(gone)


def test_several_elements_of_a_message_are_told_one_by_one() -> None:
    both = change(PORTS, ((6, 80), "s_http"), ((17, 53), "s_ssh"), added=False)
    assert len(drifts(both) or ()) == 2


def test_ranges_of_several_fields_are_whole_elements() -> None:
    ranges = find_map(TABLE, "m_ranges")
    gone = ElementChange("m_ranges", False, encode_elements(ranges, ranges.elements))
    assert len(drifts(gone) or ()) == len(ranges.elements) == 2


@given(map_=HASHES, data=st.data())
def test_hints_say_what_the_difference_of_the_tables_says(map_: Map, data: st.DataObject) -> None:
    kept = {key: name for key, name in map_.elements.items() if data.draw(st.booleans())}
    other = {key: data.draw(st.sampled_from(["s_a", "s_b", "s_new"])) for key in kept}
    before = Table(maps=(map_,))
    after = replace_map(before, "m", Elements.of(map_.elements.width, other))
    changes = [each for each in changes_between(before, after) if each is not None]
    parts = narrowed(before, changes)
    assert parts is not None
    assert diff(*parts) == diff(before, after)
    back = narrowed(before, [*changes, *(each for each in changes_between(after, before) if each is not None)])
    assert back is not None
    assert diff(*back) == ()


# --- no hint ---

HTTP = objref("s_http")
P80 = kernel_key(PORTS.key, False, b"\6\0\x50")


@pytest.mark.parametrize(
    "unclear",
    [
        ElementChange("m_unknown", False, element(key(KEY, P80), HTTP)),
        ElementChange("m_address", False, element(key(KEY, bytes(4)), HTTP)),
        ElementChange("m_port", True, element(key(KEY, P80), HTTP, attribute(USERDATA, COMMENT))),
        ElementChange("m_port", True, element(key(KEY, P80))),
        ElementChange("m_port", True, element(key(KEY, P80[:4]), HTTP)),
        ElementChange("m_port", True, element(HTTP, flags(2))),
        ElementChange("m_port", True, b"\0\0\0\0"),
    ],
    ids=["unknown map", "range of one field", "comment", "no object", "short key", "catch-all", "nonsense"],
)
def test_whatever_is_not_a_whole_element_of_ours_is_no_hint(unclear: ElementChange) -> None:
    plain = change(PORTS, ((6, 80), "s_http"), added=False)
    assert narrowed(TABLE, [plain, unclear]) is None


def test_only_the_named_elements_are_in_what_is_compared() -> None:
    large = make_map("m", PORTS.key, ObjectKind.COUNTER, *(((6, port), "s") for port in range(1000)))
    gone = ElementChange("m", False, encode_elements(large, with_elements(large, ((6, 7), "s"))))
    parts = narrowed(Table(maps=(large,)), [gone])
    assert parts is not None
    assert [each.element_count() for each in parts] == [1, 0]
