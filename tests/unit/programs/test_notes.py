# SPDX-License-Identifier: GPL-2.0-or-later
"""What is worth knowing about a configuration that has no mistake there, as text and as JSON."""

from __future__ import annotations

import io

from secmarkd.model.label_map import Origin
from secmarkd.model.note import Note, Severity, note_at
from secmarkd.programs.notes import notes_json, print_notes
from secmarkd.programs.output import Output

ORIGIN = Origin("/etc/secmarkd/labels.d/50-web.toml", 3, "labels.http.interface")


def test_a_note_names_its_place_and_a_warning_is_said_to_be_one() -> None:
    out = io.StringIO()
    print_notes(
        [note_at(ORIGIN, "no such interface"), Note("writable", "/etc", severity=Severity.WARNING)], Output(out)
    )
    assert out.getvalue() == (
        "note: /etc/secmarkd/labels.d/50-web.toml:3: labels.http.interface: no such interface\nwarning: /etc: writable\n"
    )


def test_a_note_as_json_has_the_keys_of_a_problem_and_its_severity() -> None:
    assert notes_json([note_at(ORIGIN, "no such interface")]) == [
        {
            "severity": "note", "file": ORIGIN.file, "line": 3, "key": ORIGIN.key, "message": "no such interface",
        }
    ]  # fmt: skip


def test_what_others_chose_stays_on_the_notes_line() -> None:
    assert str(Note("named\nerror: x", "a\x1bb", key="c\rd")) == "a\\x1bb: c\\rd: named\\nerror: x"
