# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures beside a storm, and failures that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secmarkd.errors import Conflict, StateUnknown, WorkerFailed
from secmarkd.events import Degraded, Event, Recovered, RepairFailed, WorkerCrashed
from secmarkd.model.label_map import Environment
from secmarkd.service.environment import PAUSE
from secmarkd.service.reporting import LONGEST_TEXT
from secmarkd.service.status import State
from secmarkd.service.trouble import QUIET as TROUBLE_QUIET
from secmarkd.service.trouble import REASONS
from secmarkd.table.table import Foreign
from tests.support.service_rig import Rig, configuration
from tests.support.stormy import PYTHON, STORM, starve, state, stormy

pytestmark = pytest.mark.fault(18)


# --- other failures beside a storm, and failures that come and go ---


def test_a_worker_that_a_storm_held_up_is_told_with_its_author() -> None:
    rig, nft = stormy()
    nft.error = WorkerFailed("libnftables did not answer within 24 s and was killed", operation="read")
    crashed, degraded = starve(rig, 0.5)
    assert isinstance(crashed, WorkerCrashed)
    assert crashed.by_unit == "storm.service"
    assert "was killed; meanwhile commits by python3 (process 500" in str(crashed)
    assert isinstance(degraded, Degraded)


def test_a_repair_that_others_always_overtake_names_them() -> None:
    rig = Rig().started()
    rig.writers.known["python3"] = PYTHON

    def overtaken() -> None:
        for _ in range(10):
            rig.nft.change_elsewhere(STORM)

    def meanwhile() -> None:
        overtaken()
        listen()

    rig.nft.change(lambda table: replace(table, chains=()))
    rig.nft.fail_next("commit", Conflict("no", operation="commit"), times=2)
    overtaken()
    listen = rig.nft.meanwhile
    rig.nft.while_waiting(meanwhile)
    rig.hear()
    (failed,) = [each for each in rig.journal.take() if isinstance(each, RepairFailed)]
    assert failed.by_unit == "storm.service"


def flap(rig: Rig, times: int, error: Callable[[int], StateUnknown]) -> list[Event]:
    for number in range(times):
        rig.nft.fail_next("read", error(number))
        rig.service.ask_verify()
        rig.run(3)
    return rig.journal.take()


@pytest.mark.fault(46)
def test_failures_that_come_and_go_are_one_story() -> None:
    rig = Rig().started()
    told = flap(rig, 100, lambda _: StateUnknown("no", operation="read"))
    kinds = [type(each) for each in told]
    assert kinds.count(Degraded) == 2
    assert kinds.count(Recovered) == 1
    assert len(told) <= 6
    assert state(rig) is State.DEGRADED
    assert "in sync when last read, but passes fail again and again: no" in rig.says
    rig.run(TROUBLE_QUIET)
    (recovered,) = rig.journal.take()
    assert isinstance(recovered, Recovered)
    assert recovered.attempts == 100
    assert state(rig) is State.IN_SYNC


def test_reasons_without_end_are_not_told_without_end() -> None:
    rig = Rig().started()
    told = flap(rig, 100, lambda number: StateUnknown(f"reason {number}", operation="read"))
    assert len(told) <= REASONS + 5


def test_one_failure_is_over_at_once() -> None:
    rig = Rig().started()
    told = flap(rig, 1, lambda _: StateUnknown("no", operation="read"))
    assert [type(each).__name__ for each in told] == ["VerificationFailed", "Degraded", "Recovered"]
    assert state(rig) is State.IN_SYNC


# --- cgroups, and what is found ---


def test_a_cgroup_that_comes_and_goes_without_end_is_looked_at_twenty_times_a_second() -> None:
    rig = Rig(configuration(80, cgroup="a.slice")).started()
    looks = 0

    def read() -> Environment:
        nonlocal looks
        looks += 1
        return rig.environment

    rig.read_environment = read
    for _ in range(1000):
        rig.hear_of_cgroups(came=True, went=True)
        rig.run(0.001)
    assert 10 < looks < 2 / PAUSE + 5
    rig.run(60)
    looks = 0
    rig.hear_of_cgroups(came=True)
    assert looks >= 1  # at once again


def test_what_was_found_is_told_shortened_however_long_it_is() -> None:
    rig = Rig().started()
    long = Foreign("statement", "", "x" * 1_000_000)
    rig.nft.change(
        lambda table: replace(table, chains=(replace(table.chains[0], rules=((long,),)), *table.chains[1:]))
    )
    rig.hear()
    told = rig.journal.take()
    assert told
    assert all(len(str(each)) < 3 * LONGEST_TEXT for each in told)
