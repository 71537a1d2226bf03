# SPDX-License-Identifier: GPL-2.0-or-later
"""What secmarkctl writes: text with colours where somebody looks, JSON where a script reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

from secmarkd.errors import SecmarkdError


class Colour(StrEnum):
    """Meanings, as terminal sequences."""

    GOOD = "\x1b[32m"
    BAD = "\x1b[31m"
    CHANGED = "\x1b[33m"
    HEAD = "\x1b[1m"
    FAINT = "\x1b[2m"


_RESET = "\x1b[0m"


class OutputFailed(SecmarkdError):
    """What there is to say cannot be written: a full disk, a device that is gone."""


class ReaderGone(Exception):
    """Whoever read the output has had enough, as `head` has after ten lines."""


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
        self.write(f"{self.paint(text, colour)}\n")

    def paint(self, text: str, colour: Colour | None) -> str:
        """The text, coloured where the stream takes that."""
        return f"{colour}{text}{_RESET}" if colour and self.colours and text else text

    def json(self, value: Any) -> None:
        """One JSON document."""
        self.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def write(self, text: str) -> None:
        """The text as it is. Raises OutputFailed and ReaderGone, as `flush` does."""
        with output_errors(self.stream):
            self.stream.write(text)

    def flush(self) -> None:
        """Whatever is still on its way."""
        with output_errors(self.stream):
            self.stream.flush()


@contextmanager
def output_errors(stream: TextIO) -> Iterator[None]:
    """What goes wrong with the stream, as OutputFailed or ReaderGone."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):  # Python flushes stdout at exit, which would fail once more
            number = stream.fileno()
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise OutputFailed(f"cannot write the output: {error.strerror}") from None
