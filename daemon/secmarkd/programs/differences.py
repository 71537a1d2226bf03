# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between the label map and the kernel, as the verbs print them."""

from __future__ import annotations

import argparse
from collections import Counter

from secmarkd.adapters.loading.process import load
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import count
from secmarkd.model.label_map import Mode
from secmarkd.programs.output import Colour, Output
from secmarkd.programs.wiring import Tools
from secmarkd.service.adapters import require_selinux
from secmarkd.table.drift import Change, Drift, Thing

MOST_LINES = 40
"""Of what one `apply` changed."""

_SIGNS = {
    Change.MISSING: ("+", Colour.GOOD),
    Change.UNEXPECTED: ("-", Colour.BAD),
    Change.CHANGED: ("~", Colour.CHANGED),
    Change.RETARGETED: ("~", Colour.CHANGED),
    Change.MOVED: ("~", Colour.CHANGED),
}


def load_for_kernel(arguments: argparse.Namespace, tools: Tools) -> Loaded:
    """The configuration, compiled. SelinuxInactive where it is to label and no policy is loaded."""
    loaded, _ = load(arguments.config_dir)
    if loaded.settings.mode is Mode.LABEL:
        require_selinux(tools.open_selinux())
    return loaded


def size_of(loaded: Loaded) -> str:
    """`3 labels, 440 elements`."""
    rehearsing = ", rehearsing" if loaded.settings.mode is Mode.REHEARSE else ""
    return f"{count(loaded.label_count, 'label')}, {count(loaded.table.element_count(), 'element')}{rehearsing}"


def print_drifts(drifts: tuple[Drift, ...], out: Output) -> None:
    """Each, with a sign and both values."""
    for each in drifts:
        sign, colour = _SIGNS[each.change]
        out.line(f"{sign} {each.name}", colour)
        match each.change:
            case Change.MISSING if each.expected:
                out.line(f"      {each.expected}")
            case Change.UNEXPECTED if each.found:
                out.line(f"      {each.found}")
            case Change.CHANGED | Change.RETARGETED | Change.MOVED:
                out.line(f"      is        {each.found}")
                out.line(f"      should be {each.expected}")
            case _:
                pass


def print_few(drifts: tuple[Drift, ...], out: Output) -> None:
    """Each, or where there are many a count of each kind, by the label where it is known; `plan` has the rest."""
    if len(drifts) <= MOST_LINES:
        print_drifts(drifts, out)
        return
    counts: Counter[tuple[Change, str]] = Counter()
    for each in drifts:
        counts[each.change, _kind(each)] += each.count
    for (change, kind), number in counts.most_common(MOST_LINES):
        sign, colour = _SIGNS[change]
        out.line(f"{sign} {kind.replace('(s)', '' if number == 1 else 's', 1)}: {number}", colour)
    if len(counts) > MOST_LINES:
        out.line(f"  … and {len(counts) - MOST_LINES} kinds more", Colour.FAINT)


def _kind(drift: Drift) -> str:
    """What a drift is counted under: an element by its label's type, all else by the kind of thing."""
    if drift.thing is Thing.ELEMENT and drift.change is Change.RETARGETED:
        return f"element(s) from {_label(drift.found)} to {_label(drift.expected)}"
    if drift.thing is Thing.ELEMENT and (drift.expected or drift.found):
        return f"element(s) of {_label(drift.expected or drift.found)}"
    return f"{drift.thing}(s)"


def _label(target: str) -> str:
    """The object that an element leads to, without the letter for its kind."""
    return target.removeprefix("s_").removeprefix("c_")


def plain(drift: Drift) -> dict[str, str | int]:
    """One for `--json`."""
    return {
        "thing": str(drift.thing), "change": str(drift.change), "name": drift.name,
        "expected": drift.expected, "found": drift.found, "count": drift.count,
    }  # fmt: skip
