# SPDX-License-Identifier: GPL-2.0-or-later
"""The running service: verification, drift, back-off, the machine changing, its files, and the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from secmarkd.errors import (
    CapabilityMissing,
    ConfigError,
    ContextRejected,
    Problem,
    StateUnknown,
    WorkerFailed,
)
from secmarkd.events import (
    DriftDetected,
    DriftGone,
    DriftRepaired,
    LabelsCreated,
    Recovered,
)
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from secmarkd.table.transaction import Remove
from tests.support.service_rig import HTTP, OnDrift, OnStop, Rig, configuration

BAD = ConfigError([Problem("a.toml", 3, "labels.x", "wrong")])


def kinds(events: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in events]


# --- verification and drift ---


def test_nothing_is_said_or_written_while_nothing_happens() -> None:
    rig = Rig().started()
    reads, before = rig.nft.reads, len(rig.nft.commits)
    rig.run(24 * 3600)
    assert rig.nft.reads == reads
    assert rig.wakes == 288
    assert len(rig.nft.commits) == before
    assert rig.journal.take() == []


def test_drift_is_repaired_at_the_next_verification_and_told_once() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.run(300)
    assert rig.nft.table == configuration(80, 443).table
    detected, repaired = rig.journal.take()
    assert isinstance(detected, DriftDetected)
    assert detected.fields() == {
        "SECMARKD_THING": "element", "SECMARKD_CHANGE": "missing", "SECMARKD_OBJECT": "server_port { tcp . 80 }",
        "SECMARKD_EXPECTED": "s_http_server_packet_t", "SECMARKD_ACTION": "repaired",
        "SECMARKD_BY": "nft (process 200)", "SECMARKD_BY_COMM": "nft", "SECMARKD_BY_PID": "200",
        "SECMARKD_GENERATION": str(rig.nft.number - 1),
    }  # fmt: skip
    assert isinstance(repaired, DriftRepaired)
    assert repaired.fields()["SECMARKD_GENERATION"] == str(rig.nft.number)
    assert rig.says == "in sync: 1 label, 2 elements; last drift less than two minutes ago"
    rig.run(3600)
    assert rig.says.endswith("last drift 60 min ago")
    assert rig.journal.take() == []


def test_a_signal_verifies_at_once() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.service.ask_verify()
    rig.run(0)
    assert rig.nft.table == configuration(80, 443).table


def test_a_table_that_vanished_is_one_difference() -> None:
    rig = Rig().started()
    rig.nft.table = None
    rig.run(300)
    assert str(rig.journal.take()[0]) == "drift: table missing: table inet secmarkd"
    assert rig.nft.table is not None


def test_reported_drift_is_left_told_once_and_its_end_too() -> None:
    loaded = configuration(80, 443, on_drift=OnDrift.REPORT)
    rig = Rig(loaded).started()
    rig.drop_element()
    rig.run(3600)
    assert kinds([*rig.journal.take()]) == ["DriftDetected"]
    assert rig.says.startswith('drift: 1 difference reported and left (on_drift = "report")')
    rig.nft.change(lambda _: loaded.table)
    rig.run(300)
    assert [type(event) for event in rig.journal.take()] == [DriftGone]
    assert rig.service.status.state is State.IN_SYNC


# --- trouble ---


def test_failing_passes_are_told_once_and_tried_less_and_less_often() -> None:
    rig = Rig().started()
    reads = rig.nft.reads
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"), times=8)
    rig.service.ask_verify()
    rig.run(0)
    assert kinds([*rig.journal.take()]) == ["VerificationFailed", "Degraded"]
    rig.run(1 + 2 + 4 + 8 + 16)
    assert rig.nft.reads == reads + 6
    assert rig.says.startswith("degraded: starved; labels unchanged, try 7 in 32 s; last drift never")
    assert rig.journal.take() == []
    rig.run(32 + 60 + 60)
    (recovered,) = rig.journal.take()
    assert isinstance(recovered, Recovered)
    assert recovered.attempts == 9
    assert rig.service.status.state is State.IN_SYNC


def test_reported_drift_is_told_once_though_it_could_not_be_read_in_between() -> None:
    loaded = configuration(80, 443, on_drift=OnDrift.REPORT)
    rig = Rig(loaded).started()
    rig.drop_element()
    rig.run(300)
    assert kinds([*rig.journal.take()]) == ["DriftDetected"]
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"))
    rig.service.ask_verify()
    rig.run(0)
    rig.journal.take()
    rig.run(1)
    assert rig.service.status.state is State.DRIFT
    (recovered,) = rig.journal.take()
    assert str(recovered) == "recovered after 1 s and 2 attempts: 1 difference reported and left"
    rig.nft.change(lambda _: loaded.table)
    rig.run(300)
    assert [type(event) for event in rig.journal.take()] == [DriftGone]


def test_a_difference_that_was_told_is_repaired_after_failed_reads_without_being_told_again() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.fail_next("commit", StateUnknown("starved", operation="commit"))
    rig.run(300)
    assert kinds([*rig.journal.take()]) == ["DriftDetected", "RepairFailed", "Degraded"]
    rig.nft.fail_next("read", StateUnknown("unreadable", operation="read"))
    rig.run(10)
    assert kinds([*rig.journal.take()]) == ["VerificationFailed", "DriftRepaired", "Recovered"]


def test_a_repair_that_fails_says_what_differs_once() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.fail_next("commit", ContextRejected("unknown", operation="commit", offender=str(HTTP)), times=2)
    rig.run(300)
    assert kinds([*rig.journal.take()]) == ["DriftDetected", "LabelRejected", "RepairFailed", "Degraded"]
    rig.run(1)
    assert rig.journal.take() == []
    rig.run(2)
    assert kinds([*rig.journal.take()]) == ["DriftRepaired", "Recovered"]
    assert rig.nft.table == configuration(80, 443).table


def test_a_worker_that_crashes_does_not_end_the_service() -> None:
    rig = Rig().started()
    rig.nft.fail_next("read", WorkerFailed("libnftables died of SIGSEGV", operation="read"))
    rig.service.ask_verify()
    rig.run(0)
    assert kinds([*rig.journal.take()]) == ["WorkerCrashed", "Degraded"]
    rig.run(1)
    assert rig.service.status.state is State.IN_SYNC


def test_a_module_that_went_away_does_not_end_the_running_service() -> None:
    rig = Rig().started()
    rig.nft.fail_next("read", CapabilityMissing("Python's module nftables is missing"))
    rig.service.ask_verify()
    rig.run(0)
    assert rig.says.startswith("degraded: ")
    rig.run(1)
    assert rig.service.running
    assert rig.service.status.state is State.IN_SYNC


# --- the watchdog and the end ---


@pytest.mark.fault(32)
def test_the_watchdog_is_fed_twice_in_each_interval() -> None:
    rig = Rig(watchdog=30.0).started()
    rig.run(150)
    assert sum(each.get("WATCHDOG") == "1" for each in rig.notifier.datagrams) == 10


def test_without_a_watchdog_the_service_sleeps_until_the_next_verification() -> None:
    rig = Rig(configuration(80, resync=1234.0)).started()
    assert rig.service.due() == rig.clock.now + 1234.0


def test_stopping_keeps_the_labels() -> None:
    rig = Rig().started()
    rig.service.ask_stop()
    rig.service.tick()
    assert rig.service.exit_status is Exit.OK
    assert rig.nft.table is not None
    assert rig.journal.take_lines() == ["INFO stopped; labels remain in the kernel but are no longer monitored"]
    assert rig.notifier.datagrams[0] == {"STATUS": "stopping", "STOPPING": "1"}


def test_stopping_removes_the_labels_where_that_is_asked() -> None:
    rig = Rig(configuration(80, on_stop=OnStop.REMOVE)).started()
    rig.service.ask_stop()
    rig.service.tick()
    assert rig.nft.table is None
    assert rig.nft.commits[-1] == (Remove(),)
    assert rig.journal.take_lines() == ["INFO stopped; labels removed from the kernel"]


def test_labels_that_cannot_be_removed_make_the_stop_a_failure() -> None:
    rig = Rig(configuration(80, on_stop=OnStop.REMOVE)).started()
    rig.nft.fail_next("commit", StateUnknown("starved", operation="commit"))
    rig.service.ask_stop()
    rig.service.tick()
    assert rig.service.exit_status is Exit.FAILURE
    assert kinds([*rig.journal.take()]) == ["RemovalFailed"]


def test_a_stop_goes_before_a_reload() -> None:
    rig = Rig().started()
    rig.service.ask_reload()
    rig.service.ask_stop()
    rig.service.tick()
    assert not rig.service.running
    assert rig.loader.loads == 1


def test_a_stop_before_the_start_leaves_the_kernel_alone() -> None:
    rig = Rig(configuration(80, on_stop=OnStop.REMOVE), table=configuration(80).table)
    rig.service.ask_stop()
    rig.service.tick()
    assert rig.nft.table is not None


def test_a_table_removed_by_someone_during_a_reload_is_drift_and_is_made_anew() -> None:
    rig = Rig().started()
    rig.nft.table = None
    events = rig.reload(configuration(80, 443))
    assert kinds([*events]) == ["DriftDetected", "DriftRepaired", "Reloaded"]
    assert not any(isinstance(event, LabelsCreated) for event in events)


# --- its files below /run ---


@pytest.mark.fault(48)
def test_a_removed_status_is_written_again_at_the_next_tick() -> None:
    rig = Rig().started()
    before = len(rig.published)
    rig.claim.remove()
    rig.service.tick()
    assert len(rig.published) == before + 1
    assert kinds(rig.journal.take()) == ["LockTakenAgain"]
    rig.run(10)
    assert len(rig.published) == before + 1


@pytest.mark.fault(48)
def test_while_another_holds_the_lock_the_service_goes_on_and_tries_each_second() -> None:
    rig = Rig().started()
    rig.claim.let_other_hold(True)
    rig.claim.remove()
    rig.service.tick()
    before = rig.wakes
    rig.run(5)
    assert rig.wakes - before == 5
    assert rig.service.status.state is State.IN_SYNC
    assert kinds(rig.journal.take()) == ["LockLost"]
    rig.claim.let_other_hold(False)
    rig.run(1)
    assert kinds(rig.journal.take()) == ["LockTakenAgain"]
