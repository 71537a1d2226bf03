# SPDX-License-Identifier: GPL-2.0-or-later
"""Records what the kernel's headers number, so that any machine can hold `secmarkd.netlink.numbers` against it.

`python -m tests.support.header_numbers` writes RECORDED, of all names that secmarkd has, where the headers are installed
(linux-libc-dev on Debian, kernel-headers on Fedora).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from secmarkd.netlink.numbers import Numbers

RECORDED = Path(__file__).parents[1] / "golden" / "kernel" / "numbers.txt"
_INCLUDE = Path("/usr/include/linux")
_HEADERS = (
    "netlink.h",
    "netfilter.h",
    "netfilter/nfnetlink.h",
    "netfilter/nf_tables.h",
    "netfilter/nf_tables_compat.h",
)
_NEWER = {"NFTA_SET_TYPE": 19, "NFTA_SET_COUNT": 20}
"""What headers before Linux 6.16 do not have."""
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^#define[ \t]+(\w+)[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_ENUM = re.compile(r"enum\s*\w*\s*\{(.*?)\}", re.DOTALL)
_OPERATORS = ("|", "+", "<<")
_TERM = re.compile(r"0x[0-9a-fA-F]+|\d+|\w+|<<|[|+]")


def recorded() -> dict[str, int]:
    """Every recorded name with its number."""
    return {name: int(value) for name, value in (line.split() for line in RECORDED.read_text().splitlines())}


def expected_names() -> set[str]:
    """The headers' names of all numbers that secmarkd has."""
    return {f"{table.prefix}{name}" for table in Numbers.__subclasses__() for name in vars(table) if name.isupper()}


def _numbers() -> Iterator[tuple[str, int]]:
    known: dict[str, int] = {}
    for header in _HEADERS:
        text = _COMMENT.sub("", (_INCLUDE / header).read_text())
        for name, expression in _DEFINE.findall(text):
            if (value := _value(expression, known)) is not None:
                known[name] = value
        for body in _ENUM.findall(re.sub(r"^#.*$", "", text, flags=re.MULTILINE)):
            following: int | None = 0
            for each in filter(None, map(str.strip, body.split(","))):
                name, given, expression = each.partition("=")
                value = _value(expression, known) if given else following
                following = None if value is None else value + 1
                if value is not None:
                    known[name.strip()] = value
    yield from known.items()


def _value(expression: str, known: dict[str, int]) -> int | None:
    """Of numbers and names, a shift, a sum or ORs of them; None for anything else."""
    terms = _TERM.findall(expression)
    if "".join(terms) != re.sub(r"[\s()]", "", expression):
        return None
    values = [
        term if term in _OPERATORS else int(term, 0) if term[0].isdigit() else known.get(term) for term in terms
    ]
    match values:
        case [int(only)]:
            return only
        case [int(left), "|", int(right)]:
            return left | right
        case [int(left), "+", int(right)]:
            return left + right
        case [int(left), "<<", int(right)]:
            return left << right
    return None


def main() -> None:
    """Write what the headers say of the names that secmarkd has."""
    found = {**_NEWER, **dict(_numbers())}
    lines = [f"{name} {found[name]}\n" for name in sorted(expected_names() & found.keys())]
    RECORDED.write_text("".join(lines))


if __name__ == "__main__":
    main()
