# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written a second time, or into a table that is closed."""

from __future__ import annotations

import re
import tomllib

from secmarkd.config.syntax.tokens import Statement
from secmarkd.config.toml_positions import Positions
from secmarkd.mistakes.advice import Mistake, prose, rewrite

_HEADER = re.compile(r"\s*(\[{1,2})(.*?)\]{1,2}")
_PAIR = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)


def keys_of(dotted: str) -> tuple[str, ...]:
    """The parts of a dotted key; nothing where it is none."""
    try:
        inner: object = tomllib.loads(f"{dotted} = 0")
    except (tomllib.TOMLDecodeError, ValueError):
        return ()
    parts: list[str] = []
    while isinstance(inner, dict):
        key, inner = next(iter(inner.items()))
        parts.append(key)
    return tuple(parts)


def header_above(text: str, end: int) -> str:
    """The name in the last header before the offset; empty above all of them."""
    for line in reversed(text[:end].splitlines()):
        if found := _HEADER.match(line):
            return found[2].strip()
    return ""


def twice(text: str, statement: Statement, last_line: int) -> Mistake:
    """What stands there already, and where. Everything before the statement is TOML."""
    line = text[statement.start :].split("\n", 1)[0]
    if any(bracket == "{" for bracket, _, _ in statement.open_brackets):
        return _some_key("a key is given twice between the braces")
    if found := _HEADER.match(line):
        return _header_twice(text, statement, found[1], found[2].strip())
    pair = _PAIR.match(line)
    own = keys_of(pair[1]) if pair else ()
    path = (*keys_of(header_above(text, statement.start)), *own)
    where, name = _where(text, statement, path), ".".join(path)
    first, exact = where
    if exact and own:
        wrong = f"{own[-1]} is given twice, first on line {first}"
        return Mistake(wrong, rewrite(statement.first_line, last_line, "", "keep one of the two"))
    if first and name:
        wrong = f"{name} goes into a table that is complete on line {first}"
        return Mistake(
            wrong, prose("write all of a table's keys in one place: between its braces, or below its header")
        )
    return _some_key("a key is given twice")


def _some_key(wrong: str) -> Mistake:
    return Mistake(wrong, prose("keep one of the two"))


def _where(text: str, statement: Statement, path: tuple[str, ...]) -> tuple[int, bool]:
    """The line of what stands at the path, or at the longest part of it that there is; and whether it is the whole path."""
    before = text[: statement.start]
    try:
        data: object = tomllib.loads(before)
        positions = Positions(before)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return 0, False
    reached: list[str | int] = []
    for step in path:
        while isinstance(data, list) and data:
            reached.append(len(data) - 1)
            data = data[-1]
        if not isinstance(data, dict) or step not in data:
            break
        data = data[step]
        reached.append(step)
    whole = len([step for step in reached if isinstance(step, str)]) == len(path)
    return (positions.line(reached) if reached else 0), whole


def _header_twice(text: str, statement: Statement, brackets: str, name: str) -> Mistake:
    path = keys_of(name)
    first, exact = _where(text, statement, path)
    here = f"[{name}]" if brackets == "[" else f"[[{name}]]"
    at = f", first on line {first}" if first else ""
    if not exact:
        wrong = (
            f"{here} goes into a value that is complete on line {first}" if first else f"{here} is a value already"
        )
        return Mistake(
            wrong, prose("write all of a table's keys in one place: between its braces, or below its header")
        )
    if brackets == "[[" or re.search(rf"^\s*\[\[\s*{re.escape(name)}\s*\]\]", text[: statement.start], re.MULTILINE):
        wrong = f"{name} is a table and a list of tables{at}"
        return Mistake(wrong, prose(f"write [{name}] once, and below it [[{name}.match]] for each selection"))
    wrong = f"{here} is written twice{at}"
    return Mistake(
        wrong, prose("write all of its keys below one header, or below [[…match]] where they select apart")
    )
