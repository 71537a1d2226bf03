# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for what no event tells of."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE = 0.01


def eventually(condition: Callable[[], bool], patience: float, otherwise: Callable[[], object] = lambda: "") -> None:
    """Wait until the condition holds, at most `patience` seconds; `otherwise` is what the failure says."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, otherwise()
        time.sleep(_PAUSE)
