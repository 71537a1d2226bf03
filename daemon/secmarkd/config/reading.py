"""A configuration file's text, read so that a file caught in the middle of being written is noticed; and its TOML."""

from __future__ import annotations

import json
import os
import re
import stat
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from secmarkd.config.folders import Found
from secmarkd.config.toml_positions import Path, Positions
from secmarkd.errors import Problem, one_line
from secmarkd.model.labels import Layer

MAX_BYTES = 64 << 20
"""A file above this is refused: it is no configuration, and would cost a gigabyte to parse."""

ATTEMPTS = 5
PAUSE = 0.02
"""Seconds between two reads that differed: a writer is at work and needs time to finish."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER = re.compile(r"[0-9_]{4300}")
_CLEARER = {
    "Cannot overwrite a value": "this key was given before; keep one of the two",
    "Cannot declare": "this table was written before; put all of its keys under one header",
    "Unclosed array": "the list that begins above has no closing ]",
    "Invalid value": "here a value is missing, or a text without quotes",
    "Illegal character '\\n'": "the text has no closing quote on this line",
    "Invalid statement": "this is neither key = value, nor a [table], nor a # comment",
}
"""tomllib's words that need explaining; all others are passed on."""


class Document:
    """One file of the configuration: its path, who wrote it, and what TOML makes of it."""

    def __init__(self, found: Found, text: str, data: dict[str, object]) -> None:
        self.path = one_line(found.path)
        self.layer: Layer = found.layer
        self.height = found.height
        self.data = data
        self._text = text

    @cached_property
    def positions(self) -> Positions:
        """The lines of its keys and items; scanned when first asked for."""
        return Positions(self._text)

    def problem(self, path: Path, message: str) -> Problem:
        """A mistake at `path` in this file."""
        return Problem(self.path, self.positions.line(path), dotted(path), message)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One read of a file. Two that are equal were made of a file that nobody was changing."""

    identity: tuple[int, int, int, int]
    """Device, inode, size, time of the last change in nanoseconds."""
    content: bytes


def dotted(path: Path) -> str:
    """The path as people write it: `labels.http.tcp[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def snapshot(path: str) -> Snapshot:
    """Read a regular file once. OSError where it cannot be; ValueError, saying why, for what is no file or too large."""
    with open(path, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev:
            return Snapshot((found.st_dev, found.st_ino, 0, 0), b"")
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is no regular file")
        if found.st_size > MAX_BYTES:
            raise ValueError(f"has {found.st_size} bytes; at most {MAX_BYTES} are read")
        content = file.read(found.st_size + 1)  # a file that grows is then longer than it says
    return Snapshot((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), content)


def _without_waiting(path: str, flags: int) -> int:
    """Open as asked; a pipe that nobody writes to would otherwise hang the service."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_stable(path: str, read: Callable[[str], Snapshot] = snapshot) -> bytes:
    """The content once two reads in a row agree; ValueError when it never comes to rest, and as `snapshot` does."""
    before = read(path)
    for attempt in range(ATTEMPTS):
        after = read(path)
        if after == before and len(after.content) == after.identity[2]:
            return after.content
        before = after
        if attempt < ATTEMPTS - 1:
            time.sleep(PAUSE)
    raise ValueError("keeps changing while it is read; write a new file and rename it into place")


def read_document(found: Found) -> Document | Problem:
    """The file as a document, or why it is none."""
    try:
        text = read_stable(found.path).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        wrong = f"byte {error.object[error.start]:#04x} is not UTF-8; TOML files are UTF-8"
        return Problem(found.path, line, "", wrong)
    except ValueError as error:
        return Problem(found.path, 0, "", str(error))
    except FileNotFoundError:
        wrong = "is a symbolic link to nothing; mend or remove it, or let it point to /dev/null to mask the name"
        return Problem(found.path, 0, "", wrong if os.path.islink(found.path) else "vanished while it was read")
    except IsADirectoryError:
        return Problem(found.path, 0, "", "is a folder; a file is needed here")
    except OSError as error:
        return Problem(found.path, 0, "", f"cannot be read: {error.strerror}")
    try:
        return Document(found, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return _syntax_problem(found.path, text, str(error))
    except RecursionError:
        return Problem(found.path, 0, "", "lists or tables are nested too deeply")
    except ValueError as error:  # Python's, not tomllib's: int() takes no more digits (sys.get_int_max_str_digits)
        number = _LONG_NUMBER.search(text)
        line = text.count("\n", 0, number.start()) + 1 if number else 0
        return Problem(found.path, line, "", "a number has thousands of digits" if number else str(error))


def _syntax_problem(path: str, text: str, wrong: str) -> Problem:
    """tomllib's complaint, whose place stands in its text until Python 3.14."""
    place = _PLACE.search(wrong)
    wrong = _PLACE.sub("", wrong)
    words = next((words for start, words in _CLEARER.items() if wrong.startswith(start)), wrong)
    if place is None or place[1] is None:
        return Problem(path, text.rstrip("\n").count("\n") + 1, "", f"not TOML at the end of the file: {words}")
    return Problem(path, int(place[1]), "", f"not TOML in column {place[2]}: {words}")
