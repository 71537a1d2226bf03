"""What secmarkctl writes: text with colours where somebody looks, JSON where a script reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO


class Colour(StrEnum):
    """Meanings, as terminal sequences."""

    GOOD = "\x1b[32m"
    BAD = "\x1b[31m"
    CHANGED = "\x1b[33m"
    HEAD = "\x1b[1m"
    FAINT = "\x1b[2m"


_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Output:
    """A stream, and whether it takes colours."""

    stream: TextIO
    colours: bool = False

    @classmethod
    def on(cls, stream: TextIO, environment: Mapping[str, str] = os.environ) -> Output:
        """Colours on a terminal, unless NO_COLOR is set (no-color.org) or the terminal is dumb."""
        plain = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
        return cls(stream, stream.isatty() and not plain)

    def line(self, text: str = "", colour: Colour | None = None) -> None:
        """One line."""
        self.stream.write(f"{self.paint(text, colour)}\n")

    def paint(self, text: str, colour: Colour | None) -> str:
        """The text, coloured where the stream takes that."""
        return f"{colour}{text}{_RESET}" if colour and self.colours and text else text

    def json(self, value: Any) -> None:
        """One JSON document."""
        json.dump(value, self.stream, indent=2, ensure_ascii=False)
        self.stream.write("\n")
