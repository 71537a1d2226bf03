# SPDX-License-Identifier: GPL-2.0-or-later
"""Where labels of other tables stand beside ours."""

from __future__ import annotations

import pytest

from secmarkd.table.other_labels import Does, OtherLabel, Position, label_from_json, position

INET, IP, BRIDGE, NETDEV = 1, 2, 7, 5


@pytest.mark.parametrize(
    ("family", "hook", "priority", "expected"),
    [
        (INET, "input", 49, Position.BEFORE),
        (INET, "input", 50, Position.SAME),
        (INET, "input", 51, Position.AFTER),
        (IP, "output", -225, Position.BEFORE),
        (IP, "forward", -226, Position.SAME),
        (IP, "forward", -300, Position.BEFORE),
        (IP, "forward", 0, Position.AFTER),
        (INET, "prerouting", 300, Position.BEFORE),
        (INET, "postrouting", -300, Position.AFTER),
        (NETDEV, "ingress", 0, Position.BEFORE),
        (NETDEV, "egress", 0, Position.AFTER),
        (BRIDGE, "prerouting", 0, Position.BEFORE),
        (BRIDGE, "input", 0, Position.UNKNOWN),
        (INET, "", None, Position.UNKNOWN),
    ],
)
def test_where_it_stands_is_told_by_hook_and_priority(
    family: int, hook: str, priority: int | None, expected: Position
) -> None:
    assert position(family, hook, priority) is expected


def test_a_status_file_gives_back_what_was_written() -> None:
    one = OtherLabel("inet", "t", "c", "input", 60, Does.PACKETS, Position.AFTER)
    data = {"family": "inet", "table": "t", "chain": "c", "hook": "input", "priority": 60, "does": str(one.does),
            "position": str(one.position)}  # fmt: skip
    assert label_from_json(data) == one
