# SPDX-License-Identifier: GPL-2.0-or-later
"""Passes that repair from the kernel's notifications before they read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secmarkd.change.diff import diff
from secmarkd.change.early_repair import ElementChange, Hints
from secmarkd.errors import Conflict, KernelError, StateUnknown, WorkerFailed
from secmarkd.model.label_map import OnDrift
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.reconcile import Action, Outcome, reconcile
from secmarkd.table.drift import Change, Thing
from secmarkd.table.elements import Elements, Field
from secmarkd.table.generation import successor
from secmarkd.table.table import Map, ObjectKind, Table
from tests.fakes.nft import FakeNft
from tests.fakes.nft_state import changes_between
from tests.support.tampered_tables import (
    TAMPERINGS,
    Tampering,
    added_rule,
    ports_table,
    with_element,
    without_element,
    without_rules,
)


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
