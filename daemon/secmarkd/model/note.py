# SPDX-License-Identifier: GPL-2.0-or-later
"""What is worth knowing about a configuration that has no mistake there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secmarkd.errors import one_line
from secmarkd.model.label_map import Origin


class Severity(StrEnum):
    """How much a note matters."""

    NOTE = "note"
    """Perhaps as intended."""
    WARNING = "warning"
    """Should be fixed."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note: what is so and, for a warning, the fix. It never changes an exit code."""

    message: str
    file: str = ""
    """Where the cause is written; empty where it is not in a file."""
    line: int = 0
    """1-based; 0 where no line can be named."""
    key: str = ""
    """Dotted, as in `labels.http.tcp`; empty where the file as a whole is meant."""
    severity: Severity = Severity.NOTE

    def __post_init__(self) -> None:
        for name in ("message", "file", "key"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)

    @property
    def text(self) -> str:
        """A line for people: `note: FILE:LINE: KEY: MESSAGE`."""
        return f"{self.severity}: {self}"


def note_at(origin: Origin, message: str, severity: Severity = Severity.NOTE) -> Note:
    """A note about what is written there."""
    return Note(message, origin.file, origin.line, origin.key, severity)
