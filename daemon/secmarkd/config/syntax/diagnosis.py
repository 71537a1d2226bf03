# SPDX-License-Identifier: GPL-2.0-or-later
"""The parser's refusal -> a Problem in our own words, with its line and, where it can be told, the line that is meant."""

from __future__ import annotations

import re
import tomllib

from secmarkd.config.syntax.blocks import NEW_STATEMENT, block_mistake, comma_mistake
from secmarkd.config.syntax.lines import item_mistake, line_mistake
from secmarkd.config.syntax.tokens import statement_at
from secmarkd.config.syntax.twice import header_above, keys_of, twice
from secmarkd.errors import Problem
from secmarkd.mistakes.advice import Mistake, prose

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
MAX_LINE = 2000
"""Characters of a line that is looked into: it takes time that grows faster than the line."""

_TWICE = ("Cannot ", "Duplicate ")
_WORDS = (
    ("Cannot ", "this was given before"),
    ("Duplicate ", "this was given before"),
    ("Unclosed array", "the list is not closed, or has no comma between two items"),
    ("Unclosed inline table", "the table in { } is not closed, or has no comma between two keys"),
    ("Unterminated string", "the text has no closing quote"),
    ("Illegal character", "a character that no text may have"),
    ("Unescaped", "a backslash in double quotes begins an escape"),
    ("Invalid hex", "a backslash in double quotes begins an escape"),
    ("Escaped character", "a backslash in double quotes begins an escape"),
    ("Expected newline", "something stands behind the end of the value"),
    ("Expected '='", "a key has no = behind it"),
    ("Expected", "something is missing here"),
    ("Invalid initial", "here a key is missing"),
    ("Invalid date", "no day or time of the calendar"),
    ("Invalid value", "here a value is missing, or a text without quotes"),
    ("Found invalid", "a character that does not belong here"),
    ("Invalid statement", "this is neither key = value, nor a [table], nor a # comment"),
)
"""What is said where nothing more is known of a kind of mistake, by how the parser's sentence begins; in this order."""


def syntax_problem(path: str, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    """Why the text is no TOML."""
    said = str(error)
    place = _PLACE.search(said)
    text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    number, column = (int(place[1]), int(place[2])) if place and place[1] else (0, 0)
    offset = sum(len(line) + 1 for line in lines[: number - 1]) + column - 1 if number else len(text)
    line, mistake = _mistake(text, lines, said, number, offset if number else len(text.rstrip()))
    if mistake is None:
        words = next((words for start, words in _WORDS if said.startswith(start)), "this cannot be read")
        where = f"in column {column}" if number else "at the end of the file"
        line = number or len(text.rstrip("\n").split("\n"))
        return Problem(path, line, "", f"not TOML {where}: {words} (expected key = value, [table] or # comment)")
    return Problem(path, line, "", f"not TOML: {mistake}", mistake.fixes)


def _mistake(text: str, lines: list[str], said: str, number: int, offset: int) -> tuple[int, Mistake | None]:
    """The line and what is wrong there; `number` is the parser's line, 0 for the end of the file."""
    statement = statement_at(text, offset)
    first = statement.first_line
    if any(len(each) > MAX_LINE for each in lines[max(first - 2, 0) : (number or len(lines)) + 1]):
        return number or first, None
    if said.startswith(_TWICE):
        last = text.count("\n", 0, max(offset - 1, 0)) + 1
        return first, twice(text, statement, max(last, first))
    table = header_above(text, statement.start)
    section = (keys_of(table) or ("",))[0]
    line = number or len(lines) + 1
    if block := block_mistake(lines, line, statement):
        opened, mistake = block
        in_list = bool(statement.open_brackets) and statement.open_brackets[-1][0] == "["
        one_line = in_list and first == opened and not _goes_on(lines, opened)
        return opened, (line_mistake(lines[opened - 1], opened, section) if one_line else None) or mistake
    here = min(number or first, len(lines))
    if statement.open_brackets and (here > first or _goes_on(lines, first)):
        if here > first and (missing := comma_mistake(lines, here, first)):
            return missing
        key = re.match(r"\s*([A-Za-z0-9_.-]+)\s*=", lines[first - 1])
        return here, item_mistake(lines[here - 1], here, key[1].split(".")[-1] if key else "", section)
    if here != first and not lines[here - 1].strip():
        here = first
    return here, line_mistake(lines[here - 1], here, section)


def _goes_on(lines: list[str], opened: int) -> bool:
    """Whether the list that begins on this line has something on lines after it."""
    following = next((line for line in lines[opened:] if line.strip()), "")
    return bool(following) and not NEW_STATEMENT.fullmatch(following)


def encoding_problem(path: str, content: bytes, error: UnicodeDecodeError) -> Problem:
    """Why bytes are no text of TOML."""
    line = content.count(b"\n", 0, error.start) + 1
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[:64].count(0) > len(content[:64]) // 4:
        return utf16_problem(path)
    wrong = Mistake(
        f"byte {content[error.start]:#04x} is not UTF-8, and TOML files are UTF-8", prose("save the file as UTF-8")
    )
    return Problem(path, line, "", str(wrong), wrong.fixes)


def utf16_problem(path: str) -> Problem:
    """A file of another encoding of Unicode, which editors of Windows write."""
    wrong = Mistake("this is not UTF-8 but UTF-16 or UTF-32", prose("save the file as UTF-8"))
    return Problem(path, 1, "", str(wrong), wrong.fixes)
