# SPDX-License-Identifier: GPL-2.0-or-later
"""Passes: when one is made, what it repairs before anything is read, and what is only reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secmarkd.change.early_repair import MOST
from secmarkd.errors import Conflict, StateUnknown
from secmarkd.events import (
    DriftDetected,
    DriftGone,
    DriftRepaired,
)
from secmarkd.ports import Writer
from secmarkd.service.status import State
from tests.fakes.changes import FakeChanges
from tests.support.others import DESIRED, emptied, kinds, repeat, with_a_port
from tests.support.service_rig import OnDrift, Rig, configuration

# --- one change ---


def test_a_change_is_repaired_on_its_event_and_its_author_named() -> None:
    rig = Rig().started()
    rig.writers.known["nft"] = Writer("nft", 17, "/usr/sbin/nft", uid=0, user="root", unit="cron.service")
    rig.drop_element()
    rig.hear()
    assert rig.nft.table == DESIRED
    detected, repaired = rig.journal.take()
    assert str(detected) == (
        "drift: element missing: server_port { tcp . 80 }; expected s_http_server_packet_t; "
        "by nft (process 17, /usr/sbin/nft, user root, cron.service)"
    )
    assert detected.fields()["SECMARKD_BY_UNIT"] == "cron.service"
    assert isinstance(repaired, DriftRepaired)


# --- a few elements, put right before anything is read ---


def test_a_few_elements_are_put_right_before_anything_is_read() -> None:
    rig = Rig().started()
    reads = rig.nft.reads
    rig.drop_element()
    rig.hear()
    assert rig.nft.table == DESIRED
    assert (rig.nft.hasty, rig.nft.reads - reads) == (1, 1)
    assert kinds(rig) == ["DriftDetected", "DriftRepaired"]
    rig.hear()
    rig.run(299)
    assert (rig.nft.hasty, rig.nft.reads - reads) == (1, 1)  # its own commit is no news


def test_one_repair_ahead_of_the_read_follows_another() -> None:
    rig = Rig().started()
    for number in range(1, 4):
        rig.drop_element()
        rig.hear()
        rig.run(200)
        assert rig.nft.hasty == number
        assert rig.nft.table == DESIRED


def test_elements_of_several_commits_are_put_right_together() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.change_elsewhere()
    rig.retarget()
    rig.hear()
    assert rig.nft.hasty == 1
    assert rig.nft.table == DESIRED
    assert [str(each).split(";")[0] for each in rig.journal.take()[:2]] == [
        "drift: element missing: server_port { tcp . 80 }",
        "drift: element missing: server_port { tcp . 443 }",
    ]


def test_a_change_that_was_undone_before_anyone_looked_is_no_drift() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.change(lambda table: DESIRED)
    rig.hear()
    assert rig.nft.hasty == 0
    assert rig.journal.take() == []


def test_a_commit_of_another_table_that_was_not_heard_yet_leaves_an_ordinary_pass() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.change_elsewhere()
    late = rig.events.waiting.pop()
    rig.hear()
    assert rig.nft.hasty == 0
    assert rig.nft.table == DESIRED
    rig.events.waiting.append(late)
    rig.hear()
    assert kinds(rig) == ["DriftDetected", "DriftRepaired"]


def test_elements_told_before_the_number_of_their_commit_are_put_right_when_it_comes() -> None:
    rig = Rig().started()
    rig.nft.change_elsewhere()
    rig.drop_element()
    late = rig.events.waiting.pop()
    rig.service.changed()
    rig.events.waiting.append(late)
    rig.hear()
    assert rig.nft.hasty == 1


def test_a_change_of_anything_else_beside_the_elements_is_read_first() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.change(lambda table: replace(table, chains=()))
    rig.hear()
    assert rig.nft.hasty == 0
    assert rig.nft.table == DESIRED


def test_more_elements_than_a_few_are_read_first() -> None:
    rig = Rig(configuration(*range(1, MOST + 2))).started()
    rig.retarget()
    rig.hear()
    assert rig.nft.hasty == 0
    assert rig.nft.table == configuration(*range(1, MOST + 2)).table
    assert kinds(rig) == ["DriftFlood", "DriftRepaired"]


@pytest.mark.parametrize("drop", [FakeChanges.lose, FakeChanges.blur], ids=["commits", "changes"])
def test_after_lost_events_the_table_is_read_first(drop: Callable[[FakeChanges], None]) -> None:
    rig = Rig().started()
    rig.drop_element()
    drop(rig.events)
    rig.hear()
    assert rig.nft.hasty == 0
    assert rig.nft.table == DESIRED
    rig.run(200)
    rig.drop_element()
    rig.hear()
    assert rig.nft.hasty == 1  # what was lost, that pass has seen


def test_drift_that_is_only_reported_is_not_put_right_ahead_either() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    rig.drop_element()
    rig.hear()
    assert rig.nft.hasty == 0
    assert rig.nft.table != DESIRED
    assert kinds(rig) == ["DriftDetected"]


def test_what_was_left_by_settings_is_not_taken_for_equal_when_they_change() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    rig.drop_element()
    rig.hear()
    rig.nft.fail_next("commit", Conflict("no", operation="commit"), times=2)
    rig.reload(configuration(80, 443))
    assert rig.nft.table != DESIRED
    rig.nft.change(with_a_port)
    rig.hear()
    rig.run(5)
    assert rig.nft.hasty == 0
    assert rig.nft.table == DESIRED


def test_after_a_pass_that_failed_the_table_is_read_first() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.fail_next("read", StateUnknown("no", operation="read"))
    rig.hear()
    hasty = rig.nft.hasty
    rig.nft.change(with_a_port)
    rig.hear()
    rig.run(5)
    assert rig.nft.hasty == hasty
    assert rig.nft.table == DESIRED


def test_what_changes_while_the_repair_is_verified_is_put_right_after_it() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.interlopers.append(lambda: rig.nft.change(with_a_port))
    rig.hear()
    assert rig.nft.table == DESIRED
    rig.run(5)
    assert rig.nft.table == DESIRED
    assert kinds(rig) == ["DriftDetected", "DriftDetected", "DriftRepaired"]


# --- reported only ---


@pytest.mark.fault(6)
def test_reported_drift_is_told_once_for_each_change() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    commits = len(rig.nft.commits)
    rig.drop_element()
    rig.hear()
    rig.run(3600)
    assert kinds(rig) == ["DriftDetected"]
    rig.drop_element()
    rig.hear()
    rig.run(3600)
    (second,) = rig.journal.take()
    assert isinstance(second, DriftDetected)
    assert "443" in second.object
    rig.nft.change(lambda _: DESIRED)
    rig.hear()
    rig.run(5)
    assert [type(event) for event in rig.journal.take()] == [DriftGone]
    assert len(rig.nft.commits) == commits


def test_reported_drift_is_no_fight_and_no_hot_loop() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    reads = rig.nft.reads

    def alternate() -> None:
        rig.nft.change(lambda table: emptied(table) if table == DESIRED else DESIRED)

    repeat(rig, 1000, 0.01, alternate)
    assert rig.nft.reads - reads < 30
    assert "FightDetected" not in kinds(rig)
    assert rig.service.status.state in (State.DRIFT, State.IN_SYNC)


# --- nothing ---


def test_idle_means_idle() -> None:
    rig = Rig(configuration(80, resync=3600.0)).started()
    reads = rig.nft.reads
    rig.run(24 * 3600)
    assert rig.wakes == 24
    assert rig.nft.reads == reads


def test_the_watchdog_is_the_only_other_reason_to_wake() -> None:
    rig = Rig(configuration(80, resync=3600.0), watchdog=30.0).started()
    rig.run(3600)
    assert rig.wakes == 3600 / 15
