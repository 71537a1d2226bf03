# SPDX-License-Identifier: GPL-2.0-or-later
"""The policy changes under the labels: what the service tells of it, and that it leaves the labels alone."""

from __future__ import annotations

import errno

import pytest

from secmarkd.errors import ContextRejected
from secmarkd.events import ContextsKnown, ContextsUnknown, EnforcementChanged, LabelRejected, Priority
from secmarkd.model.label_map import Settings
from secmarkd.service.exit_codes import Exit
from secmarkd.service.machine import POLICY_SETTLES
from secmarkd.service.status import State
from tests.support.service_rig import HTTP, Mode, Rig, configuration

pytestmark = pytest.mark.fault(35)

RESYNC = Settings().resync


def verified(rig: Rig) -> list[str]:
    rig.service.ask_verify()
    rig.service.tick()
    return rig.journal.take_lines()


def test_a_type_that_a_policy_load_drops_is_told_with_its_label_and_nothing_is_removed() -> None:
    rig = Rig().started()
    before, commits = rig.nft.table, len(rig.nft.commits)
    rig.selinux.load(unknown={str(HTTP)})
    rig.run(RESYNC)
    (event,) = rig.journal.take()
    assert isinstance(event, ContextsUnknown)
    assert event.PRIORITY is Priority.ERR
    assert f"does not know 1 context of the labels: {HTTP} (50-web.toml:2: labels.http.tcp); " in str(event)
    assert rig.service.status.state is State.DEGRADED
    assert rig.notifier.status == (
        f"degraded: in sync, but the loaded policy does not know the context {HTTP} (50-web.toml:2: labels.http.tcp); "
        "1 label, 2 elements; last drift never"
    )
    assert (rig.nft.table, len(rig.nft.commits)) == (before, commits)


def test_the_kernels_word_of_a_policy_brings_the_look_forward_and_a_storm_of_them_is_one() -> None:
    rig = Rig().started()
    rig.selinux.load(unknown={str(HTTP)})
    wakes = rig.wakes
    for _ in range(50):
        rig.service.policy_changed()
    assert rig.journal.take() == []
    rig.run(POLICY_SETTLES)
    assert rig.service.status.state is State.DEGRADED
    assert rig.wakes == wakes + 1
    assert rig.service.due() > rig.clock.now + 1


def test_it_does_not_bring_a_repair_forward_that_has_to_wait() -> None:
    rig = Rig().started()
    for _ in range(200):
        rig.retarget()
        rig.hear()
        rig.run(0.1)
    due = rig.service.due()
    assert due > rig.clock.now + POLICY_SETTLES
    rig.service.policy_changed()
    assert rig.service.due() == due


def test_it_is_told_once_and_stays_degraded_until_a_policy_knows_it_again() -> None:
    rig = Rig().started()
    rig.selinux.load(unknown={str(HTTP)})
    assert len(verified(rig)) == 1
    assert verified(rig) == []
    rig.run(3 * RESYNC)
    assert rig.journal.take() == []
    assert rig.says.startswith("degraded: ")
    rig.selinux.load(unknown=set())
    rig.run(RESYNC)
    (event,) = rig.journal.take()
    assert isinstance(event, ContextsKnown)
    assert event.seconds == 4 * RESYNC
    assert rig.says.startswith("in sync: ")
    assert rig.service.status.state is State.IN_SYNC


def test_one_of_two_may_come_back_alone() -> None:
    rig = Rig().started()
    rig.selinux.load(unknown={str(HTTP), "system_u:object_r:icmp_packet_t:s0"})
    verified(rig)
    assert "and 1 more; 1 label" in rig.says
    rig.selinux.load(unknown={"system_u:object_r:icmp_packet_t:s0"})
    (line,) = verified(rig)
    assert line.startswith(f"NOTICE the loaded policy knows 1 context of the labels again, after 0 ms: {HTTP}")
    assert rig.service.status.unknown == ("system_u:object_r:icmp_packet_t:s0",)


def test_drift_of_the_other_labels_is_repaired_meanwhile() -> None:
    rig = Rig().started()
    before = rig.nft.table
    rig.selinux.load(unknown={str(HTTP)})
    verified(rig)
    rig.drop_element()
    rig.hear()
    assert rig.nft.table == before
    assert rig.service.status.state is State.DEGRADED
    assert "does not know the context" in rig.says


