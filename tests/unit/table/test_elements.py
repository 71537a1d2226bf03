# SPDX-License-Identifier: GPL-2.0-or-later
"""Packed elements are the same however they are made, and two sets differ exactly in their unequal parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secmarkd.table.elements import Elements, unequal_parts

pairs = st.lists(st.tuples(st.binary(min_size=2, max_size=2), st.sampled_from(["a", "b", "c"])), max_size=30)


@given(pairs)
def test_keys_in_a_row_make_the_same_elements(some: list[tuple[bytes, str]]) -> None:
    keys, names = b"".join(key for key, _ in some), [name for _, name in some]
    assert Elements.packed(2, keys, names) == Elements.of(2, some)


@given(pairs, pairs)
def test_what_differs_is_in_the_unequal_parts(common: list[tuple[bytes, str]], more: list[tuple[bytes, str]]) -> None:
    one, other = Elements.of(2, common), Elements.of(2, [*common, *more])
    parts = [set(each.items()) for each in unequal_parts(one, other)]
    assert parts[0] - parts[1] == set(one.items()) - set(other.items())
    assert parts[1] - parts[0] == set(other.items()) - set(one.items())


def test_a_single_change_leaves_only_that() -> None:
    keys = [number.to_bytes(2, "big") for number in range(1000)]
    one = Elements.of(2, {key: "ab"[number % 2] for number, key in enumerate(keys)})
    other = Elements.of(2, {key: name for key, name in one.items() if key != keys[500]})
    assert unequal_parts(one, other) == (Elements(2, ("a", "b"), keys[500] + bytes(4)), Elements(2, ("a", "b")))
    assert unequal_parts(one, one) == (Elements(2, ("a", "b")), Elements(2, ("a", "b")))


@given(pairs, st.binary(max_size=3))
def test_an_element_is_found_by_its_key_and_no_other_is(some: list[tuple[bytes, str]], other: bytes) -> None:
    elements, known = Elements.of(2, some), dict(some)
    assert [elements.get(key) for key in known] == list(known.values())
    assert elements.get(other) == known.get(other)
