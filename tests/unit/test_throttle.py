# SPDX-License-Identifier: GPL-2.0-or-later
"""Throttles and allowances, which are values: a moment goes in, a moment comes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secmarkd.throttle import FAILURES, Allowance, Throttle

PACE = Throttle(first=1.0, longest=8.0, at_once=2, quiet=5.0)
MOMENTS = st.lists(st.floats(0, 100), max_size=30)


def after(throttle: Throttle, *moments: float) -> Throttle:
    for moment in moments:
        throttle = throttle.resumed(moment)
    return throttle


def test_a_throttle_that_nothing_happened_to_lets_the_next_one_happen_now() -> None:
    assert PACE.next(17.0) == 17.0
    assert PACE.wait == 0.0


def test_the_first_few_come_at_once_and_then_the_wait_doubles_up_to_the_longest() -> None:
    waits = [PACE.wait_after(times) for times in range(9)]
    assert waits == [0, 0, 0, 1, 2, 4, 8, 8, 8]


def test_the_next_one_waits_from_the_last_one_and_not_from_now() -> None:
    pace = after(PACE, 1.0, 2.0, 3.0)
    assert pace.next(3.5) == 4.0
    assert pace.next(4.5) == 4.5


def test_a_row_ends_after_the_quiet_time_or_twice_the_wait_where_that_is_more() -> None:
    few = after(PACE, 1.0, 2.0)
    assert few.calm_at == 7.0
    assert after(few, 6.9).times == 3
    assert after(few, 7.0).times == 1
    many = after(PACE, *([1.0] * 6))
    assert (many.wait, many.calm_at) == (8.0, 17.0)


def test_a_reset_forgets_how_many_there_were_and_not_when_the_last_one_was() -> None:
    assert after(PACE, 1.0, 2.0, 3.0).reset() == Throttle(1.0, 8.0, 2, 5.0, times=0, last=3.0)


def test_failures_are_tried_again_after_a_second_at_first_and_after_a_minute_at_most() -> None:
    assert [FAILURES.wait_after(failures) for failures in (1, 2, 3, 6, 7, 8, 1000)] == [1, 2, 4, 32, 60, 60, 60]


@given(MOMENTS, st.floats(0, 200))
def test_the_next_moment_is_never_in_the_past_and_never_further_off_than_the_longest_wait(
    moments: list[float], now: float
) -> None:
    pace = after(PACE, *sorted(moments))
    assert now <= pace.next(now) <= max(now, pace.last + pace.longest)
    assert pace.next(now) >= min(now, pace.next(0.0))


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(1, 12)), max_size=30))
def test_an_allowance_never_gives_more_than_the_burst_and_its_rate(asked: list[tuple[float, int]]) -> None:
    allowance, given_out = Allowance(10, 3.0, 10.0, 0.0), 0
    for now, number in sorted(asked):
        allowance = allowance.at_moment(now)
        if allowance.has(number):
            allowance, given_out = allowance.less(number), given_out + number
        assert given_out <= 10 + now / 3.0 + 1e-3


def test_what_an_allowance_lacks_it_has_at_the_moment_that_it_gives() -> None:
    allowance = Allowance(10, 3.0, 10.0, 0.0).less(12)
    assert allowance.next(0.0, 4) == 18.0
    assert not allowance.at_moment(17.0).has(4)
    assert allowance.at_moment(18.0).has(4)
