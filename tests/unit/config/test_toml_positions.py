# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of keys and items, held against documents whose writer knows where it put everything."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from secmarkd.config.toml_positions import Path, Positions

SCALARS = (
    "0", "-17", "1_000", "0xff", "6.5e-3", "inf", "true", "1979-05-27 07:32:00", "1979-05-27T07:32:00Z", "07:32:00",
    '""', '"a, ] } # \\" b"', "''", "'a\\, ] } # \" b'", '"[x]"', "'= {'", '"\\\\"', "'\\'",
    '""""""', '"""a\n"quoted" # no comment\n"""', '"""\\"""\\""""', '""""quoted""""', '"""\\\n   b"""', '"""""two"""""',
    "''''''", "'''a\n'b' ] }\n'''", "''''quoted''''", "'''\\'''",
)  # fmt: skip
NAMES = (
    "a",
    "tcp",
    "labels",
    "1",
    "-",
    "é",
    "a b",
    "a.b",
    "a=b",
    "a#b",
    'a"b',
    "a'b",
    "a]b",
    "a\\b",
    "a\tb",
    "\u2028",
)
BLANKS = ("", " ", "\t ")
GAPS = ("", " ", "\n", "\n\n", " # note, ] }\n", "\n  # 'x' \"\n\n\t")


class Writer:
    """Writes a random document. `lines` has the line of everything that the document's values can be reached by."""

    def __init__(self, draw: Callable[[st.SearchStrategy[object]], object]) -> None:
        self._draw = draw
        self._serial = 0
        self.text = ""
        self.lines: dict[Path, int] = {}

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def number(self, low: int, high: int) -> int:
        number = self._draw(st.integers(low, high))
        assert isinstance(number, int)
        return number

    def one_of(self, choices: tuple[str, ...]) -> str:
        return choices[self.number(0, len(choices) - 1)]

    def name(self) -> str:
        """A name that no other table or key has."""
        self._serial += 1
        return f"{self.one_of(NAMES)}{self._serial}"

    def key(self, *names: str) -> None:
        """A dotted key in one of its spellings."""
        for index, name in enumerate(names):
            self.text += "." if index else ""
            self.text += self.one_of(BLANKS) + self.spelling(name) + self.one_of(BLANKS)

    def spelling(self, name: str) -> str:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("é", "\\u00e9")
        spellings = [f'"{escaped}"']
        if "'" not in name:
            spellings.append(f"'{name}'")
        if all(char.isascii() and (char.isalnum() or char in "-_") for char in name):
            spellings.append(name)
        return self.one_of(tuple(spellings))

    def end_of_line(self) -> None:
        self.text += self.one_of(("\n", " # note [x] = 'y\n", "\n\n", "\n# note\n\n"))

    def document(self) -> None:
        self.text += self.one_of(("", "\n", "# first\n\n"))
        self.pairs(())
        for _ in range(self.number(0, 4)):
            self.one_of_tables(())

    def one_of_tables(self, above: Path) -> None:
        [self.table, self.late_table, self.array_of_tables][self.number(0, 2)](above)

    def header(self, path: Path, start: str = "[", end: str = "]") -> int:
        line = self.line
        self.text += self.one_of(BLANKS) + start
        self.key(*(step for step in path if isinstance(step, str)))
        self.text += end
        self.end_of_line()
        return line

    def table(self, above: Path) -> None:
        path = (*above, self.name())
        self.lines[path] = self.header(path)
        self.pairs(path)
        if len(path) < 4 and self.number(0, 1):
            self.one_of_tables(path)

    def late_table(self, above: Path) -> None:
        """A table whose header comes after that of a table inside of it, or never."""
        outer = (*above, self.name())
        inner = (*outer, self.name())
        self.lines[inner] = self.lines[outer] = self.header(inner)
        self.pairs(inner)
        if self.number(0, 1):
            self.lines[outer] = self.header(outer)
            self.pairs(outer)

    def array_of_tables(self, above: Path) -> None:
        path = (*above, self.name())
        self.lines[path] = self.line
        for index in range(self.number(1, 3)):
            item = (*path, index)
            self.lines[item] = self.header(path, "[[", "]]")
            self.pairs(item)
            if len(item) < 5 and self.number(0, 1):
                self.one_of_tables(item)

    def pairs(self, path: Path) -> None:
        for _ in range(self.number(0, 3)):
            for pair in self.some_pairs(path):
                pair()
                self.end_of_line()

    def some_pairs(self, path: Path) -> Iterator[Callable[[], None]]:
        """A plain pair, or several whose dotted keys begin alike."""
        if self.number(0, 2):
            key = self.name()
            yield lambda: self.pair(path, (key,))
        else:
            table = self.name()
            for _ in range(self.number(1, 3)):
                yield lambda: self.pair(path, (table, self.name()))

    def pair(self, path: Path, names: tuple[str, ...], depth: int = 0) -> None:
        for length in range(1, len(names) + 1):
            self.lines.setdefault((*path, *names[:length]), self.line)
        self.key(*names)
        self.text += "=" + self.one_of(BLANKS)
        self.value((*path, *names), depth)

    def value(self, path: Path, depth: int) -> None:
        kind = self.number(0, 5) if depth < 3 else 0
        if kind == 5:
            self.array(path, depth)
        elif kind == 4:
            self.inline_table(path, depth)
        else:
            self.text += self.one_of(SCALARS)

    def array(self, path: Path, depth: int) -> None:
        self.text += "["
        count = self.number(0, 4)
        for index in range(count):
            self.text += self.one_of(GAPS)
            self.lines[(*path, index)] = self.line
            self.value((*path, index), depth + 1)
            self.text += self.one_of(GAPS)
            self.text += "," if index < count - 1 else self.one_of(("", ","))
        self.text += self.one_of(GAPS) + "]"

    def inline_table(self, path: Path, depth: int) -> None:
        self.text += "{"
        first = True
        for _ in range(self.number(0, 2)):
            for pair in self.inline_pairs(path, depth):
                self.text += "" if first else ","
                pair()
                self.text += self.one_of(BLANKS)
                first = False
        self.text += "}"

    def inline_pairs(self, path: Path, depth: int) -> Iterator[Callable[[], None]]:
        table, key = self.name(), self.name()
        names = (key,) if self.number(0, 2) else (table, key)
        yield lambda: self.pair(path, names, depth + 1)


