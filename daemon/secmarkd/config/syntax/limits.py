# SPDX-License-Identifier: GPL-2.0-or-later
"""What would take the parser, or our own positions, too long, or too deep: refused before they see it.

A parser needs a step for each pair of parts of a dotted key, and a level of its stack for each bracket inside another.
"""

from __future__ import annotations

import re

from secmarkd.config.syntax.tokens import tokens
from secmarkd.mistakes.advice import Mistake, prose

MAX_DOTS = 31
"""In one key. The longest that means something here has four."""
MAX_DEPTH = 32
"""Brackets in brackets."""
MAX_KEY = 1000
"""Characters of a key's part or of a number: a run without quotes."""

_RUN = re.compile(r"[^\s\"'#\[\]{}=,.]+")


def beyond_limits(text: str) -> tuple[int, Mistake] | None:
    """The line, and what is too much there; None where nothing is. Takes time in proportion to the text."""
    line, depth, dots = 1, 0, 0
    for token in tokens(text):
        match token.text:
            case "\n" | "," | "=":
                dots = 0
            case "[" | "{":
                depth, dots = depth + 1, 0
            case "]" | "}":
                depth, dots = max(depth - 1, 0), 0
            case ".":
                dots += 1
            case run if token.kind == "other" and len(run) > MAX_KEY:
                if mistake := _long_run(run):
                    return line, mistake
        if dots > MAX_DOTS:
            wrong = f"a key has more than {MAX_DOTS} dots"
            return line, Mistake(wrong, prose("keys have a few parts only, as in labels.http.tcp"))
        if depth > MAX_DEPTH:
            wrong = f"more than {MAX_DEPTH} brackets are open at once"
            return line, Mistake(wrong, prose("lists and tables are nested two or three deep at most"))
        line += token.text.count("\n")
    return None


def _long_run(text: str) -> Mistake | None:
    longest = max(_RUN.findall(text), key=len, default="")
    if len(longest) <= MAX_KEY:
        return None
    if re.fullmatch(r"[-+]?(?:0[xob])?[0-9a-fA-F_]+", longest):
        return Mistake(f"a number has {len(longest)} digits", prose("write one that fits, such as a port of 1-65535"))
    return Mistake(
        f"a word has {len(longest)} characters", prose(f"keys have at most {MAX_KEY}, and texts go in quotes")
    )