def test_a_table_that_must_be_made_anew_meanwhile_is_refused_and_the_label_named() -> None:
    rig = Rig().started()
    rig.selinux.load(unknown={str(HTTP)})
    rig.nft.unknown_contexts.add(str(HTTP))
    rig.nft.change(lambda _: None)
    rig.hear()
    kinds = [type(event) for event in rig.journal.take()]
    assert kinds.count(LabelRejected) == 1
    assert rig.says.startswith("degraded: the policy does not know the context; labels unchanged, try 2 in ")
    rig.selinux.load(unknown=set())
    rig.nft.unknown_contexts.clear()
    rig.run(60)
    assert rig.says.startswith("in sync: ")


def test_labels_adopted_at_the_start_are_looked_at_too() -> None:
    rig = Rig(table=configuration(80, 443).table)
    rig.selinux.load(unknown={str(HTTP)})
    rig.service.tick()
    assert rig.service.status.state is State.DEGRADED
    assert any(isinstance(event, ContextsUnknown) for event in rig.journal.take())


def test_a_reload_that_takes_the_label_out_mends_it() -> None:
    rig = Rig().started()
    rig.selinux.load(unknown={str(HTTP)})
    verified(rig)
    other = type(HTTP)("system_u", "object_r", "www_packet_t", "s0")
    rig.reload(configuration(80, 443, context=other))
    assert rig.service.status.state is State.IN_SYNC
    assert rig.service.status.unknown == ()


def test_a_policy_that_stays_is_not_asked_again() -> None:
    rig = Rig().started()
    asked = rig.selinux.asked
    assert asked > 0
    rig.run(10 * RESYNC)
    assert rig.selinux.asked == asked


def test_a_process_that_may_not_ask_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig().started()

    def denied(context: str) -> bool:
        raise PermissionError(errno.EACCES, context)

    monkeypatch.setattr(rig.selinux, "valid", denied)
    rig.selinux.load(unknown={str(HTTP)})
    assert verified(rig) == []
    assert rig.service.status.state is State.IN_SYNC


def test_a_selinuxfs_that_is_not_to_be_seen_any_more_says_nothing_of_the_policy() -> None:
    rig = Rig().started()
    rig.selinux.active = False
    assert verified(rig) == []
    assert rig.service.status.state is State.IN_SYNC


def test_rehearsing_asks_no_policy() -> None:
    rig = Rig(configuration(80, mode=Mode.REHEARSE)).started()
    rig.selinux.load(unknown={str(HTTP)})
    assert verified(rig) == []
    assert rig.selinux.asked == 0


@pytest.mark.fault(34)
def test_enforcing_switched_off_and_on_is_told_once_each() -> None:
    rig = Rig().started()
    rig.selinux.enforcing = False
    (line,) = verified(rig)
    assert line == "NOTICE SELinux is now permissive; packets are labelled as before, and nothing is refused"
    assert verified(rig) == []
    rig.selinux.enforcing = True
    rig.run(RESYNC)
    (event,) = rig.journal.take()
    assert event == EnforcementChanged("enforcing")
    assert rig.service.status.state is State.IN_SYNC


@pytest.mark.fault(34)
def test_selinux_that_appears_after_a_rejected_reload_is_found_by_the_next() -> None:
    """A machine that booted without: rehearsing works, labelling is refused, and nothing is remembered of it."""
    rig = Rig(configuration(80, mode=Mode.REHEARSE))
    rig.selinux.active = False
    rig.started()
    rig.reload(configuration(80))
    assert rig.service.status.reload is not None
    assert rig.service.status.reload.exit_status == Exit.UNAVAILABLE
    rig.selinux.active = True
    rig.reload(configuration(80))
    assert rig.service.status.reload.accepted


def test_a_context_that_is_unknown_from_the_start_is_an_error_of_the_start() -> None:
    rig = Rig()
    rig.nft.fail_next("commit", ContextRejected("unknown", operation="commit", offender=str(HTTP)))
    rig.service.tick()
    assert rig.service.exit_status is Exit.CONFIG
