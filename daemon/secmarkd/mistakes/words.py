# SPDX-License-Identifier: GPL-2.0-or-later
"""How values are shown in messages, and which known word is so near that it must be meant."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable

_LONGEST = 160
"""Characters of a text that are shown."""

_LARGEST = 10**20
"""A number above this is shown by its length: Python refuses to print some thousand digits."""

_LOOKALIKES = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " ")
    | {chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)}
)
"""Dashes, blanks and the wide forms of ASCII."""


def short(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def shown(value: object) -> str:
    """A value of TOML as one writes it, for messages; lists and tables only by their kind."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) > _LARGEST:
            return f"a number with {int(value.bit_length() * 0.30103) + 1} digits"
        case str():
            return json.dumps(short(value), ensure_ascii=False)
        case list():
            return "a list"
        case dict():
            return "a table"
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


def plain(text: str) -> str:
    """The text without blanks around it, with plain digits, letters, dashes and blanks for their look-alikes."""
    return text.translate(_LOOKALIKES).strip()


def near(word: str, known: Iterable[str]) -> str:
    """The known word that only a slip of the hand can have made of this one; empty for none.

    One letter more, less or another, or two that changed places; or only capitals and punctuation differ. Short words are
    near to all, and a slip must not make a word of ours of another tool's: so each has at least three letters and one
    of them four, or else only a change of places counts; and the first letter stays.
    """
    lower = _folded(word)
    if not 3 <= len(lower) <= 64:
        return ""
    candidates = [each for each in known if abs(len(each) - len(word)) <= 2]
    same = [each for each in candidates if _folded(each) == lower]
    swapped = [each for each in candidates if _swapped(lower, _folded(each))]
    edited = [each for each in candidates if max(len(each), len(lower)) >= 4 and _one_edit(lower, _folded(each))]
    return next(iter((*same, *swapped, *edited)), "")


def _folded(word: str) -> str:
    return re.sub(r"[\s_.-]", "", word.lower())


def _swapped(one: str, other: str) -> bool:
    if len(one) != len(other):
        return False
    apart = [index for index in range(len(one)) if one[index] != other[index]]
    return len(apart) == 2 and apart[1] == apart[0] + 1 and sorted(one) == sorted(other)


def _one_edit(one: str, other: str) -> bool:
    """Whether one letter was added, lost or replaced after the first."""
    if one[0] != other[0]:
        return False
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > 1:
        return False
    start = next((index for index in range(len(shorter)) if shorter[index] != longer[index]), len(shorter))
    behind = start + 1
    return shorter[behind if len(shorter) == len(longer) else start :] == longer[behind:]
