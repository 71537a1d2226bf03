# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists, tables and texts over several lines that are not closed, or may not take several."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from secmarkd.config.syntax.tokens import Statement, tokens
from secmarkd.config.syntax.values import without_comment
from secmarkd.mistakes.advice import Mistake, prose, rewrite

NEW_STATEMENT = re.compile(r"\s*(?:\[{1,2}[A-Za-z\"'][^,\]]*\]{1,2}\s*(?:#.*)?|[A-Za-z0-9_.\"'-]+\s*=[^=].*)")


def block_mistake(lines: list[str], line: int, statement: Statement) -> tuple[int, Mistake] | None:
    """The line of what is not closed, and what to write; None where nothing is open, or what is wrong is another thing."""
    if statement.open_string:
        return statement.open_string, Mistake(
            f"the text that begins on line {statement.open_string} has no closing three quotes",
            prose("write three quotes where it ends, or a text on one line"),
        )
    if not statement.open_brackets:
        return None
    bracket, _, opened = statement.open_brackets[-1]
    if bracket == "{":
        return _inline_table(lines, opened)
    last = min(line, len(lines))
    ended = line > len(lines) or not any(each.strip() for each in lines[line - 1 :])
    if ended or (line > opened and NEW_STATEMENT.fullmatch(lines[line - 1])):
        return _not_closed(lines, opened, last if ended else line - 1)
    return None


def _not_closed(lines: list[str], opened: int, last: int) -> tuple[int, Mistake]:
    """A list that the end of the file, or the next key, comes before."""
    while last > opened and not without_comment(lines[last - 1]).strip():
        last -= 1
    text = without_comment(lines[last - 1]).rstrip()
    where = "" if last == opened else f" on line {last}"
    fixed = f"{text}]"
    wrong = "the list that begins here has no closing ]"
    if not _is_toml("\n".join([*lines[opened - 1 : last - 1], fixed])):
        return opened, Mistake(wrong, prose("write ] where it ends"))
    return opened, Mistake(wrong, rewrite(last, last, fixed, f"write {fixed.strip()}{where}"))


def comma_mistake(lines: list[str], line: int, first_line: int) -> tuple[int, Mistake] | None:
    """An item of a list on a line of its own without a comma before the next."""
    before = line - 1
    while before > first_line and not without_comment(lines[before - 1]).strip():
        before -= 1
    text = without_comment(lines[before - 1]).rstrip()
    whole = f"{text}]" if before == first_line else f"x = {text.strip()}"
    if before < first_line or text.endswith((",", "[", "{", "=")) or not _is_toml(whole):
        return None
    wrong = "the items of a list are separated by commas"
    return before, Mistake(wrong, rewrite(before, before, f"{text},", f"write {text.strip()},"))


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return False
    return True


def _inline_table(lines: list[str], opened: int) -> tuple[int, Mistake]:
    """`{` whose line ends before its `}`, or whose keys are not separated as they have to be."""
    joined, last = _joined(lines, opened)
    wrong = "a table in { } stands on one line"
    if last == opened:
        wrong = "in a table in { }, key = value and the next are separated by a comma, and none stands before the }"
    if not joined:
        other = "write all of it on one line, or as a table with a header of its own, [[labels.NAME.match]]"
        return opened, Mistake(wrong, prose(other))
    shown = joined.strip() if len(joined) < 160 else f"{joined.strip()[:160]}…"
    return opened, Mistake(wrong, rewrite(opened, last, joined, f"write {shown}"))


def _joined(lines: list[str], opened: int) -> tuple[str, int]:
    """The lines from the one on which the table begins to the one on which it ends, as one; empty where that is no TOML."""
    text = ""
    for last in range(opened, min(opened + 200, len(lines)) + 1):
        part = without_comment(lines[last - 1]).strip()
        needs_comma = text and part and text[-1] not in "{[," and part[0] not in "}],"
        text += (", " if needs_comma else " " if text else "") + part
        if _balanced(text):
            indent = lines[opened - 1][: len(lines[opened - 1]) - len(lines[opened - 1].lstrip())]
            return next((indent + each for each in _cleaner(text) if _stands(each)), ""), last
    return "", opened


def _cleaner(text: str) -> Iterator[str]:
    """The text with its commas where they belong, and with = in place of JSON's colons."""
    clean = re.sub(r",\s*}", " }", re.sub(r"\s+,", ",", text))
    yield clean
    yield re.sub(r"([\]\"'])\s+(?=[A-Za-z_]+\s*=)", r"\1, ", clean)
    yield re.sub(r"\"?([A-Za-z_]+)\"?\s*:\s*", r"\1 = ", clean)


def _stands(text: str) -> bool:
    """Whether it can stand as it is: `key = value`, or an item of a list, which a comma may follow."""
    item = text.removesuffix(",").removesuffix("]") if not re.match(r"[A-Za-z0-9_.\"'-]+\s*=", text) else None
    return _is_toml(text) if item is None else _is_toml(f"x = {item}")


def _balanced(text: str) -> bool:
    depth = 0
    for token in tokens(text):
        depth += token.text in ("[", "{")
        depth -= token.text in ("]", "}")
    return depth == 0
