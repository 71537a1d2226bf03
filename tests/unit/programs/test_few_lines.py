# SPDX-License-Identifier: GPL-2.0-or-later
"""`apply` over another label map: a count of each label's elements, not a line for each."""

from __future__ import annotations

import io

from secmarkd.programs.differences import MOST_LINES, print_few
from secmarkd.programs.output import Output
from secmarkd.table.drift import Change, Drift, Thing


def printed(*drifts: Drift) -> list[str]:
    stream = io.StringIO()
    print_few(drifts, Output.on(stream))
    return stream.getvalue().splitlines()


def elements(change: Change, label: str, number: int) -> list[Drift]:
    missing = change is Change.MISSING
    return [
        Drift(
            Thing.ELEMENT, change, f"server_port {{ tcp . {port} }}",
            expected=label if missing else "", found="" if missing else label,
        )
        for port in range(1, number + 1)
    ]  # fmt: skip


def test_a_few_differences_have_a_line_each() -> None:
    assert printed(*elements(Change.MISSING, "s_http_server_packet_t", 2)) == [
        "+ server_port { tcp . 1 }",
        "      s_http_server_packet_t",
        "+ server_port { tcp . 2 }",
        "      s_http_server_packet_t",
    ]


def test_many_differences_are_counted_by_label() -> None:
    gone = elements(Change.UNEXPECTED, "s_http_server_packet_t", 500)
    new = elements(Change.MISSING, "c_ssh_server_packet_t", 300)
    rule = Drift(Thing.RULE, Change.MISSING, "chain input rule 2")
    assert printed(*gone, *new, rule) == [
        "- elements of http_server_packet_t: 500", "+ elements of ssh_server_packet_t: 300", "+ rule: 1",
    ]  # fmt: skip


def test_of_very_many_labels_the_largest_are_named() -> None:
    drifts = [drift for label in range(200) for drift in elements(Change.UNEXPECTED, f"s_a{label}_t", 5)]
    lines = printed(*drifts)
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "  … and 160 kinds more"
