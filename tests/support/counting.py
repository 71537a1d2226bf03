# SPDX-License-Identifier: GPL-2.0-or-later
"""How much work something is, counted and not timed: the same number on every machine, busy or not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def calls(act: Callable[[], object]) -> int:
    """How many functions are called meanwhile, Python's and C's: each comparison of two dataclasses is one."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


def grows_linearly(work: Callable[[int], Callable[[], object]], size: int, times: int = 8) -> None:
    """Assert that `times` as much is about that many times the work. `work` prepares what is counted for a size."""
    few, many = calls(work(size)), calls(work(size * times))
    assert many < few * times * 1.5, f"{few} calls for {size}, {many} for {times} times as many"
