# SPDX-License-Identifier: GPL-2.0-or-later
"""On which line of a TOML document each key and each array item stands.

tomllib yields values without places. This scanner yields places without values, for text that tomllib has accepted: it
checks nothing, which keeps it small and fast.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys, and indexes of array items, from the top of the document: `("labels", "http", "tcp", 0)`."""

_STRING = (
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_SCALAR = re.compile(_STRING + r"|[^\s,\[\]{}#\"'][^,\]}#\n]*", re.DOTALL)
_BLANK = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_ITEM = re.compile(rf"(?:[ \t\n,]+|#[^\n]*)*({_SCALAR.pattern})?", re.DOTALL)
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)')[ \t]*""")


@dataclass(slots=True)
class _Node:
    """A value's line and what is inside of it; an item that has nothing inside is only its line."""

    line: int
    inside: dict[str, _Node] | list[_Node | int] | None = None


class Positions:
    """The lines of one document's keys and items. A table's line is its header's, or the first that mentions it."""

    def __init__(self, text: str) -> None:
        self._root = _Scanner(text).document()

    def line(self, path: Sequence[str | int]) -> int:
        """The 1-based line of the value at `path`; of the nearest thing around it where there is no such value."""
        node = self._root
        for step in path:
            inner = _step(node, step)
            if isinstance(inner, int):
                return inner
            if inner is None:
                break
            node = inner
        return node.line

    def item_lines(self, path: Sequence[str | int]) -> list[int]:
        """The lines of all items of the array at `path`; empty where there is no array."""
        node: _Node | int | None = self._root
        for step in path:
            if not isinstance(node, _Node):
                return []
            node = _step(node, step)
        if not isinstance(node, _Node) or not isinstance(node.inside, list):
            return []
        return [item if isinstance(item, int) else item.line for item in node.inside]


def _step(node: _Node, step: str | int) -> _Node | int | None:
    inside = node.inside
    if isinstance(inside, dict):
        return inside.get(step) if isinstance(step, str) else None
    if isinstance(inside, list) and isinstance(step, int) and 0 <= step < len(inside):
        return inside[step]
    return None


class _Scanner:
    """One pass over the text. `_pos` is where it stands, `_line` the line of `_counted`, which is never after `_pos`."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n") + "\n"
        self._pos = 0
        self._line = 1
        self._counted = 0

    def document(self) -> _Node:
        """The whole document."""
        root = _Node(1, {})
        table = root
        while (char := self._skip(_BLANK)) != "":
            if char == "[":
                table = self._header(root)
            else:
                self._pair(table)
        return root

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Go past what the pattern matches; the character after it, or "" at the end."""
        found = pattern.match(self._text, self._pos)
        self._pos = found.end() if found else self._pos
        return self._text[self._pos : self._pos + 1]

    def _line_at(self, pos: int) -> int:
        newlines = self._text.count("\n", self._counted, pos)
        if newlines:  # adding zero would make a new integer object for each of 100,000 items
            self._line += newlines
        self._counted = pos
        return self._line

    def _keys(self) -> list[str]:
        """A dotted key, up to the `=` or `]` after it."""
        keys = []
        while True:
            found = _KEY.match(self._text, self._pos)
            if found is None:
                raise ValueError(f"no key at offset {self._pos}: not a document that tomllib accepts")
            bare, basic, literal = found.groups()
            keys.append(bare or literal or "" if basic is None else _unescape(basic))
            self._pos = found.end()
            if self._text[self._pos] != ".":
                return keys
            self._pos += 1

    def _header(self, root: _Node) -> _Node:
        """`[table]` or `[[array of tables]]`: the table that the following pairs belong to."""
        line = self._line_at(self._pos)
        array = self._text.startswith("[[", self._pos)
        self._pos += 2 if array else 1
        *parents, last = self._keys()
        self._pos += 2 if array else 1
        table = _children(self._descend(root, parents, line))
        if not array:
            node = table.setdefault(last, _Node(line, {}))
            node.line = line
            return node
        node = table.setdefault(last, _Node(line, []))
        assert isinstance(node.inside, list)
        item = _Node(line, {})
        node.inside.append(item)
        return item

    @staticmethod
    def _descend(node: _Node, keys: list[str], line: int) -> _Node:
        for key in keys:
            node = _children(node).setdefault(key, _Node(line, {}))
            if isinstance(node.inside, list):  # an array of tables: the table meant is its last
                last = node.inside[-1]
                assert isinstance(last, _Node)
                node = last
        return node

    def _pair(self, table: _Node) -> None:
        """`key = value` into the table."""
        line = self._line_at(self._pos)
        *parents, last = self._keys()
        self._pos += 1  # the equals sign
        _children(self._descend(table, parents, line))[last] = _Node(line, self._value())

    def _value(self) -> dict[str, _Node] | list[_Node | int] | None:
        """Go past a value; what is inside of it."""
        match self._skip(_BLANK):
            case "[":
                return self._array()
            case "{":
                return self._inline_table()
            case _:
                self._skip(_SCALAR)
                return None

    def _array(self) -> list[_Node | int]:
        items: list[_Node | int] = []
        text = self._text
        next_item = _ITEM.match
        self._pos += 1
        while True:
            found = next_item(text, self._pos)
            assert found is not None
            self._pos = found.end()
            start = found.start(1)
            if start >= 0:
                items.append(self._line_at(start))
            elif text[self._pos] == "]":
                self._pos += 1
                return items
            else:
                line = self._line_at(self._pos)
                items.append(_Node(line, self._value()))

    def _inline_table(self) -> dict[str, _Node]:
        table = _Node(0, {})
        self._pos += 1
        while True:
            char = self._skip(_BLANK)
            if char == "}":
                self._pos += 1
                return _children(table)
            if char == ",":
                self._pos += 1
            else:
                self._pair(table)


def _children(node: _Node) -> dict[str, _Node]:
    assert isinstance(node.inside, dict)
    return node.inside


def _unescape(basic: str) -> str:
    """The key that a quoted key's inside stands for."""
    return str(tomllib.loads(f'key = "{basic}"')["key"]) if "\\" in basic else basic
