# SPDX-License-Identifier: GPL-2.0-or-later
"""The sentences that the programs print, module by module, so that the English can be read and improved as a whole.

`python packaging/dev/generate/sentences.py`, which is `make sentences`, writes tests/golden/sentences/; a test fails when a
file is stale. They are the strings of the source that are no docstrings, with `{…}` where a value is put in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "daemon" / "secmarkd"
GOLDEN = REPOSITORY / "tests" / "golden" / "sentences"

FILES = {
    "programs.txt": ("programs", "service/exit_codes.py", "adapters/run/lock.py"),
    "journal.txt": ("events", "service", "reconcile.py", "adapters/systemd/journal.py"),
    "configuration.txt": ("config", "mistakes", "selectors", "compiler/contradiction.py", "adapters/host/names.py"),
    "errors.txt": ("errors.py", "adapters/nftables", "adapters/netlink", "adapters/loading", "workers/parent.py"),
}
"""What each file of GOLDEN is made from: directories and modules below SOURCE."""


def render(places: tuple[str, ...]) -> str:
    """The sentences of these directories and modules, each with the module above them."""
    parts = ["# Made by `make sentences` from daemon/secmarkd; do not edit.\n"]
    for path in sorted(path for place in places for path in _modules(SOURCE / place)):
        sentences = "".join(f"{text}\n" for text in dict.fromkeys(_sentences(path)))
        if sentences:
            parts.append(f"== {path.relative_to(SOURCE)}\n{sentences}")
    return "\n".join(parts)


def _modules(place: Path) -> list[Path]:
    return [place] if place.is_file() else list(place.rglob("*.py"))


def _sentences(path: Path) -> Iterator[str]:
    """Strings of more than one word, in the order of the source."""
    for text in _strings(ast.parse(path.read_text(encoding="utf-8"))):
        if " " in text.strip():
            yield text.rstrip("\n")


def _strings(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant()):
                pass  # a docstring
            case ast.JoinedStr(values=values):
                yield "".join(map(_text, values))
                for value in values:
                    if isinstance(value, ast.FormattedValue):
                        yield from _strings(ast.Expression(value.value))
            case ast.Constant(value=str(text)):
                yield text
            case _:
                yield from _strings(child)


def _text(node: ast.expr) -> str:
    """A part of an f-string: its text, or the expression whose value is put in."""
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.FormattedValue(value=value) if not any(isinstance(each, ast.JoinedStr) for each in ast.walk(value)):
            return f"{{{ast.unparse(value)}}}"
        case _:
            return "{…}"


def main() -> None:
    """Write the files."""
    GOLDEN.mkdir(exist_ok=True)
    for name, places in FILES.items():
        (GOLDEN / name).write_text(render(places), encoding="utf-8")


if __name__ == "__main__":
    main()
