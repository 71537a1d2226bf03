"""The verb check: every mistake of the configuration, and what is worth knowing where there is none."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict

from secmarkd.cli.notes import notes_json, print_notes
from secmarkd.cli.output import Output
from secmarkd.cli.rules import place
from secmarkd.cli.tools import Tools
from secmarkd.errors import ConfigError
from secmarkd.events import count
from secmarkd.model.labels import LabelMap
from secmarkd.model.note import Note, note_at
from secmarkd.service.exits import Exit, exit_for
from secmarkd.service.loading import Loaded, load


def check(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Load and compile. Mistakes are printed by the boundary, or are a part of the JSON."""
    out = Output.on(tools.out)
    try:
        loaded, label_map = load(arguments.config_dir)
    except ConfigError as error:
        if not arguments.json:
            raise
        out.json({"ok": False, "problems": [asdict(each) for each in error.problems], "notes": []})
        return exit_for(error)
    notes = [*_replaced(loaded), *_waiting(loaded, label_map), *loaded.notes]
    counts = {
        "labels": loaded.label_count, "rules": len(label_map.rules), "elements": loaded.table.element_count(),
    }  # fmt: skip
    if arguments.json:
        out.json({"ok": True, "problems": [], "notes": notes_json(notes), "mode": loaded.settings.mode, **counts})
        return Exit.OK
    print_notes(notes, out)
    sizes = ", ".join(count(number, what.removesuffix("s")) for what, number in counts.items())
    out.line(f"no mistakes: mode {loaded.settings.mode}, {sizes}")
    return Exit.OK


def _replaced(loaded: Loaded) -> Iterator[Note]:
    """Labels that stand for others of the same name in lower folders."""
    for label in loaded.label_sources:
        if label.replaces:
            yield note_at(label.origin, f"replaces {', '.join(map(place, label.replaces))}")


def _waiting(loaded: Loaded, label_map: LabelMap) -> Iterator[Note]:
    """Where labels name cgroups that do not exist now, one for each label and cgroup."""
    missing = loaded.cgroups.difference(loaded.environment.cgroups)
    said: set[tuple[str, str]] = set()
    for rule in label_map.rules if missing else ():
        if rule.cgroup in missing and (rule.label, rule.cgroup) not in said:
            said.add((rule.label, rule.cgroup))
            message = f"waits for the cgroup {rule.cgroup}, which does not exist now"
            yield Note(message, rule.origin.file, rule.origin.line, f"labels.{rule.label}")
