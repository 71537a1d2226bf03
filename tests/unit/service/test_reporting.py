# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods and storms of drift: summed up, held back, never a line for each."""

from __future__ import annotations

import pytest

from secmarkd.events import DriftDetected, DriftFlood, DriftGone, DriftHeldBack, DriftRepaired
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.budget import BURST
from secmarkd.service.reporting import ONE_BY_ONE, Reporter, sample
from secmarkd.table.drift import Change, Drift, Thing
from tests.fakes.service import FakeClock, FakeJournal


def missing(number: int, prefix: str = "tcp") -> tuple[Drift, ...]:
    return tuple(
        Drift(Thing.ELEMENT, Change.MISSING, f"server_port {{ {prefix} . {each} }}", "s_x") for each in range(number)
    )


class Passes:
    def __init__(self) -> None:
        self.clock, self.journal = FakeClock(), FakeJournal()
        self.reporter = Reporter(self.journal, self.clock, lambda _: "")

    def repaired(self, drifts: tuple[Drift, ...]) -> None:
        self.reporter.passed(Outcome(Action.REPAIRED, drifts), 0.01)


def test_a_few_differences_are_told_one_by_one() -> None:
    passes = Passes()
    passes.repaired(missing(ONE_BY_ONE))
    kinds = [type(event) for event in passes.journal.events]
    assert kinds == [DriftDetected] * ONE_BY_ONE + [DriftRepaired]


def test_a_flood_is_one_line_with_its_size_and_a_sample() -> None:
    passes = Passes()
    rest = Drift(Thing.ELEMENT, Change.MISSING, "server_port { … }, and 900 more", count=900)
    passes.repaired((*missing(100), rest))
    flood, repaired = passes.journal.events
    assert isinstance(flood, DriftFlood)
    assert str(flood) == (
        "drift: 1000 things differ: 1000 element missing; such as element missing: server_port { tcp . 0 }; "
        "element missing: server_port { tcp . 1 }; element missing: server_port { tcp . 2 }, and 997 more"
    )
    assert isinstance(repaired, DriftRepaired)
    assert repaired.count == 1000


@pytest.mark.fault(2)
def test_a_storm_is_held_back_and_summed_up_when_there_is_room_again() -> None:
    passes = Passes()
    for number in range(1000):
        passes.repaired(missing(1, f"tcp{number}"))
        passes.clock.now += 0.1
        passes.reporter.flush()
    lines = passes.journal.take()
    assert len(lines) <= BURST + 5
    passes.clock.now = max(passes.clock.now, passes.reporter.due())
    passes.reporter.flush()
    told = sum(isinstance(event, DriftDetected) for event in lines)
    held = [event for event in (*lines, *passes.journal.take()) if isinstance(event, DriftHeldBack)]
    assert told + sum(event.count for event in held) == 1000
    assert passes.reporter.due() == float("inf")


def test_what_was_told_and_contested_and_then_put_right_by_others_is_told_to_be_gone() -> None:
    passes = Passes()
    passes.reporter.passed(Outcome(Action.CONTESTED, missing(1), missing(3)), 0.01)
    passes.reporter.passed(Outcome(Action.NONE), 0.01)
    detected, gone = passes.journal.events
    assert isinstance(detected, DriftDetected)
    assert gone == DriftGone(1)


def test_a_few_differences_name_all_in_the_sample() -> None:
    assert sample(missing(2)) == "element missing: server_port { tcp . 0 }; element missing: server_port { tcp . 1 }"
