# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures: samples, what they are compared with, and how they are printed."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "B": ((2.0**20, "MiB"), (2.0**10, "KiB")),
    "": ((1.0, ""),),
}

_NAME = 56
"""Columns of a figure's name."""


@dataclass(frozen=True)
class Figure:
    """One thing measured. `samples` are seconds, bytes or, with unit "", numbers; a ratio compares minima, or medians where
    `by_median`."""

    name: str
    samples: Sequence[float]
    unit: str = "s"
    baseline: Sequence[float] = ()
    most: float | None = None
    """The goal: the largest ratio or, without a baseline, the largest value."""
    by_median: bool = False
    absolute: bool = False
    """Whether the goal is about the value although there is a baseline."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def p99(self) -> float:
        """What 99 in 100 samples do not exceed; of fewer than 100 samples, the largest."""
        return sorted(self.samples)[math.ceil(len(self.samples) * 0.99) - 1]

    @property
    def ratio(self) -> float | None:
        """The best of ours against the best of the baseline."""
        if not self.baseline:
            return None
        best = statistics.median if self.by_median else min
        floor = best(self.baseline)
        return best(self.samples) / floor if floor > 0 else float("inf")

    @property
    def goal(self) -> str:
        """`≤ 1.5 met`, or nothing where there is none."""
        if self.most is None:
            return ""
        by_ratio = self.ratio is not None and not self.absolute
        value = self.ratio if self.ratio is not None and by_ratio else self.median
        limit = ratio_text(self.most) if by_ratio else shown(self.most, self.unit)
        return f"≤ {limit} {'met' if value <= self.most else 'MISSED'}"


@dataclass
class Section:
    """Figures that were measured together."""

    title: str
    baseline: str = ""
    """What ratios are against."""
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tail: bool = False
    """Whether p99 is shown, in place of the minimum."""

    def print(self) -> None:
        """As a table."""
        print(f"\n{self.title}")
        print(f"  {'':<{_NAME}} {'median':>10} {'p99' if self.tail else 'min':>10} {'ratio':>8}  goal")
        for each in self.figures:
            ratio = "" if each.ratio is None else ratio_text(each.ratio)
            second = each.p99 if self.tail else min(each.samples)
            line = f"  {each.name:<{_NAME}} {shown(each.median, each.unit):>10} {shown(second, each.unit):>10}"
            print(f"{line} {ratio:>8}  {each.goal}".rstrip())
        if self.baseline:
            print(f"  ratio: to {self.baseline}")
        for note in self.notes:
            print(f"  {note}")
        sys.stdout.flush()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "title": self.title,
            "baseline": self.baseline,
            "notes": self.notes,
            "figures": [{**asdict(each), "ratio": each.ratio, "goal": each.goal} for each in self.figures],
        }


def ratio_text(ratio: float) -> str:
    """`1.32`, or for small ones `1/37`."""
    return f"1/{1 / ratio:.3g}" if 0 < ratio < 0.5 else f"{ratio:.2f}"


def shown(value: float, unit: str) -> str:
    """A value with a fitting unit: `1.25 ms`, `38.1 MiB`, `42`."""
    size, word = next((each for each in _SCALES[unit] if abs(value) >= each[0]), _SCALES[unit][-1])
    number = f"{value / size:.3g}" if abs(value) / size < 1000 else f"{value / size:.0f}"
    return f"{number} {word}".rstrip()


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    nft = subprocess.run(["nft", "--version"], capture_output=True, text=True).stdout.split()
    return {
        "kernel": platform.release(),
        "nft": nft[1] if len(nft) > 1 else "none",
        "python": platform.python_version(),
        "cpu": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}",
        "load": " ".join(f"{each:.2f}" for each in os.getloadavg()),
    }
