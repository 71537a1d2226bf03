# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/FAULTS.md: what can go wrong, what secmarkd does then, and which tests show it.

`make faults` writes it from tests/faults.toml and from the marks `@pytest.mark.fault(NUMBER, …)` on tests, classes and
modules (`pytestmark = …`). The files are parsed, not imported, so that every lane's tests are found on every machine.
"""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
HEAD = """\
# Faults

Made by `make faults` from [faults.toml](faults.toml) and the marks on the tests; do not edit.

| # | fault | answer | shown by |
|---|---|---|---|
"""


def render(tests: Path = REPOSITORY / "tests") -> str:
    """The page. ValueError for a mark whose number no fault has, and for a fault that no test shows."""
    faults = tomllib.loads((tests / "faults.toml").read_text())
    shown: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("*.py")):
        for number, name in marks(ast.parse(path.read_text())):
            shown[str(number)].append("::".join(filter(None, (str(path.relative_to(tests)), name))))
    if unknown := shown.keys() - faults.keys():
        raise ValueError(f"no fault has the number {', '.join(sorted(unknown))}")
    if silent := [number for number, fault in faults.items() if number not in shown and "unshown" not in fault]:
        raise ValueError(f"no test shows fault {', '.join(silent)}")
    return HEAD + "".join(
        f"| {number} | {fault['fault']} | {' '.join(filter(None, (fault['answer'], fault.get('unshown'))))} "
        f"| {', '.join(f'`{each}`' for each in shown[number])} |\n"
        for number, fault in faults.items()
    )


def marks(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Number and name of what is marked; for the module itself the name is empty."""
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name("pytestmark")], value=value):
                yield from ((number, "") for number in _numbers(value))
            case ast.FunctionDef() | ast.ClassDef():
                yield from ((number, node.name) for each in node.decorator_list for number in _numbers(each))
        if isinstance(node, ast.ClassDef):
            inner = (each for each in node.body if isinstance(each, ast.FunctionDef))
            for test in inner:
                for each in test.decorator_list:
                    yield from ((number, f"{node.name}::{test.name}") for number in _numbers(each))


def _numbers(node: ast.expr) -> Iterator[int]:
    """Those of `pytest.mark.fault(…)`, also in a list of marks."""
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _numbers(part)
        case ast.Call(func=ast.Attribute(attr="fault"), args=numbers):
            yield from (
                each.value for each in numbers if isinstance(each, ast.Constant) and isinstance(each.value, int)
            )


if __name__ == "__main__":
    (REPOSITORY / "tests/FAULTS.md").write_text(render())
