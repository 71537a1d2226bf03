# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes as the verbs write them: a line each for people, an object each for scripts. They never change an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from secmarkd.compiler.loaded import Loaded
from secmarkd.model.host import HostNetwork
from secmarkd.model.label_map import Role
from secmarkd.model.names import Name
from secmarkd.model.note import Note, Severity, note_at
from secmarkd.model.sources import Mention, Thing
from secmarkd.ports import AccessQuestions
from secmarkd.programs.output import Colour, Output
from secmarkd.programs.rules import place
from secmarkd.programs.unmatched import unmatched
from secmarkd.service.forwarding import notes_on
from secmarkd.table.other_labels import OtherLabel, OtherLabels


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


def notes_of(
    loaded: Loaded, network: HostNetwork | None, policy: AccessQuestions, *, replaced: bool = True
) -> list[Note]:
    """The notes on a configuration without mistakes: warnings first, then by place. `replaced`: also which labels
    replace others.

    `network` is the network namespace that the verb runs in; None where it cannot be read: no notes about it then.
    """
    selectors = unmatched(loaded.mentions, roles_of(loaded), network) if network is not None else ()
    forwarding = notes_on(policy, loaded.forwarded)
    notes = (*(_replaced(loaded) if replaced else ()), *_waiting(loaded), *selectors, *forwarding, *loaded.notes)
    return sorted(notes, key=lambda note: (note.severity is Severity.NOTE, note.file, note.line))


def roles_of(loaded: Loaded) -> dict[str, frozenset[Role]]:
    """The roles of each label, by its name."""
    return {label.name: frozenset(role for role, _ in label.contexts) for label in loaded.label_sources}


def _replaced(loaded: Loaded) -> Iterator[Note]:
    """Labels that stand for others of the same name in lower directories."""
    for label in loaded.label_sources:
        if label.replaces:
            yield note_at(label.origin, f"replaces {', '.join(map(place, label.replaces))}")


def _waiting(loaded: Loaded) -> Iterator[Note]:
    """Where labels name what does not exist now, and so select nothing by it."""
    for mention in loaded.mentions:
        why = _reason(mention, loaded)
        if why:
            yield note_at(mention.origin, why)


def _reason(mention: Mention, loaded: Loaded) -> str:
    match mention.value:
        case Name() as name if name in loaded.missing:
            return f"waits for the {name}: {loaded.missing[name]}"
        case str(cgroup) if mention.thing is Thing.CGROUP and cgroup not in loaded.environment.cgroups:
            return f"waits for the cgroup {cgroup}, which does not exist yet"
        case _:
            return ""


def print_others(found: Iterable[OtherLabel], whole: bool, out: Output) -> None:
    """What else sets labels; a line each."""
    for each in found:
        out.line(f"note: {each}", Colour.CHANGED)
    if not whole:
        out.line("note: could not check all rules of other tables for labels that they set")


def others_json(others: OtherLabels) -> dict[str, Any]:
    """As `status` has them."""
    return {"other_labels": [asdict(each) for each in others.found], "other_labels_whole": others.whole}
