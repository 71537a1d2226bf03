# SPDX-License-Identifier: GPL-2.0-or-later
"""The service from its start to READY=1, and why it may refuse to start."""

from __future__ import annotations

import pytest

from secmarkd.errors import (
    CapabilityMissing,
    ConfigError,
    ContextRejected,
    KernelError,
    ModuleMissing,
    NotSupported,
    PermissionMissing,
    Problem,
    SecmarkdError,
    StateUnknown,
    WorkerFailed,
)
from secmarkd.events import (
    ConfigurationProblem,
    Degraded,
    LabelRejected,
    LabelsCreated,
    LabelsReplaced,
    Ready,
    Recovered,
)
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from tests.fakes.nft import FakeNft
from tests.support.service_rig import HTTP, Mode, OnDrift, Rig, configuration


def kinds(rig: Rig) -> list[str]:
    return [type(event).__name__ for event in rig.journal.take()]


def test_ready_is_said_after_the_labels_were_read_back() -> None:
    rig = Rig()
    rig.service.tick()
    assert rig.nft.table == configuration(80, 443).table
    assert rig.nft.reads >= 2
    assert kinds(rig) == ["Started", "LabelsCreated", "Ready"]
    ready = [each for each in rig.notifier.datagrams if "READY" in each]
    assert ready == [{"STATUS": "in sync: 1 label, 2 elements; last drift never", "READY": "1"}]


def test_labels_that_are_there_already_are_adopted_without_a_write() -> None:
    rig = Rig(table=configuration(80, 443).table)
    rig.service.tick()
    assert rig.nft.commits == []
    assert kinds(rig) == ["Started", "Ready"]


def test_labels_left_by_another_configuration_are_replaced_and_that_is_no_drift() -> None:
    rig = Rig(table=configuration(80).table)
    rig.service.tick()
    events = rig.journal.take()
    assert [type(event) for event in events[1:]] == [LabelsReplaced, Ready]
    assert rig.service.status.last_drift is None


def test_a_start_writes_the_labels_even_where_drift_is_only_reported() -> None:
    rig = Rig(configuration(80, on_drift=OnDrift.REPORT))
    rig.service.tick()
    assert rig.nft.table is not None
    assert any(isinstance(event, LabelsCreated) for event in rig.journal.events)


@pytest.mark.fault(33)
def test_labelling_needs_selinux() -> None:
    rig = Rig()
    rig.selinux.active = False
    rig.service.tick()
    assert rig.service.exit_status is Exit.UNAVAILABLE
    assert rig.nft.table is None
    assert 'set mode = "rehearse"' in rig.journal.take_lines()[-1]
    assert "SELinux is not active" in rig.notifier.status


def test_rehearsing_needs_no_selinux() -> None:
    rig = Rig(configuration(80, mode=Mode.REHEARSE))
    rig.selinux.active = False
    rig.service.tick()
    assert rig.says == "rehearsing, in sync: 1 label, 1 element; last drift never"


def test_every_mistake_of_a_bad_configuration_is_told_and_the_kernel_is_left_alone() -> None:
    rig = Rig(table=configuration(22).table)
    rig.configuration = ConfigError(
        [Problem("a.toml", 3, "labels.x", "wrong"), Problem("b.toml", 1, "", "unreadable")]
    )
    rig.service.tick()
    assert rig.service.exit_status is Exit.CONFIG
    assert rig.nft.table == configuration(22).table
    lines = rig.journal.take_lines()
    assert lines[1:] == [
        "ERR a.toml:3: labels.x: wrong",
        "ERR b.toml:1: unreadable",
        "ERR cannot start: 2 mistakes in the configuration",
    ]
    assert not any("READY" in each for each in rig.notifier.datagrams)


def test_a_context_that_the_policy_does_not_know_is_told_with_its_place() -> None:
    rig = Rig()
    rig.nft.unknown_contexts.add(str(HTTP))
    rig.service.tick()
    assert rig.service.exit_status is Exit.CONFIG
    assert rig.nft.table is None
    rejected = next(event for event in rig.journal.events if isinstance(event, LabelRejected))
    assert rejected.object == str(HTTP)
    assert str(rejected).startswith("50-web.toml:2: labels.http.tcp: ")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionMissing("no", operation="read"), Exit.NOPERM),
        (NotSupported("no", operation="commit"), Exit.UNAVAILABLE),
        (CapabilityMissing("no nftables"), Exit.UNAVAILABLE),
        (ContextRejected("no", operation="commit"), Exit.CONFIG),
    ],
)
def test_what_trying_again_does_not_change_ends_the_service_at_once(error: SecmarkdError, status: Exit) -> None:
    rig = Rig()
    rig.nft.fail_next("read", error)
    rig.service.tick()
    assert rig.service.exit_status is status
    assert rig.service.status.state is State.STOPPED


def test_a_read_that_fails_once_is_tried_again() -> None:
    rig = Rig()
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"))
    rig.service.tick()
    assert rig.service.running
    assert rig.notifier.status == "starting: starved; try 2 in 1 s"
    rig.run(1)
    assert rig.service.status.state is State.IN_SYNC
    assert rig.loader.loads == 1
    events = rig.journal.take()
    assert [type(event) for event in events if isinstance(event, (Degraded, Recovered, Ready))] == [
        Degraded,
        Recovered,
        Ready,
    ]


