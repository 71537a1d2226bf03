# SPDX-License-Identifier: GPL-2.0-or-later
"""Difference, plan and pass: whatever someone did to the table, one pass names it, puts it right, and says so only then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secmarkd.change.diff import ELEMENT_SAMPLES, diff
from secmarkd.change.early_repair import ElementChange, Hints
from secmarkd.change.plan import LARGE_ACTIVATION, InUse, plan
from secmarkd.change.rebuild import rebuild
from secmarkd.compiler.compile import compile_table
from secmarkd.errors import Conflict, ContextRejected, KernelError, StateUnknown, TooLarge, WorkerFailed
from secmarkd.model.label_map import Mode, OnDrift
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.reconcile import Action, Outcome, reconcile
from secmarkd.table.drift import Change, Thing
from secmarkd.table.elements import Elements, Field
from secmarkd.table.generation import successor
from secmarkd.table.table import BaseHook, Chain, Foreign, Map, Object, ObjectKind, Table, Verdict
from secmarkd.table.transaction import AddElements, Replace, Transaction
from tests.fakes.nft import FakeNft, changes_between
from tests.support.label_maps import DEFAULTS, ENVIRONMENT, random_label_map, without_contradictions

SEEDS = st.integers(0, 2**32 - 1)


def table_of(seed: int) -> Table:
    label_map = without_contradictions(random_label_map(Random(seed)))
    return compile_table(label_map, Mode.LABEL, ENVIRONMENT)


def ports_table(count: int) -> Table:
    """A table with one hash map of `count` ports."""
    elements = Elements.of(3, {b"\x06" + port.to_bytes(2, "big"): "s_web" for port in range(1, count + 1)})
    ports = Map("server_port", (Field.PROTOCOL, Field.PORT), ObjectKind.SECMARK, False, elements)
    context = "system_u:object_r:web_packet_t:s0"
    chain = Chain("input", ((Verdict("accept"),), (Verdict("return"),)), BaseHook("input", 50))
    return Table((Object("s_web", ObjectKind.SECMARK, context),), (ports,), (chain,))


Tampering = Callable[[Table], Table]


def without_element(table: Table) -> Table:
    return _with_elements(table, dict(list(table.maps[0].elements.items())[1:]))


def with_element(table: Table) -> Table:
    return _with_elements(table, table.maps[0].elements.as_dict() | {b"\x11\xff\xff": "s_web"})


def _with_elements(table: Table, elements: dict[bytes, str]) -> Table:
    return replace(table, maps=(replace(table.maps[0], elements=Elements.of(3, elements)),))


def retargeted(table: Table) -> Table:
    other = Object("s_other", ObjectKind.SECMARK, "system_u:object_r:other_packet_t:s0")
    elements = table.maps[0].elements.as_dict() | {b"\x06\x00\x01": "s_other"}
    return replace(_with_elements(table, elements), objects=(other, *table.objects))


def other_context(table: Table) -> Table:
    return replace(table, objects=(replace(table.objects[0], context="system_u:object_r:evil_packet_t:s0"),))


def without_rules(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], rules=()),))


def edited_rule(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], rules=((Verdict("accept"),), (Verdict("accept"),))),))


def moved_rules(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], rules=table.chains[0].rules[::-1]),))


def added_rule(table: Table) -> Table:
    rules = (*table.chains[0].rules, (Foreign("statement", "", '{"drop": null}'),))
    return replace(table, chains=(replace(table.chains[0], rules=rules),))


def other_policy(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], base=BaseHook("input", 50, "drop")),))


def without_chain(table: Table) -> Table:
    return replace(table, chains=())


def without_map(table: Table) -> Table:
    return replace(table, maps=())


def foreign_set(table: Table) -> Table:
    return replace(table, foreign=(Foreign("set", "theirs", "{}"),))


def with_comment(table: Table) -> Table:
    return replace(table, foreign=(Foreign("table", "secmarkd", '{"comment": "theirs"}'),))


def dormant(table: Table) -> Table:
    return replace(table, flags=("dormant",))


TAMPERINGS: list[tuple[Tampering, Thing, Change, Action]] = [
    (without_element, Thing.ELEMENT, Change.MISSING, Action.REPAIRED),
    (with_element, Thing.ELEMENT, Change.UNEXPECTED, Action.REPAIRED),
    (retargeted, Thing.ELEMENT, Change.RETARGETED, Action.REPAIRED),
    (other_context, Thing.OBJECT, Change.CHANGED, Action.REBUILT),
    (without_rules, Thing.RULE, Change.MISSING, Action.REBUILT),
    (edited_rule, Thing.RULE, Change.CHANGED, Action.REBUILT),
    (moved_rules, Thing.RULE, Change.MOVED, Action.REBUILT),
    (added_rule, Thing.RULE, Change.UNEXPECTED, Action.REBUILT),
    (other_policy, Thing.CHAIN, Change.CHANGED, Action.REBUILT),
    (without_chain, Thing.CHAIN, Change.MISSING, Action.REBUILT),
    (without_map, Thing.MAP, Change.MISSING, Action.REBUILT),
    (foreign_set, Thing.FOREIGN, Change.UNEXPECTED, Action.REBUILT),
    (with_comment, Thing.FOREIGN, Change.UNEXPECTED, Action.REPLACED),
    (dormant, Thing.TABLE, Change.CHANGED, Action.REPLACED),
]


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
    drifts = diff(desired, _with_elements(desired, {}))
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


# --- hints ---


def hints_of(nft: FakeNft, desired: Table, tamper: Tampering, generation: int | None = None) -> Hints:
    """Someone tampers with the table that is as desired, and is heard."""
    nft.table = desired
    nft.change(tamper)
    changes = [each for each in changes_between(desired, nft.table) if each is not None]
    return Hints(nft.number if generation is None else generation, tuple(changes))


HINTED = [each for each in TAMPERINGS if each[0] in (without_element, with_element)]


@pytest.mark.parametrize(
    ("tamper", "thing", "change", "action"), HINTED, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_the_hints_tell_is_put_right_before_anything_is_read(
    tamper: Tampering, thing: Thing, change: Change, action: Action
) -> None:
    desired, nft = ports_table(3), FakeNft()
    hints = hints_of(nft, desired, tamper)
    expected = diff(desired, nft.table)
    outcome = reconcile(nft, desired, hints=hints)
    assert (outcome.drifts, outcome.action, outcome.in_sync) == (expected, action, True)
    assert (nft.hasty, len(nft.commits), nft.reads) == (1, 1, 1)
    assert nft.table == desired
    assert outcome.written == {nft.number}
    assert outcome.generation == nft.number


def test_hints_change_nothing_where_drift_is_only_reported() -> None:
    desired, nft = ports_table(3), FakeNft()
    outcome = reconcile(nft, desired, OnDrift.REPORT, hints=hints_of(nft, desired, without_element))
    assert outcome.action is Action.REPORTED
    assert nft.commits == []


def test_hints_of_another_generation_are_not_acted_on() -> None:
    desired, nft = ports_table(3), FakeNft()
    hints = hints_of(nft, desired, without_element)
    nft.change(without_rules)
    outcome = reconcile(nft, desired, hints=hints)
    assert nft.hasty == 0
    assert outcome.action is Action.REBUILT
    assert [each.thing for each in outcome.drifts] == [Thing.ELEMENT, Thing.RULE, Thing.RULE]
    assert nft.table == desired


@pytest.mark.parametrize("error", [Conflict, StateUnknown], ids=lambda each: each.__name__)
def test_a_repair_by_hints_that_fails_leaves_an_ordinary_pass(error: type[KernelError]) -> None:
    desired, nft = ports_table(3), FakeNft()
    hints = hints_of(nft, desired, without_element)
    nft.fail_next("commit_at", error("no", operation="commit"))
    outcome = reconcile(nft, desired, hints=hints)
    assert (outcome.action, len(outcome.drifts), nft.hasty) == (Action.REPAIRED, 1, 0)
    assert nft.table == desired


def test_what_a_lost_answer_repaired_is_told_all_the_same() -> None:
    desired, nft = ports_table(3), FakeNft()
    hints = hints_of(nft, desired, without_element)
    nft.lose_next_answer()
    outcome = reconcile(nft, desired, hints=hints)
    assert (outcome.action, len(outcome.drifts)) == (Action.REPAIRED, 1)
    assert len(nft.commits) == 1


def test_the_number_that_a_repair_by_hints_would_have_had_is_not_ours_where_it_never_happened() -> None:
    class Shared(FakeNft):
        def read(self) -> Table | None:
            if not self.reads:
                self.change_elsewhere()
            return super().read()

    desired, nft = ports_table(3), Shared()
    hints = hints_of(nft, desired, without_element)
    nft.fail_next("commit_at", WorkerFailed("no answer", operation="commit"))
    outcome = reconcile(nft, desired, hints=hints)
    assert (outcome.action, len(outcome.drifts), nft.hasty) == (Action.REPAIRED, 1, 0)
    assert outcome.written == {nft.number} != {successor(hints.generation)}


def test_what_the_hints_did_not_tell_is_found_by_the_read_and_told_beside_it() -> None:
    desired, nft = ports_table(3), FakeNft()
    hints = hints_of(nft, desired, without_element)
    nft.interlopers.append(lambda: nft.change(added_rule))
    outcome = reconcile(nft, desired, hints=hints)
    assert nft.hasty == 1
    assert outcome.action is Action.REBUILT
    assert [each.thing for each in outcome.drifts] == [Thing.ELEMENT, Thing.RULE]
    assert nft.table == desired


def test_what_differs_again_after_the_repair_is_told_once() -> None:
    desired, nft = ports_table(3), FakeNft()
    hints = hints_of(nft, desired, without_element)
    nft.interlopers.append(lambda: nft.change(without_element))
    outcome = reconcile(nft, desired, hints=hints)
    assert (outcome.action, len(outcome.drifts), len(nft.commits)) == (Action.REPAIRED, 1, 2)
    assert nft.table == desired


def test_wrong_hints_change_nothing_and_are_told_to_nobody() -> None:
    desired = ports_table(3)
    nft = FakeNft(desired)
    key = desired.maps[0].elements
    gone = ElementChange("server_port", False, encode_elements(desired.maps[0], key))
    outcome = reconcile(nft, desired, hints=Hints(nft.number, (gone,)))
    assert outcome == Outcome(Action.NONE, generation=nft.number)
    assert nft.table == desired


def test_hints_that_come_to_nothing_are_an_ordinary_pass() -> None:
    desired = ports_table(3)
    nft = FakeNft(desired)
    both = [*changes_between(desired, without_element(desired)), *changes_between(without_element(desired), desired)]
    hints = Hints(nft.number, tuple(each for each in both if each is not None))
    assert len(hints.changes) == 2
    assert reconcile(nft, desired, hints=hints).action is Action.NONE
    assert nft.commits == []


def test_more_than_single_changes_of_ranges_are_left_to_the_ordinary_pass() -> None:
    """Deleting one by one would take longer than to replace the map."""
    keys = [bytes([0, port, 6, 0, port, 6]) for port in range(1, 30)]
    fields = (Field.PORT, Field.PROTOCOL)
    ranges = Map("server_port_ranges", fields, ObjectKind.SECMARK, True, Elements.of(6, dict.fromkeys(keys, "s_web")))
    desired, nft = replace(ports_table(1), maps=(ranges,)), FakeNft()
    hints = hints_of(nft, desired, lambda table: replace(table, maps=(replace(ranges, elements=Elements(6)),)))
    outcome = reconcile(nft, desired, hints=hints)
    assert (nft.hasty, outcome.action) == (0, Action.REBUILT)
    assert nft.table == desired
