# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no value of a setting as it stands, and which one it means."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence

from secmarkd.mistakes.advice import Mistake, Reader, looks_into, settled, toml, write
from secmarkd.mistakes.words import near, plain, shown

_ON = "on yes true 1 enable enabled active".split()
_OFF = "off no false 0 disable disabled none never".split()
_WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "mode": {
        "label": ["enforce", "enforcing", "mark", "live", "production", "labels", "labeling", "labelling", "relabel", *_ON],
        "rehearse": ["permissive", "dry-run", "dryrun", "dry_run", "test", "testing", "count", "audit", "monitor", "log",
                     "simulate", "simulation", "rehearsal", "rehearsing", "observe", "report", *_OFF],
    },
    "on_drift": {
        "repair": ["fix", "restore", "enforce", "revert", "correct", "heal", "reapply", "reset", "undo", "repare", *_ON],
        "report": ["warn", "warning", "log", "ignore", "alert", "notify", "nothing", "audit", "detect", *_OFF],
    },
    "on_stop": {
        "keep": ["leave", "stay", "persist", "preserve", "retain", "nothing", *_OFF],
        "remove": ["clear", "flush", "delete", "purge", "clean", "cleanup", "unload", "drop", "destroy", *_ON],
    },
    "ownership": {
        "exclusive": ["owner", "own", "owned", "lock", "locked", "private", "persist", *_ON],
        "shared": ["share", "open", "anyone", "public", *_OFF],
    },
}  # fmt: skip
_FOREVER = frozenset((*_OFF, "infinity", "inf", "infinite", "forever", ""))
SHORTEST, LONGEST = 1.0, 7 * 86400.0
"""Limits of a duration in seconds: below, verifications follow each other without a rest; above, there are none."""


def choice_mistake(key: str, value: object, known: Sequence[str]) -> Mistake:
    """Why the value is none of the few that the setting has."""
    word = plain(value).lower() if isinstance(value, str) else shown(value)
    wrong = f"expected {' or '.join(known)}, got {shown(value)}"
    if word in known:
        return Mistake(wrong, write(toml(word)))
    for meant, others in _WORDS.get(key, {}).items():
        if word in others:
            return Mistake(wrong, write(toml(meant)))
    if name := near(word, known):
        return Mistake(wrong, write(toml(name), purpose=f"if {name} is meant"))
    return Mistake(wrong, *(write(toml(each)) for each in known))


@looks_into
def duration_mistake(value: object, read: Reader, seconds: float | None = None) -> Mistake:
    """Why the value is no duration, or none within bounds; `read` is the reader that refused it, `seconds` what it read."""
    if seconds is not None:
        return _bounds(value, seconds)
    match value:
        case bool():
            return _forever(value)
        case int() | float():
            return _bounds(value, float(value) if abs(value) < 1e30 else 1e30)
        case datetime.time():
            seconds = value.hour * 3600 + value.minute * 60 + value.second
            return Mistake(f"{shown(value)} is a time of day", write(*_spelt(seconds, read)))
        case str():
            return _text(value, plain(value), read)
        case _:
            return Mistake(f"expected a duration, got {shown(value)}", write('"5min"', "300", like=True))


def _forever(value: object) -> Mistake:
    return Mistake(f"expected a duration, got {shown(value)}: verifications cannot be turned off", write('"1w"'))


def _bounds(value: object, seconds: float) -> Mistake:
    wrong = f"{shown(value)} is out of bounds (expected 1s to 1w)"
    if math.isnan(seconds) or seconds <= 0:
        return Mistake(wrong, write('"5min"', like=True))
    return Mistake(wrong, write('"1s"' if seconds < SHORTEST else '"1w"'))


def _spelt(seconds: int, read: Reader) -> tuple[str, ...]:
    parts = [(seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s")]
    text = " ".join(f"{number}{unit}" for number, unit in parts if number)
    return settled(read, text) or ('"5min"',)


def _text(value: str, text: str, read: Reader) -> Mistake:
    if text.lower() in _FOREVER:
        return _forever(value)
    if found := re.fullmatch(r"(?:([0-9]{1,3}):)?([0-9]{1,2}):([0-9]{1,2})", text):
        seconds = int(found[1] or 0) * 3600 + int(found[2]) * 60 + int(found[3])
        return Mistake(f"{shown(value)} is a time of day", write(*_spelt(seconds, read)))
    if found := re.fullmatch(
        r"P(?:([0-9]{1,3})D)?(?:T(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,6})S)?)?", text
    ):
        days, hours, minutes, rest = (int(each or 0) for each in found.groups())
        seconds = days * 86400 + hours * 3600 + minutes * 60 + rest
        return Mistake(f"{shown(value)} is not how a duration is written here", write(*_spelt(seconds, read)))
    if re.match(r"[-+]", text):
        return Mistake(
            f"{shown(value)} has a sign, and durations have none", write(*(settled(read, text[1:]) or ('"5min"',)))
        )
    commas = re.sub(r"(?<=[0-9]),(?=[0-9])", ".", text)
    for candidate in (text, text.lower(), commas, re.sub(r"[,;&]|\band\b", " ", commas.lower()), text.rstrip("s.")):
        if candidate != value and (items := settled(read, candidate)):
            return Mistake(f"{shown(value)} is not how a duration is written here", write(*items))
    return Mistake(f"expected a duration, got {shown(value)}", write('"5min"', '"1min 30s"', "300", like=True))


def unit_mistake(text: str, unit: str, near_unit: str) -> Mistake:
    """A duration with a unit that does not exist; `near_unit` is the one that it must be, or empty."""
    wrong = f"{shown(text)}: unknown unit of time {shown(unit)} (expected s, min, h, d or w)"
    if near_unit:
        return Mistake(wrong, write(toml(text.replace(unit, near_unit)), purpose=f"if {near_unit} is meant"))
    return Mistake(wrong, write('"5min"', '"1min 30s"', like=True))
