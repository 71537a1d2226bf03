# SPDX-License-Identifier: GPL-2.0-or-later
"""A mistake in one item, with advice that is data.

Whatever advises to write, rename or remove something is made by the functions here and by nothing else; the tests find
every call of them and follow what it advises (tests/unit/config/test_advice.py).
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from secmarkd.errors import Fix

Reader = Callable[[object], object]
"""Takes an item as TOML yields it; ValueError, mostly a Mistake, for what it does not accept."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_DEEPEST = 4
_asked: list[tuple[Reader, str | int]] = []
"""What `settled` is asked at the moment, from the outside in."""

LONGEST_TEXT = 1000
"""Characters of one item that are looked into. No item that means something has as many."""
MOST = 2500
"""Mistakes of one load that are looked into; some thousand more in the same files have the same causes."""

_SHOWN = 12
"""Items that are shown of many."""


class Mistake(ValueError):
    """What is wrong with an item; `fixes` is what its message advises, one or the other of them."""

    def __init__(self, wrong: str, *fixes: Fix) -> None:
        advice = ", or ".join(fix.words for fix in fixes)
        super().__init__(f"{wrong}; {advice}" if advice else wrong)
        self.fixes = fixes


@dataclass(slots=True)
class _Patience:
    """How many more mistakes are looked into; None where nobody counts."""

    left: int | None = None


_patience = _Patience()


@contextmanager
def patience(mistakes: int) -> Iterator[None]:
    """Look into so many mistakes and no more, however many there are: a file of 100,000 must not take minutes."""
    before, _patience.left = _patience.left, mistakes
    try:
        yield
    finally:
        _patience.left = before


_P = ParamSpec("_P")
_M = TypeVar("_M", bound="Mistake | None")


def looks_into(find: Callable[Concatenate[object, _P], _M]) -> Callable[Concatenate[object, _P], _M | Mistake]:
    """For what finds out why a value is none: not for the thousandth, and not for texts that are far too long."""

    @functools.wraps(find)
    def found(value: object, /, *arguments: _P.args, **named: _P.kwargs) -> _M | Mistake:
        if _patience.left is not None:
            if _patience.left <= 0:
                return Mistake("this is not possible here")
            _patience.left -= 1
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            wrong = f"a text of {len(value)} characters is longer than all that can stand here"
            return Mistake(wrong, prose("write items one by one"))
        return find(value, *arguments, **named)

    return found


def write(*items: str, beside: Sequence[tuple[str, str]] = (), purpose: str = "", like: bool = False) -> Fix:
    """Write these items instead, as TOML has them. `like`: they are an example, because nobody can know which are meant."""
    shown = ", ".join(items[:_SHOWN]) + (f", … ({len(items)} in all)" if len(items) > _SHOWN else "")
    pairs = " and ".join(f"{key} = {value}" for key, value in beside)
    if items:
        words = f"{'as in' if like else 'write'} {shown}" + (f", and beside it {pairs}" if pairs else "")
    else:
        words = f"write {pairs} instead"
    return Fix(f"{words} {purpose}".rstrip(), items=items, beside=tuple(beside), example=like)


def instead_of_key(*pairs: tuple[str, str], like: bool = False) -> Fix:
    """Write these keys in place of the whole one."""
    shown = " and ".join(f"{key} = {value}" for key, value in pairs)
    return Fix(f"{'as in' if like else 'write'} {shown}", beside=pairs, whole=True)


def leave_out(words: str) -> Fix:
    """Leave the key out; `words` says so."""
    return Fix(words, whole=True)


def take_out(words: str) -> Fix:
    """Take this one item out of its list; `words` says so."""
    return Fix(words)


def rename(name: str, words: str, *, beside: Sequence[tuple[str, str]] = ()) -> Fix:
    """Another name for the key, in its table; or a dotted one from the top of the file."""
    return Fix(words, rename=name, beside=tuple(beside), stays=True)


def add(words: str, *beside: tuple[str, str]) -> Fix:
    """More keys; what there is stays."""
    return Fix(words, beside=beside, stays=True)


def as_table(inline: str, words: str) -> Fix:
    """A table in place of a plain value; `words` have it with a header of its own."""
    return Fix(words, items=(inline,))


def rewrite(first: int, last: int, text: str, words: str) -> Fix:
    """Another text for these lines of the file, the last included."""
    return Fix(words, lines=(first, last, text))


def prose(words: str) -> Fix:
    """Advice that cannot be followed by a machine: what is meant does not stand in the file."""
    return Fix(words, prose=True)


def settled(read: Reader, value: str | int) -> tuple[str, ...]:
    """The value as TOML, as the reader accepts it, following what it advises itself; nothing where it cannot be told.

    A reader asks this of what it would advise, and so does what looks into that: a few steps are enough for all that people
    write, and no value is asked about within itself.
    """
    if (read, value) in _asked or len(_asked) >= _DEEPEST:
        return ()
    _asked.append((read, value))
    try:
        read(value)
    except Mistake as mistake:
        plain = [
            fix for fix in mistake.fixes if fix.items and not (fix.beside or fix.whole or fix.rename or fix.example)
        ]
        return plain[0].items if plain else ()
    except ValueError:
        return ()
    finally:
        _asked.pop()
    return (toml(value),)


def settled_all(read: Reader, values: Sequence[str | int]) -> tuple[str, ...]:
    """All of them, or nothing where one cannot be told."""
    each = [settled(read, value) for value in values]
    return tuple(item for items in each for item in items) if all(each) else ()


def toml(value: object) -> str:
    """As TOML has it, in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime.date() | datetime.time():
            return value.isoformat()
        case int() if abs(value) >= 2**63:
            return hex(value)
        case int() | float():
            return str(value)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{ " + ", ".join(f"{toml_key(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
        case _:
            return _quoted(str(value))


def toml_key(key: str) -> str:
    """A key as TOML has it, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(value: str) -> str:
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char >= " " and char != "\x7f" else f"\\u{ord(char):04x}"
