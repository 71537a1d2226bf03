# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the advice of a problem to the letter: what the message says is written into the file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from secmarkd.config.directories import folders_of
from secmarkd.config.load import load
from secmarkd.errors import ConfigError, Fix, Problem
from secmarkd.mistakes.advice import toml, toml_key

Step = str | int
_STEP = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_-]+))|\[([0-9]+)\]')


def path_of(key: str) -> list[Step]:
    """The steps of a problem's key, as it is written in messages."""
    steps: list[Step] = []
    for quoted, bare, index in _STEP.findall(key):
        steps.append(int(index) if index else bare or tomllib.loads(f'x = "{quoted}"')["x"])
    return steps


def problems_of(text: str, folder: Path, name: str = "labels.d/10-a.toml") -> tuple[Problem, ...]:
    """What is wrong with a configuration that is this one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    try:
        load(folders_of([str(folder)]))
    except ConfigError as error:
        return error.problems
    finally:
        path.unlink()
    return ()


def variants(fix: Fix) -> list[Fix]:
    """The advice, once for each of several examples."""
    return [replace(fix, items=(item,)) for item in fix.items] if fix.example and fix.items else [fix]


def followed(text: str, problem: Problem, fix: Fix) -> str:
    """The text of the file once the advice was followed."""
    assert not fix.prose
    if fix.lines is not None:
        first, last, written = fix.lines
        lines = text.replace("\r\n", "\n").split("\n")
        lines[first - 1 : last] = written.split("\n")
        return "\n".join(lines)
    data = tomllib.loads(text)
    _apply(data, path_of(problem.key), fix)
    return "".join(f"{toml_key(key)} = {toml(value)}\n" for key, value in data.items())


def _value(text: str) -> Any:
    return tomllib.loads(f"x = {text}")["x"]


def _apply(data: dict[str, Any], path: list[Step], fix: Fix) -> None:
    containers: list[Any] = [data]
    for step in path[:-1]:
        containers.append(containers[-1][step])
    inner, last = containers[-1], path[-1]
    tables = [each for each in containers if isinstance(each, dict)]
    table = inner[last] if isinstance(inner[last], dict) and fix.stays else tables[-1]
    if fix.rename:
        _rename(data, inner, last, fix.rename)
    elif not fix.stays:
        _replace(containers, path, fix)
    for key, text in fix.beside:
        value = _value(text)
        there = table.get(key)
        table[key] = [*there, *value] if isinstance(there, list) and isinstance(value, list) else value


def _rename(data: dict[str, Any], inner: Any, last: Step, name: str) -> None:
    value = inner.pop(last)
    where = data if re.match(r"(labels|context|default)\.", name) else inner
    *above, key = path_of(name)
    for step in above:
        where = where.setdefault(str(step), {})
    where[str(key)] = value
    for label, table in list(data.get("labels", {}).items()):
        if table == {}:
            del data["labels"][label]


def _replace(containers: list[Any], path: list[Step], fix: Fix) -> None:
    inner, last = containers[-1], path[-1]
    if not isinstance(last, int):
        if fix.items:
            (inner[last],) = map(_value, fix.items)
        else:
            del inner[last]
        return
    if not fix.whole:
        inner[last : last + 1] = map(_value, fix.items)
    if fix.whole or not inner:
        del containers[-2][path[-2]]