@st.composite
def documents(draw: Callable[[st.SearchStrategy[object]], object]) -> tuple[str, dict[Path, int]]:
    writer = Writer(draw)
    writer.document()
    return writer.text, writer.lines


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """All that can be reached in what tomllib yields."""
    steps: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    for step, inner in steps:
        yield (*path, step)
        yield from paths(inner, (*path, step))


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_every_value_has_the_line_it_was_written_on(document: tuple[str, dict[Path, int]], newline: str) -> None:
    text, lines = document
    text = text.replace("\n", newline)
    reachable = set(paths(tomllib.loads(text)))
    assert reachable == set(lines), text  # the writer itself
    positions = Positions(text)
    assert {path: positions.line(path) for path in reachable} == lines, text


@given(documents())
def test_the_items_of_an_array_have_their_lines_at_once(document: tuple[str, dict[Path, int]]) -> None:
    text, lines = document
    positions = Positions(text)
    for path in lines:
        items = {step[-1]: line for step, line in lines.items() if step[:-1] == path and isinstance(step[-1], int)}
        assert positions.item_lines(path) == [items[index] for index in sorted(items)]


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    positions = Positions("[a]\n\n[a.b]\ntcp = [1,\n2]\n")
    assert positions.line(("a", "b", "udp")) == 3
    assert positions.line(("a", "b", "tcp", 7)) == 4
    assert positions.line(("a", "b", "tcp", 1, "deeper")) == 5
    assert positions.line(("a", 0)) == 1
    assert positions.line(("nowhere",)) == 1
    assert positions.line(()) == 1


def test_what_is_no_array_has_no_items() -> None:
    positions = Positions("a = 1\nb = { c = 2 }\nd = [[1], 2]\n")
    for path in ((), ("a",), ("a", 0), ("b",), ("d", 1), ("nowhere",), ("d", 0, 0)):
        assert positions.item_lines(path) == []


def test_a_document_may_end_without_a_newline() -> None:
    assert Positions("[a]\nb = 1").line(("a", "b")) == 2
    assert Positions("").line(()) == 1
