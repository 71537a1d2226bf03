# SPDX-License-Identifier: GPL-2.0-or-later
"""What a message advises is accepted when it is followed to the letter: every advice that the configuration can give.

Advice is made by the functions of `mistakes.advice` and by nothing else, as data that `tests.support.advice` writes
into the file. `tests.support.mistakes` has the mistakes; no call of those functions may be left that none of them reaches.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType

import pytest

from secmarkd.errors import Problem
from secmarkd.mistakes import advice
from tests.support.advice import followed, problems_of, variants
from tests.support.mistakes import mistakes

PACKAGE = Path(advice.__file__).parents[1]
ROOMS = ("config", "mistakes", "selectors")
MAKERS = ("write", "instead_of_key", "leave_out", "take_out", "rename", "add", "as_table", "rewrite", "prose")
ADVICE = re.compile(
    r"\b(write|writes? [a-z]+ instead|did you mean|leave \w+ out|remove|take it out|keep one|move (it|them)|save)\b"
)
CASES = tuple(mistakes())

Site = tuple[str, str, int, int]
"""A file, a function in it, and the first and last line of a call."""


def described(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.message for problem in problems]


@pytest.mark.parametrize(("name", "text"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_what_is_advised_is_accepted(name: str, text: str, tmp_path: Path) -> None:
    problems = problems_of(text, tmp_path, name)
    assert problems, text
    for problem in problems:
        assert problem.line > 0, problem
        for fix in (one for advised in problem.fixes if not advised.prose for one in variants(advised)):
            after = problems_of(followed(text, problem, fix), tmp_path, name)
            assert len(after) < len(problems), (text, str(problem), followed(text, problem, fix), described(after))
            assert set(described(after)) < set(described(problems)) or not after, (
                text,
                str(problem),
                described(after),
            )


def test_every_advice_is_among_those_that_were_followed(tmp_path: Path) -> None:
    makers = {getattr(advice, name).__code__ for name in MAKERS}
    reached: set[tuple[str, int]] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in makers and frame.f_back is not None:
            reached.add((frame.f_back.f_code.co_filename, frame.f_back.f_lineno))

    sys.setprofile(watch)
    try:
        for name, text in CASES:
            problems_of(text, tmp_path, name)
    finally:
        sys.setprofile(None)
    never = {
        f"{Path(file).relative_to(PACKAGE)}: {function}"
        for file, function, first, last in sites()
        if not any(path == file and first <= line <= last for path, line in reached)
    }
    assert never == NOT_IN_THE_TEXT_OF_ONE_FILE


NOT_IN_THE_TEXT_OF_ONE_FILE = {
    "config/build.py: _select",  # a million rules
    "config/checks.py: _twice",  # two files
    "config/directories.py: find_label_files",  # a link
    "config/files.py: read_document",
    "config/files.py: read_stable",  # a file that changes
    "config/syntax/diagnosis.py: encoding_problem",  # bytes that are no text
    "config/syntax/diagnosis.py: utf16_problem",
}
"""Advice with tests of its own: golden cases, test_config_reading, test_config_load."""


def sites() -> Iterator[Site]:
    """Where advice is made."""
    for path, tree in modules():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if calls(node, MAKERS):
                    assert isinstance(node, ast.Call)
                    yield str(path), function.name, node.lineno, node.end_lineno or node.lineno


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(each for room in ROOMS for each in (PACKAGE / room).rglob("*.py")):
        if path != Path(advice.__file__):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls(node: ast.AST, names: Collection[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def test_nothing_else_gives_advice() -> None:
    assert [place for path, tree in modules() for place in loose(path, tree)] == []


def loose(path: Path, tree: ast.Module) -> Iterator[str]:
    """Texts that advise something, and are handed to none of the functions that make advice of it.

    Those of a function that makes advice are its own; so are those that are handed to such a function.
    """
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    makers: set[str] = set(MAKERS)
    while more := {each.name for each in functions if any(calls(node, makers) for node in ast.walk(each))} - makers:
        makers |= more
    excused: set[ast.AST] = set()
    for node in ast.walk(tree):
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        options = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)  # argparse's
        own = isinstance(node, ast.FunctionDef) and node.name in makers
        if documents or options or own or calls(node, {*makers, "_selector", "Field"}):
            excused.update(ast.walk(node))
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and node not in excused else None
        if isinstance(text, str) and ADVICE.search(text) and " " in text.strip('"'):
            assert isinstance(node, ast.Constant)
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {text}"
