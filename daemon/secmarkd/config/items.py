# SPDX-License-Identifier: GPL-2.0-or-later
"""A value that is no selector's, as written -> what it means. Each function raises ValueError
with what is wrong and what would be right.

What is wrong is looked into by `mistakes`; here is what is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from secmarkd.mistakes.contexts import (
    NOTHING,
    context_mistake,
    default_mistake,
    identifier_mistake,
    level_mistake,
    type_mistake,
)
from secmarkd.mistakes.settings import LONGEST, SHORTEST, duration_mistake, unit_mistake
from secmarkd.mistakes.words import near
from secmarkd.model.context import Context, is_identifier, parse_context

_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,9})?)\s*([A-Za-zµμ]*)\s*")
_UNITS: dict[str, float] = {
    unit: seconds
    for seconds, units in (
        (1e-6, "usec us µs μs"),
        (1e-3, "msec ms"),
        (1.0, "seconds second sec s"),
        (60.0, "minutes minute min m"),
        (3600.0, "hours hour hr h"),
        (86400.0, "days day d"),
        (7 * 86400.0, "weeks week w"),
        (30.44 * 86400.0, "months month M"),
        (365.25 * 86400.0, "years year y"),
    )
    for unit in units.split()
}
"""As systemd.time(7) has them."""


def type_item(value: object) -> str:
    """The name of an SELinux type of packets."""
    if isinstance(value, str) and is_identifier(value) and not value.endswith("_port_t"):
        return value
    raise type_mistake(value)


def identifier(word: str, usual: str) -> Callable[[object], str]:
    """The reader of a name in a security context; `word` says whose: a user's or a role's."""

    def name(value: object) -> str:
        if isinstance(value, str) and is_identifier(value):
            return value
        raise identifier_mistake(value, word, usual)

    return name


def level_item(value: object) -> str:
    """An MLS level, or nothing where the policy has no MLS."""
    if mistake := level_mistake(value):
        raise mistake
    assert isinstance(value, str)
    return value


def context_item(value: object) -> Context:
    """A context of three or four parts; without the fourth its level is empty."""
    if mistake := context_mistake(value):
        raise mistake
    assert isinstance(value, str)
    return parse_context(value)


def label_item(key: str, usual: str) -> Callable[[object], str]:
    """The reader of the default `key`: a type or a whole context, as text; what completes a type is in another table."""

    def label(value: object) -> str:
        try:
            if isinstance(value, str) and value.lower() in NOTHING:
                raise default_mistake(value, key, usual)
            return str(context_item(value)) if isinstance(value, str) and ":" in value else type_item(value)
        except ValueError:
            raise default_mistake(value, key, usual) from None

    return label


def optional_label_item(key: str, usual: str) -> Callable[[object], str]:
    """As `label_item`, and empty for none."""
    read = label_item(key, usual)
    return lambda value: "" if value == "" else read(value)


def duration_item(value: object) -> float:
    """Seconds; from a number of seconds or in the spelling of systemd.time(7): `5min`, `1min 30s`."""
    seconds = _seconds(value) if isinstance(value, str) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LONGEST:
        seconds = float(value)
    if seconds is not None and not SHORTEST <= seconds <= LONGEST:
        raise duration_mistake(value, duration_item, seconds)
    if seconds is None:
        raise duration_mistake(value, duration_item)
    return seconds


def _seconds(text: str) -> float | None:
    """None for what is no duration."""
    seconds, pos = 0.0, 0
    stripped = text.strip()
    while found := _AMOUNT.match(stripped, pos):
        unit = found[2] or "s"
        if unit not in _UNITS:
            if unit.lower() in _UNITS:
                return None
            raise unit_mistake(text, unit, near(unit, _UNITS))
        seconds += float(found[1]) * _UNITS[unit]
        pos = found.end()
    return seconds if stripped and pos == len(stripped) else None
