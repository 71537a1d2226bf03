# SPDX-License-Identifier: GPL-2.0-or-later
"""What ARCHITECTURE.md says of the tests is so: every fault of its matrix is held by a test that exists, or explained."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

PROGRAM = REPOSITORY / "daemon/secmarkd"
FAULTS = 49
SENTENCE = re.compile(r"\w+[^.!?]{10,}[.!?](\s|$)")
NODE = re.compile(r"`((?:tests/)?[\w/.-]+\.py)((?:::\w+)*)(?:\[[\w-]+\])?`")
"""A test in backquotes: file, and what follows it."""


def matrix() -> dict[int, str]:
    """The rows of the table `Fault matrix`, by number: what is said after the fault."""
    _, found, rest = (REPOSITORY / "ARCHITECTURE.md").read_text().partition("Fault matrix")
    assert found, "ARCHITECTURE.md has no fault matrix"
    rows: dict[int, str] = {}
    for line in rest.splitlines():
        cells = [each.strip() for each in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if line.startswith("|") and cells[0].isdigit():
            assert int(cells[0]) not in rows, f"row {cells[0]} is there twice"
            rows[int(cells[0])] = " ".join(cells[2:])
        elif line.startswith("#") and rows:
            break
    return rows


@functools.cache
def names(file: Path) -> frozenset[str]:
    """`function` and `Class::function` of everything that a file defines."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.FunctionDef(name):
                found.add(name)
            case ast.ClassDef(name, body=body):
                inner = [each for each in ast.walk(ast.Module(body, [])) if isinstance(each, ast.FunctionDef)]
                found |= {name, *(f"{name}::{each.name}" for each in inner)}
            case _:
                pass
    return frozenset(found)


def exists(path: str, what: str) -> bool:
    """Whether a file, given from the repository or from `tests/`, defines it."""
    file = next((each for each in (REPOSITORY / path, REPOSITORY / "tests" / path) if each.is_file()), None)
    name = what.removeprefix("::")
    return file is not None and (not name or name in names(file))


def test_the_fault_matrix_has_every_row() -> None:
    assert sorted(matrix()) == list(range(1, FAULTS + 1))


def test_every_fault_is_held_by_a_test_or_a_sentence_says_why_it_cannot_be() -> None:
    held = {number: bool(NODE.search(said)) or bool(SENTENCE.search(said)) for number, said in matrix().items()}
    assert [number for number, good in held.items() if not good] == []


def test_every_test_that_the_fault_matrix_names_exists() -> None:
    named = [(number, *found) for number, said in matrix().items() for found in NODE.findall(said)]
    assert named
    assert [each for each in named if not exists(each[1], each[2])] == []


@pytest.mark.parametrize(
    "package", sorted(each.parent for each in PROGRAM.rglob("__init__.py")), ids=lambda path: path.name
)
def test_a_package_lists_its_modules(package: Path) -> None:
    listed = set(re.findall(r"^\s*(\w+)/?  +\w", (package / "__init__.py").read_text(), re.MULTILINE))
    modules = {each.stem for each in package.glob("*.py")} | {
        each.parent.name for each in package.glob("*/__init__.py")
    }
    missing = modules - listed - {"__init__", "__pycache__"}
    assert missing == set()
