# SPDX-License-Identifier: GPL-2.0-or-later
"""The wall clock may jump: nothing that the service does depends on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import secmarkd

SOURCE = Path(secmarkd.__file__).parent
WALL = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "asctime", "mktime", "clock_gettime"},
    "datetime": {"now", "utcnow", "today", "fromtimestamp"},
}
"""What reads the wall clock or words its time; no text of the service has a time either, the journal gives its own."""


def uses(source: str) -> Iterator[str]:
    """Names of the wall clock in a module: by attribute, or imported from where they are."""
    names = set().union(*WALL.values())
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in names - {"time"}:
                yield f"line {node.lineno}: {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="time")):
                yield f"line {node.lineno}: time.time"
            case ast.ImportFrom(module=module, names=imported) if module in WALL:
                for each in imported:
                    if each.name in WALL[module]:
                        yield f"line {node.lineno}: from {module} import {each.name}"


@pytest.mark.parametrize(
    "source",
    ["import time\ntime.time()", "from time import time", "import datetime\ndatetime.datetime.now()", "x.utcnow()"],
)
def test_the_wall_clock_would_be_found(source: str) -> None:
    assert len(list(uses(source))) == 1


@pytest.mark.fault(42)
def test_no_module_asks_the_wall_clock() -> None:
    modules = sorted(SOURCE.rglob("*.py"))
    assert len(modules) > 50
    found = {str(module.relative_to(SOURCE)): list(uses(module.read_text())) for module in modules}
    assert {name: each for name, each in found.items() if each} == {}
