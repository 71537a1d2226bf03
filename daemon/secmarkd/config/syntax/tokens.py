# SPDX-License-Identifier: GPL-2.0-or-later
"""Strings, comments, brackets and the rest of a text that need not be TOML, in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r'(?P<string>"""(?:[^\\"]|\\.|"(?!""))*+(?:"{3,5}|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?)"
    r"|(?P<comment>#[^\n]*+)"
    r"|(?P<mark>[\[\]{}=,.\n])"
    r"|(?P<other>[^\"'#\[\]{}=,.\n]++)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text from `start` to `end`."""

    kind: str
    start: int
    end: int
    text: str


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """All of the text from `start` on, piece by piece. A string that is not closed ends with its line, or with the text."""
    for found in _TOKEN.finditer(text, start):
        yield Token(found.lastgroup or "", found.start(), found.end(), found[0])


@dataclass(frozen=True, slots=True)
class Statement:
    """A header or `key = value`, which may take several lines."""

    start: int
    first_line: int
    open_brackets: tuple[tuple[str, int, int], ...]
    """Those that are not closed where one asked: which, where, and on which line."""
    open_string: int = 0
    """The line on which a text of three quotes begins that is not closed; 0 for none."""


def statement_at(text: str, offset: int) -> Statement:
    """The statement that the offset lies in. Statements begin after a newline outside of all brackets."""
    start, line, first_line = 0, 1, 1
    stack: list[tuple[str, int, int]] = []
    for token in tokens(text):
        if token.start >= offset:
            break
        if token.kind == "string" and token.text.startswith(('"""', "'''")) and token.end >= offset:
            return Statement(start, first_line, tuple(stack), line)
        if token.text in ("[", "{"):
            stack.append((token.text, token.start, line))
        elif token.text in ("]", "}") and stack:
            stack.pop()
        elif token.text == "\n" and not stack:
            start, first_line = token.end, line + 1
        line += token.text.count("\n")
    return Statement(start, first_line, tuple(stack))
