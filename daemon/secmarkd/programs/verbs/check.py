# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb check: every mistake of the configuration, or notes if there is none."""

from __future__ import annotations

import argparse

from secmarkd.adapters.loading.process import load
from secmarkd.config.directories import folders_of
from secmarkd.config.trust import warnings_about
from secmarkd.errors import ConfigError, Problem
from secmarkd.events import count
from secmarkd.programs.notes import notes_json, notes_of, print_notes
from secmarkd.programs.output import Output
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit, exit_for


def check(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Load and compile. Mistakes are printed as errors, or are part of the JSON."""
    out = Output.on(tools.out)
    try:
        loaded, label_map = load(arguments.config_dir)
    except ConfigError as error:
        warnings = warnings_about(folders_of(arguments.config_dir))
        if not arguments.json:
            print_notes(warnings, out)
            raise
        problems = [_plain(each) for each in error.problems]
        out.json({"ok": False, "problems": problems, "notes": notes_json(warnings)})
        return exit_for(error)
    notes = notes_of(loaded, tools.read_network(), tools.open_policy())
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


def _plain(problem: Problem) -> dict[str, str | int]:
    return {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}
