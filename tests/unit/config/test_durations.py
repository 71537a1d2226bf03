# SPDX-License-Identifier: GPL-2.0-or-later
"""Durations, as systemd.time(7) spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secmarkd.config.items import duration_item
from secmarkd.mistakes.settings import LONGEST, SHORTEST

UNITS = {
    "": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5min", 300),
        ("30s", 30),
        ("1h", 3600),
        ("1min 30s", 90),
        ("1min30s", 90),
        ("90", 90),
        (90, 90),
        (1.5, 1.5),
        ("1.5 h", 5400),
        (" 2 days ", 172800),
        ("1000ms", 1),
        ("1s 500ms", 1.5),
        ("2000000us", 2),
        ("2000000µs", 2),
        ("1w", 604800),
    ],
)
def test_a_duration_is_read_as_systemd_reads_it(written: object, seconds: float) -> None:
    assert duration_item(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("soon", "expected a duration"),
        ("", 'turned off; write "1w"'),
        ("5 5min x", "expected a duration"),
        ("-5s", 'write "5s"'),
        ("infinity", 'write "1w"'),
        ("5mni", 'write "5min" if min is meant'),
        ("5 parsecs", "expected s, min, h, d or w"),
        ("5q", "expected s, min, h, d or w"),
        ("999ms", 'expected 1s to 1w.*write "1s"'),
        (0, "expected 1s to 1w"),
        (-1, "expected 1s to 1w"),
        ("8d", 'expected 1s to 1w.*write "1w"'),
        ("1M", 'write "1w"'),
        ("1y", 'write "1w"'),
        (float("inf"), 'write "1w"'),
        (float("nan"), "expected 1s to 1w"),
        (True, "cannot be turned off"),
        ([300], "expected a duration, got a list"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_would_be_right(written: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        duration_item(written)


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(UNITS)), st.sampled_from(["", " ", "  "])),
        min_size=1,
    )
)
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str, str]]) -> None:
    # a number without a unit needs a blank before the next number
    written = " ".join(f"{amount}{blank}{unit}" for amount, unit, blank in parts)
    seconds = sum(amount * UNITS[unit] for amount, unit, _ in parts)
    if SHORTEST <= seconds <= LONGEST:
        assert duration_item(written) == pytest.approx(seconds)
    else:
        with pytest.raises(ValueError, match="out of bounds"):
            duration_item(written)


@given(st.text())
def test_any_text_is_a_duration_or_is_refused(written: str) -> None:
    outcome = read(written)
    assert outcome is None or SHORTEST <= outcome <= LONGEST


def read(written: str) -> float | None:
    """None when it is refused; any other exception than ValueError is the test's failure."""
    try:
        return duration_item(written)
    except ValueError:
        return None
