# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever is written into a file: our own words, a line, and soon. What the parser says is its own."""

from __future__ import annotations

import ast
import random
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secmarkd.config.directories import Found, folders_of
from secmarkd.config.files import parse_document
from secmarkd.config.load import load
from secmarkd.errors import Problem
from secmarkd.model.label_map import Layer
from tests.support.advice import problems_of
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY
SHIPPED = tuple(
    sorted(path for folder in ("", "labels.d/", "examples/") for path in ROOT.glob(f"config/{folder}*.toml"))
)
SPLINTERS = (
    *"[]{}=,.#\"'\\\n\r\t\0\x07\u2028\u00a0\ufeff\u201c\u201d:;()<>!*-_",
    '"""',
    "'''",
    "[[",
    "]]",
    "\r\n",
    " = ",
    "true",
    "True",
    "0x",
    "1e",
)


def words_of_the_parsers() -> Iterator[str]:
    """The beginnings of what tomllib, int() and pydantic say, out of the parser's own source."""
    assert tomllib.__file__ is not None
    for path in Path(tomllib.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("suffixed_err", "TOMLDecodeError"):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and len(inner.value) > 8:
                        yield inner.value.strip(" {")
    yield from (
        "Exceeds the limit",
        "set_int_max_str_digits",
        "Input should be",
        "Field required",
        "Extra inputs",
        "at line ",
    )
    yield from ("recursion", "invalid literal", "codec can't", "Traceback", "namespace", pydantic.__name__, "tomllib")


THEIRS = tuple(set(words_of_the_parsers()))


def test_the_parsers_words_were_found() -> None:
    assert {"Invalid statement", "Unclosed array", "Cannot overwrite a value", "Unterminated string"} <= set(THEIRS)


def problem_of(content: bytes) -> Problem | None:
    outcome = parse_document(Found("x.toml", Layer.ADMINISTRATOR, 0), content)
    return outcome if isinstance(outcome, Problem) else None


def assert_ours(problem: Problem, content: bytes) -> None:
    assert 1 <= problem.line <= content.count(b"\n") + content.count(b"\r") + 1, (problem, content)
    shown = content.decode(errors="replace")
    for words in THEIRS:
        assert words not in problem.message or words in shown, (problem, content)


def broken(text: str, dice: random.Random) -> str:
    """The text with some characters taken out, put in, doubled or exchanged."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(text))
        match dice.randrange(5):
            case 0:
                text = text[:at] + text[at + 1 :]
            case 1:
                text = text[:at] + dice.choice(SPLINTERS) + text[at:]
            case 2:
                text = text[:at] + dice.choice(SPLINTERS) + text[at + 1 :]
            case 3:
                end = text.find("\n", at) + 1 or len(text)
                text = text[:end] + text[at:end] + text[end:]
            case _:
                text = text[:at]
        text = text or "x"
    return text


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_broken_copies_of_shipped_files_are_refused_in_our_own_words(path: Path, tmp_path: Path) -> None:
    dice = random.Random(path.name)
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if not line.startswith("#")]
    for _ in range(120):
        start = dice.randrange(max(len(lines) - 12, 1))
        text = broken("\n".join(lines[start : start + 12]), dice)
        if problem := problem_of(text.encode()):
            assert_ours(problem, text.encode())
        else:
            name = "secmarkd.toml" if path.name == "secmarkd.toml" else "labels.d/10-a.toml"
            for mistake in problems_of(text, tmp_path, name):
                assert_ours(mistake, text.encode())


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([*SPLINTERS, "labels", "a", "tcp", "80", "http", "-", " "]), max_size=25).map("".join)
)
def test_splinters_of_toml_are_refused_in_our_own_words(text: str) -> None:
    if problem := problem_of(text.encode()):
        assert_ours(problem, text.encode())


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_bytes_are_refused_in_our_own_words(content: bytes) -> None:
    if problem := problem_of(content):
        assert_ours(problem, content)


LARGE = 200_000


def filled(unit: str) -> str:
    return (unit * (LARGE // len(unit) + 1))[:LARGE]


HEAD = "[labels.a]\n"
ADVERSARIES = {
    "a key of dots": filled("a.") + "a = 1",
    "a header of dots": "[" + filled("a.") + "a]",
    "a quoted key of dots": filled('"a".') + "a = 1",
    "keys of thirty parts": "".join(".".join(["c"] * 25 + [f"b{each}"]) + " = 1\n" for each in range(LARGE // 60)),
    "headers of thirty parts": "".join("[" + ".".join(["a"] * 30 + [f"b{each}"]) + "]\n" for each in range(LARGE // 70)),
    "open brackets": "a = " + filled("["),
    "open braces": "a = " + filled("{a="),
    "closing brackets": filled("]"),
    "brackets within limits": HEAD + "match = " + "[" * 30 + "]" * 30,
    "a hexadecimal number": HEAD + "tcp = [0x" + "f" * 10_000 + "]",
    "hexadecimal numbers": HEAD + "tcp = [" + ",".join(["0x" + "f" * 900] * 200) + "]",
    "a decimal number": HEAD + "tcp = [" + "7" * 5000 + "]",
    "decimal numbers": HEAD + "tcp = [" + ",".join(["7" * 900] * 200) + "]",
    "a bare key": filled("k") + " = 1",
    "a quoted key": '"' + filled("k") + '" = 1',
    "a text that is not closed": HEAD + 'type = "' + filled("k"),
    "a long text that is not closed": HEAD + 'type = """' + filled("k\n"),
    "quotes": filled('"'),
    "blanks": filled(" ") + "x",
    "tabs": filled("\t") + "x",
    "newlines": filled("\n"),
    "carriage returns": filled("\r"),
    "zeros": filled("\0"),
    "commas": "a = [" + filled(","),
    "comments in a list": HEAD + "tcp = [" + filled("#\n") + "]",
    "the same wrong port": HEAD + "tcp = [" + filled("0,") + "]",
    "names of services": HEAD + "tcp = [" + filled('"zz",') + "]",
    "excluded addresses": HEAD + "remote = [" + filled('"!",').rstrip('"!') + '"!"]',
    "ranges of addresses": HEAD + "remote = [" + '"0.0.0.1-255.255.255.254",' * (LARGE // 26) + "]",
    "addresses in one text": HEAD + "remote = ['" + filled("1.2.3.4,") + "']",
    "ports in one text": HEAD + "tcp = ['" + filled("80 ") + "x']",
    "levels in one text": HEAD + "tcp = [1]\ncontext = 'u:r:t:" + filled("s0-") + "'",
    "unknown keys": HEAD + "".join(f"k{each} = 1\n" for each in range(LARGE // 8)),
    "labels without selectors": "".join(f"[labels.a{each}]\n" for each in range(LARGE // 16)),
    "empty selections": HEAD + "match = [" + "{}," * (LARGE // 3) + "]",
    "the same key": HEAD + "tcp = [1]\n" * (LARGE // 8),
    "the same header at the end": "".join(f"[a{each}]\n" for each in range(LARGE // 9)) + "[a0]\n",
    "a mistake at the end": HEAD + "".join(f"k{each} = 1\n" for each in range(LARGE // 9)) + "tcp = [5-6]",
    "many pairs on a line": HEAD + "tcp = x" + " a=1" * (LARGE // 4),
    "items without commas": HEAD + "tcp = [\n" + filled("1\n"),
    "an inline table over many lines": HEAD + "match = [{\n" + filled("tcp = [1]\n"),
    "ranges that contain each other": HEAD + "tcp = [" + ",".join(f'"{n + 1}-{60000 - n}"' for n in range(14000)) + "]",
}  # fmt: skip
OF_SETTINGS = {
    "a long duration": "resync = '" + filled("1s ") + "'",
    "a duration of digits": "resync = '" + filled("1") + "s'",
    "a long mode": "mode = '" + filled("x") + "'",
    "a long level": "[context]\nlevel = '" + filled("c0,") + "'",
}


@pytest.mark.parametrize("name", [*ADVERSARIES, *OF_SETTINGS])
def test_a_file_that_is_made_to_take_long_is_judged_soon(name: str, tmp_path: Path) -> None:
    file = "secmarkd.toml" if name in OF_SETTINGS else "labels.d/10-a.toml"
    text = {**ADVERSARIES, **OF_SETTINGS}[name]
    before = time.process_time()
    problems = problems_of(text, tmp_path, file)
    assert time.process_time() - before < 4.0, "2 s on an idle machine"
    assert all(len(str(problem)) < 4000 for problem in problems)
    for problem in problems[:20]:
        assert_ours(problem, text.encode())


def test_of_very_many_mistakes_the_first_thousand_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    problems = problems_of(HEAD + "tcp = [" + "0,\n" * 1500 + "]\n", tmp_path)
    assert len(problems) == 1001
    assert [problem.line for problem in problems[:3]] == [2, 3, 4]
    assert problems[-1].message == "500 more mistakes in this file"


def test_mistakes_are_ordered_by_the_size_of_numbers(tmp_path: Path) -> None:
    problems = problems_of(HEAD + "tcp = [" + "0, " * 12 + "]\n", tmp_path)
    assert [problem.key for problem in problems] == [f"labels.a.tcp[{index}]" for index in range(12)]


# --- files that are not read ---


def notes_of(folder: Path) -> dict[str, str]:
    return {str(Path(note.file).relative_to(folder)): note.message for note in load(folders_of([str(folder)])).notes}


@pytest.mark.parametrize(
    "name",
    ["web.conf", "web.tml", "web", "web.TOML", "web.yaml", "web.toml.txt", "labels", "50-web", "web.ini", "web toml"],
)
def test_a_file_among_the_labels_that_is_not_read_is_noted(name: str, tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    (tmp_path / "labels.d" / name).write_text("[labels.a]\ntcp = [1]\n")
    assert "is not read: files of labels have names that end in .toml" in notes_of(tmp_path)[f"labels.d/{name}"]


def test_a_directory_among_the_labels_is_noted(tmp_path: Path) -> None:
    (tmp_path / "labels.d" / "sub").mkdir(parents=True)
    (tmp_path / "labels.d" / "sub" / "web.toml").write_text("[labels.a]\ntcp = [1]\n")
    assert "not in directories below it" in notes_of(tmp_path)["labels.d/sub"]


@pytest.mark.parametrize(
    "name", ["labels.toml", "secmarkd.conf", "web.toml", "secmarkd.tml", "Secmarkd.toml", "labels"]
)
def test_a_file_beside_the_settings_that_is_not_read_is_noted(name: str, tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    (tmp_path / name).write_text("[labels.a]\ntcp = [1]\n")
    assert "is not read" in notes_of(tmp_path)[name]


@pytest.mark.parametrize(
    "name",
    ["web.toml~", "web.toml.bak", "web.toml.orig", "web.toml.rpmsave", "web.toml.rpmnew", "web.toml.rpmorig", "README",
     "web.toml.dpkg-old", "web.toml.ucf-dist", ".web.toml.swp", "web.toml.swp", "web.toml.disabled", "web.toml.tmp",
     "web.toml.old", ".hidden", "#web.toml#", "web.toml.1"],
)  # fmt: skip
def test_a_copy_that_somebody_keeps_is_not_noted(name: str, tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    (tmp_path / "labels.d" / name).write_text("not TOML at all")
    (tmp_path / name).write_text("not TOML at all")
    (tmp_path / "labels.schema.json").write_text("{}")
    assert notes_of(tmp_path) == {}


def test_of_many_files_that_are_not_read_some_are_named(tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    for number in range(50):
        (tmp_path / "labels.d" / f"{number}.conf").touch()
    notes = notes_of(tmp_path)
    assert len(notes) == 21
    assert notes["labels.d"] == "30 more files are not read, whose names do not end in .toml"
