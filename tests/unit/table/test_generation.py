# SPDX-License-Identifier: GPL-2.0-or-later
"""Generations are numbers on a circle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secmarkd.table.generation import newer, successor

NUMBERS = st.integers(1, 2**32 - 1)


@given(number=NUMBERS)
def test_a_successor_is_newer_and_never_zero(number: int) -> None:
    assert newer(successor(number), number)
    assert not newer(number, successor(number))
    assert 0 < successor(number) < 2**32


@given(number=NUMBERS)
def test_no_number_is_newer_than_itself(number: int) -> None:
    assert not newer(number, number)


def test_after_the_last_number_comes_the_first_one() -> None:
    assert successor(2**32 - 1) == 1
    assert newer(5, 2**32 - 5)
    assert not newer(2**32 - 5, 5)
