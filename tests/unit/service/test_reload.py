# SPDX-License-Identifier: GPL-2.0-or-later
"""Reloads of the running service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from secmarkd.errors import (
    ConfigError,
    Problem,
    RelabelDenied,
    StateUnknown,
    WorkerFailed,
)
from secmarkd.events import (
    LabelRejected,
    LabelsReplaced,
    Reloaded,
    ReloadRejected,
)
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from secmarkd.workers.version import RESTART
from tests.support.service_rig import HTTP, OnDrift, Rig, configuration

BAD = ConfigError([Problem("a.toml", 3, "labels.x", "wrong")])


def kinds(events: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_reload_brings_the_new_labels_and_says_so() -> None:
    rig = Rig().started()
    events = rig.reload(configuration(80, 8080))
    assert rig.nft.table == configuration(80, 8080).table
    assert [type(event) for event in events] == [LabelsReplaced, Reloaded]
    assert str(events[0]) == (
        "labels updated (configuration changed): removed server_port { tcp . 443 }, added server_port { tcp . 8080 }"
    )
    assert rig.service.status.last_drift is None


def test_a_reload_is_told_to_the_service_manager_in_one_datagram_and_ends_with_ready() -> None:
    rig = Rig().started()
    rig.reload(configuration(80))
    first, *_, last = rig.notifier.take()
    assert first == {"STATUS": "reloading the configuration", "RELOADING": "1", "MONOTONIC_USEC": "1000000000"}
    assert last == {"STATUS": "in sync: 1 label, 1 element; last drift never", "READY": "1"}


def test_a_reload_of_the_same_configuration_writes_nothing() -> None:
    rig = Rig().started()
    before = len(rig.nft.commits)
    assert [type(event) for event in rig.reload(configuration(80, 443))] == [Reloaded]
    assert len(rig.nft.commits) == before


def test_a_bad_configuration_is_rejected_whole_and_the_old_one_stays_watched() -> None:
    rig = Rig().started()
    events = rig.reload(BAD)
    assert [str(event) for event in events] == [
        "a.toml:3: labels.x: wrong",
        "reload rejected, the labels stay as they were: 1 mistake in the configuration",
    ]
    assert rig.nft.table == configuration(80, 443).table
    assert rig.notifier.datagrams[-1]["READY"] == "1"
    assert rig.says.endswith("; last reload rejected: a.toml:3: labels.x: wrong")
    rig.drop_element()
    rig.run(0)
    assert rig.nft.table == configuration(80, 443).table


def test_a_good_reload_after_a_bad_one_clears_the_complaint() -> None:
    rig = Rig().started()
    rig.reload(BAD)
    rig.reload(configuration(80))
    assert rig.says == "in sync: 1 label, 1 element; last drift never"


def test_a_context_that_the_policy_refuses_rejects_the_reload_and_names_its_place() -> None:
    rig = Rig().started()
    other = replace(HTTP, type="nonsense_t")
    rig.nft.unknown_contexts.add(str(other))
    events = rig.reload(configuration(80, context=other))
    assert [type(event) for event in events] == [LabelRejected, ReloadRejected]
    assert "50-web.toml:2" in str(events[0])
    assert rig.nft.table == configuration(80, 443).table
    assert rig.service.status.reload is not None
    assert rig.service.status.reload.exit_status == Exit.CONFIG


def test_a_policy_that_forbids_relabelling_rejects_the_reload_too() -> None:
    rig = Rig().started()
    rig.nft.fail_next("commit", RelabelDenied("denied", operation="commit", offender=str(HTTP)))
    assert isinstance(rig.reload(configuration(80))[-1], ReloadRejected)


def test_a_loading_process_that_crashes_rejects_the_reload() -> None:
    rig = Rig().started()
    events = rig.reload(WorkerFailed("the loading process died of SIGKILL", operation="load"))
    assert kinds([*events]) == ["WorkerCrashed", "ReloadRejected"]
    assert rig.service.status.state is State.IN_SYNC


def test_a_worker_of_another_version_rejects_the_reload_and_names_the_restart() -> None:
    rig = Rig().started()
    other = WorkerFailed("the loading process is of another version of secmarkd", operation="load", hint=RESTART)
    assert str(rig.reload(other)[-1]) == (
        "reload rejected, the labels stay as they were: the loading process is of another version of secmarkd "
        f"({RESTART})"
    )
    rig.drop_element()
    rig.run(0)
    assert rig.nft.table == configuration(80, 443).table
    assert rig.service.status.state is State.IN_SYNC


def test_many_requests_to_reload_are_one_reload() -> None:
    rig = Rig().started()
    for _ in range(100):
        rig.service.ask_reload()
    rig.run(1)
    assert rig.loader.loads == 2


def test_a_reload_to_labelling_without_selinux_is_rejected() -> None:
    rig = Rig().started()
    rig.selinux.active = False
    rig.reload(configuration(22))
    assert "SELinux is not active" in rig.says
    assert rig.nft.table == configuration(80, 443).table


def test_what_others_changed_is_told_apart_from_what_the_reload_changes() -> None:
    rig = Rig(configuration(80, 443, 8080)).started()
    rig.drop_element()
    events = rig.reload(configuration(80, 443))
    assert kinds([*events]) == ["DriftDetected", "DriftRepaired", "LabelsReplaced", "Reloaded"]
    assert rig.service.status.last_drift is not None


def test_a_reload_that_the_kernel_could_not_take_now_is_owed_and_written_later() -> None:
    rig = Rig(configuration(80, on_drift=OnDrift.REPORT)).started()
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"))
    rig.reload(configuration(443, on_drift=OnDrift.REPORT))
    assert rig.service.status.reload is not None
    assert rig.service.status.reload.exit_status == Exit.FAILURE
    assert rig.service.status.state is State.DEGRADED
    rig.run(1)
    assert rig.nft.table == configuration(443).table
    assert kinds([*rig.journal.take()]) == ["LabelsReplaced", "Recovered"]


def test_the_moment_of_the_reload_is_published_after_ready() -> None:
    rig = Rig().started()
    rig.clock.now = 2000.0
    rig.reload(configuration(80))
    assert rig.published[-1].reload is not None
    assert rig.published[-1].reload.began == 2000.0
