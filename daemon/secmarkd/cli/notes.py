"""Notes as the verbs write them: a line each for people, an object each for scripts. They never change an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from secmarkd.cli.output import Colour, Output
from secmarkd.model.note import Note, Severity


def print_notes(notes: Iterable[Note], out: Output) -> None:
    """`note: FILE:LINE: KEY: MESSAGE` each, `warning: …` where something should be fixed."""
    for note in notes:
        out.line(note.text, Colour.CHANGED if note.severity is Severity.WARNING else None)


def notes_json(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """Objects with the keys of a problem, and the severity."""
    return [
        {"severity": note.severity, "file": note.file, "line": note.line, "key": note.key, "message": note.message}
        for note in notes
    ]
