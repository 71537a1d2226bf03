# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration file's text, read so that a file caught in the middle of being written is noticed; and its TOML."""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from secmarkd.config.directories import Found
from secmarkd.config.syntax.diagnosis import encoding_problem, syntax_problem, utf16_problem
from secmarkd.config.syntax.limits import beyond_limits
from secmarkd.config.toml_positions import Path, Positions
from secmarkd.errors import Problem, one_line
from secmarkd.mistakes.advice import Mistake, prose
from secmarkd.mistakes.words import short
from secmarkd.model.label_map import Layer

MAX_BYTES = 64 << 20
"""A file above this is refused: it is no configuration, and would cost a gigabyte to parse."""

ATTEMPTS = 5
PAUSE = 0.02
"""Seconds between two reads that differed: a writer is at work and needs time to finish."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


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

    @property
    def last_line(self) -> int:
        """The number of its lines."""
        return self._text.count("\n") + 1

    def problem(self, path: Path, wrong: str | Mistake) -> Problem:
        """A mistake at `path` in this file."""
        fixes = wrong.fixes if isinstance(wrong, Mistake) else ()
        return Problem(self.path, self.positions.line(path), dotted(path), str(wrong), fixes)


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
            name = short(name)
            text += f".{name}" if text else name
    return text


def snapshot(path: str) -> Snapshot:
    """Read a regular file once. OSError where it cannot be; ValueError, saying why, for what is no file or too large."""
    with open(path, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev:
            return Snapshot((found.st_dev, found.st_ino, 0, 0), b"")
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is not a regular file")
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
    raise Mistake("keeps changing while it is read", prose("write a new file and rename it into place"))


def read_document(found: Found) -> Document | Problem:
    """The file as a document, or why it is none."""
    try:
        content = read_stable(found.path)
    except ValueError as error:
        return _unread(found.path, 0, error if isinstance(error, Mistake) else str(error))
    except FileNotFoundError:
        mistake = Mistake(
            "is a symbolic link to nothing", prose("remove it, or let it point to /dev/null to mask the name")
        )
        wrong = mistake if os.path.islink(found.path) else "vanished while it was read"
        return _unread(found.path, 0, wrong)
    except IsADirectoryError:
        return Problem(found.path, 0, "", "is a directory; a file is needed here")
    except OSError as error:
        return Problem(found.path, 0, "", f"cannot be read: {error.strerror}")
    return parse_document(found, content)


def parse_document(found: Found, content: bytes) -> Document | Problem:
    """What the bytes of a file say, or why they say nothing. A mark of UTF-8 at the beginning, which many editors write, is
    no part of the text."""
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        return encoding_problem(found.path, content, error)
    if text[:64].count("\0") > len(text[:64]) // 4:
        return utf16_problem(found.path)
    if beyond := beyond_limits(text):
        return _unread(found.path, *beyond)
    try:
        return Document(found, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return syntax_problem(found.path, text, error)
    except (RecursionError, ValueError):  # Python's own limits; `limits` should have found what is beyond them
        return Problem(found.path, 1, "", "the file has something that is too long or too deeply nested")


def _unread(path: str, line: int, wrong: str | Mistake) -> Problem:
    return Problem(path, line, "", str(wrong), wrong.fixes if isinstance(wrong, Mistake) else ())