def test_a_read_that_never_succeeds_is_left_to_the_service_manager() -> None:
    rig = Rig()
    rig.nft.fail_next("read", WorkerFailed("crashed", operation="read"), times=99)
    rig.run(100)
    assert rig.service.exit_status is Exit.FAILURE
    assert rig.clock.now >= 1015  # 1 + 2 + 4 + 8 s of waiting
    assert rig.nft.reads == 5


def test_an_answer_lost_on_the_way_is_settled_by_reading() -> None:
    rig = Rig()
    rig.nft.lose_next_answer()
    rig.service.tick()
    assert rig.service.status.state is State.IN_SYNC
    assert len(rig.nft.commits) == 1


def test_loading_may_take_longer_than_the_watchdog_is_patient() -> None:
    rig = Rig(watchdog=10.0)
    rig.service.tick()
    sent = rig.notifier.datagrams
    assert {"EXTEND_TIMEOUT_USEC": "150000000", "WATCHDOG_USEC": "150000000"} in sent
    assert [each["WATCHDOG_USEC"] for each in sent if "WATCHDOG_USEC" in each][-1] == "10000000"


@pytest.mark.fault(25)
def test_a_pass_may_take_as_long_as_all_its_requests_together() -> None:
    class Slow(FakeNft):
        def __init__(self) -> None:
            super().__init__()
            self.takes = 100.0

        def generation(self) -> int:
            rig.clock.now += 50.0
            return super().generation()

    rig = Rig(watchdog=10.0, nft=Slow())
    rig.notifier.take()
    begun = rig.clock.now
    rig.service.tick()
    assert rig.clock.now - begun > 150
    sent = [each for each in rig.notifier.take() if "WATCHDOG_USEC" in each]
    begin, *extended, end = sent
    assert begin == {"EXTEND_TIMEOUT_USEC": "150000000", "WATCHDOG_USEC": "150000000"}
    assert extended
    assert all(each == {"EXTEND_TIMEOUT_USEC": "130000000", "WATCHDOG_USEC": "130000000"} for each in extended)
    assert end == {"WATCHDOG_USEC": "10000000"}


def test_a_pass_of_short_requests_is_announced_once() -> None:
    rig = Rig(watchdog=10.0).started()
    rig.nft.takes = 20.0
    rig.drop_element()
    rig.hear()
    sent = [each["WATCHDOG_USEC"] for each in rig.notifier.take() if "WATCHDOG_USEC" in each]
    assert sent == ["150000000", "10000000"]


def test_without_a_watchdog_the_timeouts_are_extended_alone() -> None:
    rig = Rig()
    rig.nft.takes = 200.0
    rig.service.tick()
    extended = [each for each in rig.notifier.take() if "EXTEND_TIMEOUT_USEC" in each]
    assert extended == [{"EXTEND_TIMEOUT_USEC": usec} for usec in ("150000000", "150000000", "230000000")]


def test_a_cgroup_that_does_not_exist_is_mentioned() -> None:
    rig = Rig(configuration(80, cgroup="system.slice/nginx.service"))
    rig.service.tick()
    lines = rig.journal.take_lines()
    assert "INFO cgroup system.slice/nginx.service does not exist; its labels wait for it" in lines


def test_a_huge_number_of_mistakes_is_cut_short() -> None:
    rig = Rig()
    rig.configuration = ConfigError([Problem("a.toml", number, "", "wrong") for number in range(1, 500)])
    rig.service.tick()
    events = rig.journal.take()
    assert sum(isinstance(event, ConfigurationProblem) for event in events) == 50
    assert "499 mistakes in the configuration (`secmarkctl check` shows all of them)" in str(events[-1])


def test_a_kernel_error_without_a_kind_of_its_own_is_tried_again() -> None:
    rig = Rig()
    rig.nft.fail_next("commit", KernelError("odd", operation="commit"))
    rig.run(5)
    assert rig.service.status.state is State.IN_SYNC


@pytest.mark.fault(38)
def test_a_module_of_the_kernel_that_comes_late_at_boot_is_waited_for() -> None:
    rig = Rig()
    rig.nft.fail_next("read", ModuleMissing("no nf_tables", operation="read", hint="load it"), times=2)
    rig.service.tick()
    assert rig.notifier.status == "starting: no nf_tables; try 2 in 1 s"
    rig.run(3)
    assert rig.service.status.state is State.IN_SYNC
    assert kinds(rig) == ["Started", "VerificationFailed", "Degraded", "LabelsCreated", "Recovered", "Ready"]


@pytest.mark.fault(38)
def test_a_module_of_the_kernel_that_never_comes_ends_the_start() -> None:
    rig = Rig()
    rig.nft.fail_next("read", ModuleMissing("no nf_tables", operation="read", hint="load it"), times=99)
    rig.run(100)
    assert rig.nft.reads == 5
    assert rig.service.exit_status is Exit.UNAVAILABLE
    assert rig.journal.take_lines()[-1] == "ERR cannot start: no nf_tables (load it)"


@pytest.mark.fault(38)
def test_a_reload_does_not_wait_for_a_module() -> None:
    rig = Rig().started()
    rig.nft.fail_next("commit", ModuleMissing("no nft_socket", operation="commit"))
    rig.reload(configuration(80))
    assert rig.nft.table == configuration(80, 443).table
    assert rig.says.endswith("last reload rejected: no nft_socket")
