# SPDX-License-Identifier: GPL-2.0-or-later
"""Difference, plan and pass: whatever someone did to the table, one pass names it, puts it right, and says so only then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from secmarkd.change.diff import ELEMENT_SAMPLES, diff
from secmarkd.change.plan import LARGE_ACTIVATION, InUse, plan
from secmarkd.change.rebuild import rebuild
from secmarkd.errors import Conflict, ContextRejected, StateUnknown, TooLarge, WorkerFailed
from secmarkd.model.label_map import OnDrift
from secmarkd.reconcile import Action, reconcile
from secmarkd.table.drift import Change, Thing
from secmarkd.table.elements import Elements, Field
from secmarkd.table.generation import successor
from secmarkd.table.table import Map, ObjectKind, Table
from secmarkd.table.transaction import AddElements, Replace, Transaction
from tests.fakes.nft import FakeNft
from tests.support.label_maps import DEFAULTS
from tests.support.tampered_tables import (
    SEEDS,
    TAMPERINGS,
    Tampering,
    dormant,
    ports_table,
    table_of,
    with_comment,
    with_elements,
    without_element,
    without_rules,
)


@pytest.mark.parametrize(
    ("tamper", "thing", "change", "action"), TAMPERINGS, ids=lambda each: getattr(each, "__name__", "")
)
def test_tampering_is_named_and_undone(tamper: Tampering, thing: Thing, change: Change, action: Action) -> None:
    desired = ports_table(3)
    nft = FakeNft(tamper(desired))
    outcome = reconcile(nft, desired)
    assert (thing, change) in {(drift.thing, drift.change) for drift in outcome.drifts}
    assert outcome.action is action
    assert nft.table == desired
    assert len(nft.commits) == 1


@pytest.mark.parametrize("tamper", [each[0] for each in TAMPERINGS], ids=lambda each: each.__name__)
def test_report_changes_nothing_and_keeps_reporting(tamper: Tampering) -> None:
    desired = ports_table(3)
    nft = FakeNft(tamper(desired))
    for _ in range(2):
        outcome = reconcile(nft, desired, OnDrift.REPORT)
        assert outcome.action is Action.REPORTED
        assert outcome.remaining
        assert not outcome.in_sync
    assert nft.commits == []


def test_equal_table_is_left_alone() -> None:
    nft = FakeNft(ports_table(3))
    assert reconcile(nft, ports_table(3)).action is Action.NONE
    assert nft.commits == []


def test_absent_table_is_one_drift_and_is_created() -> None:
    nft = FakeNft()
    outcome = reconcile(nft, ports_table(3))
    assert [drift.thing for drift in outcome.drifts] == [Thing.TABLE]
    assert outcome.action is Action.CREATED


@pytest.mark.fault(16)
def test_unreadable_state_is_never_acted_on() -> None:
    nft = FakeNft(ports_table(3))
    nft.fail_next("read", StateUnknown("no stable answer", operation="read"))
    outcome = reconcile(nft, ports_table(5))
    assert outcome.action is Action.FAILED
    assert isinstance(outcome.error, StateUnknown)
    assert nft.commits == []


@pytest.mark.fault(15)
def test_lost_answer_of_a_commit_is_settled_by_reading() -> None:
    nft = FakeNft()
    nft.lose_next_answer()
    assert reconcile(nft, ports_table(3)).action is Action.CREATED


@pytest.mark.fault(15)
def test_commit_that_never_happened_is_not_called_success() -> None:
    nft = FakeNft()
    nft.fail_next("commit", WorkerFailed("died", operation="commit"))
    outcome = reconcile(nft, ports_table(3))
    assert outcome.action is Action.FAILED
    assert outcome.remaining
    assert isinstance(outcome.error, WorkerFailed)


def test_nothing_is_built_upon_a_commit_that_may_not_have_happened() -> None:
    old = ports_table(3)
    desired = replace(old, objects=tuple(replace(each, context=f"{each.context}:c1") for each in old.objects))
    nft = FakeNft(old)
    assert len(plan(desired, old, staged=True)) > 1
    nft.fail_next("commit", WorkerFailed("died", operation="commit"))
    outcome = reconcile(nft, desired, staged=True)
    assert (outcome.action, type(outcome.error)) == (Action.FAILED, WorkerFailed)
    assert nft.commits == []
    assert nft.table == old
    nft.lose_next_answer()
    outcome = reconcile(nft, desired, staged=True)
    assert (outcome.action, type(outcome.error)) == (Action.FAILED, WorkerFailed)
    assert len(nft.commits) == 1
    assert reconcile(nft, desired, staged=True).in_sync
    assert len(nft.commits) == 2
    assert nft.table == desired


def test_a_crash_is_no_success_of_another_who_commits_meanwhile() -> None:
    class Crashing(FakeNft):
        def commit(self, transaction: Transaction) -> None:
            self.change_elsewhere()
            raise WorkerFailed("libnftables died of SIGSEGV", operation="commit")

    outcome = reconcile(Crashing(without_element(ports_table(3))), ports_table(3))
    assert outcome.action is Action.FAILED
    assert "SIGSEGV" in str(outcome.error)


def test_rejected_context_keeps_the_old_labels() -> None:
    desired, old = ports_table(3), Table()
    nft = FakeNft(old)
    nft.unknown_contexts.add("system_u:object_r:web_packet_t:s0")
    outcome = reconcile(nft, desired)
    assert isinstance(outcome.error, ContextRejected)
    assert nft.table == old


@pytest.mark.fault(11)
def test_someone_else_between_read_and_write_makes_it_a_replacement() -> None:
    nft = FakeNft(without_element(ports_table(3)))
    nft.fail_next("commit", Conflict("exists", operation="commit"))
    assert reconcile(nft, ports_table(3)).action is Action.REPLACED
    assert nft.table == ports_table(3)


def test_a_pass_vouches_for_the_generation_that_it_read_and_knows_its_own() -> None:
    nft = FakeNft(without_element(ports_table(3)))
    before = nft.number
    outcome = reconcile(nft, ports_table(3))
    assert outcome.generation == nft.number == successor(before)
    assert outcome.written == {nft.number}


@pytest.mark.fault(11)
def test_a_commit_of_another_at_the_same_moment_leaves_open_which_was_ours() -> None:
    nft = FakeNft(without_element(ports_table(3)))
    nft.interlopers.append(nft.change_elsewhere)
    outcome = reconcile(nft, ports_table(3))
    assert outcome.action is Action.REPAIRED
    assert outcome.written == frozenset()


def test_what_was_put_right_and_changed_again_is_contested_and_no_failure_of_ours() -> None:
    nft = FakeNft(without_element(ports_table(3)))
    nft.interlopers.append(lambda: nft.change(without_element))
    outcome = reconcile(nft, ports_table(3))
    assert outcome.action is Action.CONTESTED
    assert outcome.remaining
    assert not outcome.in_sync


def test_a_commit_that_ends_with_its_process_fails_for_that_reason() -> None:
    nft = FakeNft(without_element(ports_table(3)))
    nft.fail_next("commit", WorkerFailed("libnftables died of SIGKILL", operation="commit"))
    outcome = reconcile(nft, ports_table(3))
    assert outcome.action is Action.FAILED
    assert isinstance(outcome.error, WorkerFailed)
    assert outcome.remaining == outcome.drifts != ()


@pytest.mark.fault(41)
def test_a_table_that_reads_otherwise_than_written_without_anyones_doing_is_a_failure() -> None:
    class Altering(FakeNft):
        def commit(self, transaction: Transaction) -> None:
            super().commit(transaction)
            assert self.table is not None
            self.table = without_element(self.table)

    outcome = reconcile(Altering(without_element(ports_table(3))), ports_table(3))
    assert outcome.action is Action.FAILED
    assert outcome.error is not None
    assert outcome.error.hint.startswith("no other program has changed it: ")


def test_what_someone_changed_between_read_and_write_is_told_as_well() -> None:
    class Raced(FakeNft):
        def commit(self, transaction: Transaction) -> None:
            if not self.commits and not any(isinstance(each, Replace) for each in transaction):
                self.change(without_rules)
                raise Conflict("exists", operation="commit")
            super().commit(transaction)

    nft = Raced(without_element(ports_table(3)))
    outcome = reconcile(nft, ports_table(3))
    assert outcome.action is Action.REPLACED
    assert {drift.thing for drift in outcome.drifts} == {Thing.ELEMENT, Thing.RULE}


def test_large_first_activation_labels_everything_in_a_short_first_transaction() -> None:
    desired = ports_table(5000)
    first, second = plan(desired, None, frozenset({(6, 22), (17, 22)}))
    assert isinstance(first[0], Replace)
    assert first[0].table.chains == desired.chains
    assert [key for key, _ in first[0].table.maps[0].elements.items()] == [b"\x06\x00\x16"]
    assert isinstance(second[0], AddElements)
    assert len(second[0].elements) == 4999
    nft = FakeNft()
    assert reconcile(nft, desired, in_use=lambda: frozenset({(6, 22)})).action is Action.CREATED
    assert nft.table == desired


@pytest.mark.parametrize("live", [None, ports_table(3), ports_table(5000)], ids=["none", "another", "equal"])
def test_ports_in_use_are_asked_for_only_where_they_matter(live: Table | None) -> None:
    asked: list[bool] = []

    def in_use() -> InUse:
        asked.append(True)
        return frozenset()

    assert reconcile(FakeNft(live), ports_table(5000), in_use=in_use).in_sync
    assert bool(asked) == (live is None)
    assert reconcile(FakeNft(), ports_table(LARGE_ACTIVATION), in_use=in_use).in_sync
    assert bool(asked) == (live is None)


@pytest.mark.fault(40)
def test_a_large_first_activation_is_done_in_as_many_parts_as_the_kernel_wants() -> None:
    desired, nft = ports_table(5000), FakeNft()
    nft.largest = 700
    assert reconcile(nft, desired).action is Action.CREATED
    assert nft.table == desired
    first, *rest = nft.commits
    assert isinstance(first[0], Replace)
    assert len(rest) == 8


@pytest.mark.fault(40)
def test_what_must_happen_at_once_and_is_too_large_is_refused_and_nothing_changes() -> None:
    old, nft = ports_table(3), FakeNft(ports_table(3))
    nft.largest = 700
    outcome = reconcile(nft, replace(ports_table(5000), chains=()))
    assert outcome.action is Action.FAILED
    assert isinstance(outcome.error, TooLarge)
    assert nft.table == old
    nft.largest = 0  # not even one element
    nft.table = None
    assert isinstance(reconcile(nft, ports_table(5000)).error, TooLarge)


def test_element_that_nft_would_silently_keep_is_removed_with_its_map() -> None:
    field = (Field.IPV4,)
    wanted = Map("server_remote4_ranges", field, ObjectKind.SECMARK, True, Elements.of(8, {b"\x0a" * 8: "s_web"}))
    last = Elements.of(8, {b"\x0a" * 8: "s_web", b"\xff" * 8: "s_web"})
    desired = replace(ports_table(1), maps=(wanted,))
    live = replace(desired, maps=(replace(wanted, elements=last),))
    assert plan(desired, live) == ((rebuild(live, desired),),)


def test_what_cannot_be_named_needs_the_table_replaced() -> None:
    desired = ports_table(3)
    for tamper in (dormant, with_comment):
        assert plan(desired, tamper(desired)) == ((Replace(desired),),)


def test_small_first_activation_is_one_transaction() -> None:
    assert len(plan(ports_table(LARGE_ACTIVATION), None)) == 1


def test_flood_of_elements_is_sampled_and_counted() -> None:
    desired = ports_table(5000)
    drifts = diff(desired, with_elements(desired, {}))
    assert len(drifts) == ELEMENT_SAMPLES + 1
    assert sum(drift.count for drift in drifts) == 5000


@given(seed=SEEDS)
def test_table_does_not_differ_from_itself(seed: int) -> None:
    assert diff(table_of(seed), table_of(seed)) == ()


@given(one=SEEDS, other=SEEDS)
def test_any_table_becomes_any_other_by_its_plan(one: int, other: int) -> None:
    before, after = table_of(one), table_of(other)
    assert (diff(after, before) == ()) == (before == after)
    nft = FakeNft(before)
    outcome = reconcile(nft, after)
    assert outcome.in_sync
    assert nft.table == after


def test_defaults_alone_make_a_table() -> None:
    table = table_of(0)
    assert {str(DEFAULTS.server), str(DEFAULTS.client)} <= {each.context for each in table.objects}
