# SPDX-License-Identifier: GPL-2.0-or-later
"""Repair after repair: once after each change, not at once for ever, and over when the other side stops."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import StateUnknown
from secmarkd.events import (
    DriftDetected,
    DriftRepaired,
    FightDetected,
    FightEnded,
    LabelsReplaced,
)
from secmarkd.ports import Writer
from secmarkd.service.contention import LONGEST
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from secmarkd.service.transitions import START_ATTEMPTS
from secmarkd.table.table import Table
from tests.support.others import DESIRED, emptied, flushed, kinds, repeat
from tests.support.service_rig import OnDrift, Rig, configuration

# --- many changes ---


@pytest.mark.fault(2)
def test_fifty_flushes_in_a_row_are_a_handful_of_repairs() -> None:
    rig = Rig().started()
    commits = len(rig.nft.commits)
    repeat(rig, 50, 0.01, lambda: rig.nft.change(flushed))
    rig.run(5)
    assert rig.nft.table == DESIRED
    assert len(rig.nft.commits) - commits <= 5
    assert rig.service.status.state is State.IN_SYNC
    assert "FightDetected" not in kinds(rig)


def test_changes_far_apart_are_each_repaired_at_once() -> None:
    rig = Rig().started()
    for _ in range(50):
        rig.drop_element()
        rig.hear()
        assert rig.nft.table == DESIRED
        rig.run(2.1)
    assert rig.service.status.state is State.IN_SYNC


def fighting(loaded: Loaded | None = None) -> Rig:
    """Half an hour of a program that flushes ten times a second."""
    rig = Rig(loaded).started()
    rig.writers.known["nft"] = Writer("nft", 17, unit="bad.service")
    repeat(rig, 18000, 0.1, lambda: rig.nft.change(lambda _: None) if rig.nft.table else None)
    return rig


@pytest.mark.fault(3)
def test_a_writer_that_keeps_coming_back_is_named_and_fought_less_and_less_often() -> None:
    rig = fighting()
    assert len(rig.nft.commits) < 9 + 1800 / LONGEST + 3
    fights = [event for event in rig.journal.take() if isinstance(event, FightDetected)]
    assert [event.by_unit for event in fights] == ["bad.service"]
    assert rig.service.status.state is State.DEGRADED
    assert re.match(
        r"degraded: nft \(process 17, bad\.service\) keeps modifying the table, repaired \d+ times in a row; "
        r"backing off, up to 30 s; 1 label",
        rig.says,
    )
    assert rig.published[-1].opponent == "nft (process 17, bad.service)"


def test_a_short_time_between_verifications_does_not_make_the_fight_fiercer() -> None:
    often = fighting(configuration(80, 443, resync=1.0))
    assert len(often.nft.commits) < 9 + 1800 / LONGEST + 3


def test_a_fight_is_over_when_the_other_side_stops() -> None:
    rig = fighting()
    rig.journal.take()
    rig.run(3 * LONGEST)
    assert rig.nft.table == DESIRED
    (ended,) = [event for event in rig.journal.take() if isinstance(event, FightEnded)]
    assert ended.by_unit == "bad.service"
    assert rig.service.status.state is State.IN_SYNC
    assert rig.service.status.opponent == ""
    rig.run(10)
    rig.drop_element()
    rig.hear()
    assert rig.nft.table == DESIRED


def test_a_fight_is_not_over_while_nobody_can_tell() -> None:
    rig = fighting()
    rig.nft.table = DESIRED
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"), times=9)
    rig.service.ask_verify()
    rig.journal.take()
    end = rig.clock.now + 200
    while rig.clock.now < end:
        rig.run(1)
        assert rig.service.status.state is State.DEGRADED
    assert kinds(rig) == ["VerificationFailed", "Degraded"]
    rig.run(300)
    assert kinds(rig) == ["Recovered", "FightEnded"]
    assert rig.service.status.state is State.IN_SYNC


def test_a_fight_may_end_with_differences_that_are_left() -> None:
    rig = fighting()
    rig.run(10)
    rig.nft.change(flushed)
    rig.reload(configuration(80, 443, on_drift=OnDrift.REPORT))
    rig.nft.change(emptied)
    rig.hear()
    rig.run(LONGEST)
    rig.journal.take()
    rig.run(600)
    assert rig.service.status.state is State.DRIFT
    (ended,) = rig.journal.take()
    assert str(ended).startswith(
        "contention over, 2 differences left: no change by nft (process 17, bad.service) for"
    )


@pytest.mark.fault(3)
def test_a_writer_that_is_always_faster_is_a_fight_and_no_failure_of_ours() -> None:
    rig = Rig().started()
    rig.nft.interlopers = [lambda: rig.nft.change(emptied)] * 20
    rig.drop_element()
    rig.hear()
    rig.run(10)
    told = kinds(rig)
    assert "FightDetected" in told
    assert "RepairFailed" not in told
    assert rig.says.startswith("degraded: nft (process 200) keeps modifying the table")
    rig.run(3600)
    assert rig.nft.table == DESIRED
    assert rig.says.startswith("in sync")


# --- at a reload and at the start ---


def by_ansible(rig: Rig, times: int, effect: Callable[[Table], Table | None] = emptied) -> None:
    """Someone changes the table right after each of our next commits."""
    rig.nft.interlopers += [lambda: rig.nft.change(effect, (300, "ansible"))] * times


def test_a_reload_whose_labels_are_changed_at_once_is_told_and_then_the_drift_with_its_author() -> None:
    rig = Rig().started()
    by_ansible(rig, 1)
    (replaced,) = rig.reload(configuration(80))
    assert isinstance(replaced, LabelsReplaced)
    assert rig.service.status.reload is not None
    assert rig.service.status.reload.error.startswith("not in the kernel yet: the table differs")
    rig.run(1)
    assert rig.nft.table == configuration(80).table
    detected, repaired = rig.journal.take()
    assert str(detected).endswith("expected s_http_server_packet_t; by ansible (process 300)")
    assert isinstance(repaired, DriftRepaired)


def test_a_reload_that_someone_always_undoes_is_a_fight() -> None:
    rig = Rig().started()
    by_ansible(rig, 100)
    rig.reload(configuration(80))
    rig.run(10)
    told = rig.journal.take()
    assert any(isinstance(each, FightDetected) for each in told)
    assert {each.by for each in told if isinstance(each, DriftDetected)} == {"ansible (process 300)"}
    assert rig.says.startswith("degraded: ansible (process 300) keeps modifying the table")


def test_what_is_changed_right_after_a_reload_is_left_where_drift_is_only_reported() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    by_ansible(rig, 1)
    rig.reload(configuration(80, on_drift=OnDrift.REPORT))
    rig.run(1)
    (detected,) = rig.journal.take()
    assert isinstance(detected, DriftDetected)
    assert (detected.action, detected.by_comm) == ("reported", "ansible")
    assert rig.service.status.state is State.DRIFT


def test_a_start_whose_labels_are_changed_at_once_tells_so_and_is_not_ready() -> None:
    rig = Rig()
    by_ansible(rig, 2, flushed)
    rig.service.tick()
    assert kinds(rig) == ["Started", "LabelsCreated"]
    assert rig.service.status.state is State.STARTING
    rig.run(1)
    (detected,) = rig.journal.take()
    assert str(detected) == "drift: table missing: table inet secmarkd; by ansible (process 300)"
    rig.run(2)
    assert kinds(rig) == ["DriftDetected", "DriftRepaired", "Ready"]


def test_a_start_that_someone_always_undoes_is_left_to_the_service_manager() -> None:
    rig = Rig()
    by_ansible(rig, 100, flushed)
    rig.run(100)
    assert rig.service.exit_status is Exit.FAILURE
    assert len(rig.nft.commits) == START_ATTEMPTS


def test_another_configuration_that_comes_during_such_a_start_is_not_taken_for_drift() -> None:
    rig = Rig()
    by_ansible(rig, 1)
    rig.service.tick()
    rig.configuration = configuration(8080)
    rig.service.ask_reload()
    rig.run(1)
    assert kinds(rig) == ["Started", "LabelsCreated", "LabelsReplaced", "Ready"]
