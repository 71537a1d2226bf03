# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is named for a change, and who is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secmarkd.change.diff import diff
from secmarkd.errors import StateUnknown
from secmarkd.events import (
    DriftDetected,
    DriftFlood,
    DriftRepaired,
)
from secmarkd.ports import News
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.status import State
from secmarkd.service.verification import Watch
from tests.fakes.changes import FakeChanges
from tests.fakes.nft import FakeNft
from tests.fakes.writers import FakeWriters
from tests.support.others import DESIRED, emptied, flushed, repeat, without_chains
from tests.support.service_rig import Rig


def test_what_is_changed_after_our_repair_is_told_too_and_each_author_for_their_own() -> None:
    rig = Rig().started()
    rig.nft.change(without_chains)
    rig.nft.interlopers.append(lambda: rig.nft.change(emptied, (300, "ansible")))
    rig.hear()
    rig.run(1)
    *told, repaired = rig.journal.take()
    assert all(isinstance(each, DriftDetected | DriftFlood) for each in told)
    chains = [str(each) for each in told if "chain missing" in str(each)]
    elements = [str(each) for each in told if "element missing" in str(each)]
    assert len(chains) + len(elements) == len(told)
    assert len(elements) == 2
    assert all(each.endswith("; by nft (process 200)") for each in chains)
    assert all(each.endswith("; by ansible (process 300)") for each in elements)
    assert isinstance(repaired, DriftRepaired)
    assert repaired.count == 2


def test_the_same_thing_changed_again_after_our_repair_has_another_author() -> None:
    rig = Rig().started()
    rig.nft.change(without_chains)
    rig.nft.interlopers.append(lambda: rig.nft.change(without_chains, (300, "ansible")))
    rig.hear()
    rig.run(1)
    authors = [event.by for event in rig.journal.take() if isinstance(event, DriftDetected | DriftFlood)]
    assert list(dict.fromkeys(authors)) == ["nft (process 200)", "ansible (process 300)"]


def test_what_is_dropped_of_our_own_doing_is_no_matter_for_the_next_change() -> None:
    rig = Rig().started()
    rig.nft.change(without_chains)
    rig.nft.interlopers.append(rig.events.blur)
    rig.hear()
    assert rig.nft.table == DESIRED
    rig.run(200)
    rig.drop_element()
    rig.hear()
    assert rig.nft.hasty == 1


def test_what_is_dropped_of_a_commit_that_no_pass_has_seen_is_a_matter_for_the_next_change() -> None:
    nft = FakeNft(DESIRED)
    events = FakeChanges(nft)
    watch = Watch(events, FakeWriters())
    watch.begin()
    read_at = nft.number
    nft.change(emptied)
    events.blur()
    watch.concluded(Outcome(Action.NONE, generation=read_at), nft)
    nft.change(lambda table: DESIRED)
    assert watch.begin() is None


def test_after_a_repair_a_commit_of_another_table_is_again_no_matter() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.hear()
    reads = rig.nft.reads
    rig.nft.change_elsewhere()
    rig.hear()
    rig.run(10)
    assert rig.nft.reads == reads


def test_a_process_that_calls_itself_by_our_name_is_not_taken_for_us() -> None:
    rig = Rig().started()
    rig.nft.change(emptied, (300, "secmarkd-nft"))
    rig.hear()
    assert rig.nft.table == DESIRED
    assert "by secmarkd-nft (process 300)" in str(rig.journal.take()[0])


def test_nor_is_it_while_a_pass_ends() -> None:
    nft = FakeNft(DESIRED)
    watch = Watch(FakeChanges(nft), FakeWriters())
    watch.begin()
    read_at = nft.number
    nft.change(emptied, (300, "secmarkd-nft"))
    assert watch.concluded(Outcome(Action.NONE, generation=read_at), nft).text == ""
    assert watch.pending


def test_several_writers_are_named() -> None:
    rig = Rig().started()
    rig.nft.change(emptied, (300, "ansible"))
    rig.nft.change(flushed, (301, "nft"))
    rig.hear()
    assert str(rig.journal.take()[0]).endswith("; by one of ansible (process 300) and nft (process 301)")


def test_our_own_repair_whose_answer_was_lost_is_not_taken_for_anothers() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.lose_next_answer()
    rig.hear()
    assert rig.nft.hasty == 1
    detected, _ = rig.journal.take()
    assert str(detected).endswith("; by nft (process 200)")


DOCKER = (400, "dockerd")


def test_who_committed_beside_it_and_did_not_touch_our_table_is_not_named() -> None:
    rig = Rig().started()
    rig.nft.change_elsewhere(DOCKER)
    rig.nft.change(emptied)
    rig.nft.change_elsewhere(DOCKER)
    rig.nft.interlopers.append(lambda: rig.nft.change_elsewhere(DOCKER))
    rig.hear()
    assert str(rig.journal.take()[0]).endswith("; by nft (process 200)")
    assert [each.comm for each in rig.writers.asked] == ["nft"]
    rig.nft.change_elsewhere(DOCKER)
    rig.hear()
    rig.run(10)
    assert [each.comm for each in rig.writers.asked] == ["nft"]


def test_nor_is_who_committed_between_the_change_and_its_number() -> None:
    rig = Rig().started()
    rig.nft.change_elsewhere(DOCKER)
    rig.nft.change(emptied)
    late = rig.events.waiting.pop()
    rig.hear()
    assert rig.writers.asked == []
    rig.nft.change_elsewhere(DOCKER)
    rig.events.waiting.insert(0, late)
    rig.hear()
    assert str(rig.journal.take()[0]).endswith("; by nft (process 200)")


def test_an_author_whose_number_comes_only_while_the_pass_runs_is_named() -> None:
    nft = FakeNft(DESIRED)
    events = FakeChanges(nft)
    watch = Watch(events, FakeWriters())
    watch.concluded(Outcome(Action.NONE, generation=nft.number), nft)
    nft.change(emptied)
    late = events.waiting.pop()
    watch.begin()
    nft.change_elsewhere(DOCKER)
    events.waiting.insert(0, late)
    outcome = Outcome(Action.REPORTED, diff(DESIRED, nft.table), generation=nft.number)
    assert watch.concluded(outcome, nft).text == "nft (process 200)"


DROPS = pytest.mark.parametrize("drop", [FakeChanges.lose, FakeChanges.blur], ids=["commits", "changes"])


@DROPS
def test_after_lost_events_whoever_was_merely_busy_is_not_named(drop: Callable[[FakeChanges], None]) -> None:
    rig = Rig().started()
    rig.nft.change(emptied)
    drop(rig.events)
    for _ in range(200):
        rig.nft.change_elsewhere(DOCKER)
    rig.hear()
    told = rig.journal.take()
    assert {each.by for each in told if isinstance(each, DriftDetected)} == {"unknown (events were lost)"}
    assert rig.writers.asked == []
    assert rig.nft.table == DESIRED


@DROPS
def test_after_lost_events_those_are_named_whose_touch_was_heard(drop: Callable[[FakeChanges], None]) -> None:
    rig = Rig().started()
    rig.nft.change(without_chains, (300, "ansible"))
    drop(rig.events)
    rig.nft.change_elsewhere(DOCKER)
    rig.nft.change(emptied)
    rig.hear()
    told = {each.by for each in rig.journal.take() if isinstance(each, DriftDetected | DriftFlood)}
    assert told == {"one of nft (process 200) and others unknown (events were lost)"}


@DROPS
def test_what_was_lost_is_no_matter_for_the_author_of_the_next_change(drop: Callable[[FakeChanges], None]) -> None:
    rig = Rig().started()
    rig.nft.change(emptied)
    drop(rig.events)
    rig.nft.change_elsewhere(DOCKER)
    rig.hear()
    rig.run(200)
    rig.journal.take()
    rig.drop_element()
    rig.hear()
    assert str(rig.journal.take()[0]).endswith("; by nft (process 200)")


@DROPS
def test_what_is_lost_during_a_pass_that_others_keep_busy_names_none_of_them(
    drop: Callable[[FakeChanges], None],
) -> None:
    rig = Rig().started()

    def meanwhile() -> None:
        for _ in range(300):
            rig.nft.change_elsewhere(DOCKER)
        drop(rig.events)
        for _ in range(300):
            rig.nft.change_elsewhere(DOCKER)

    rig.nft.change(without_chains)
    rig.nft.interlopers.append(meanwhile)
    rig.hear()
    rig.run(5)
    told = rig.journal.take()
    assert {each.by for each in told if isinstance(each, DriftDetected | DriftFlood)} == {"nft (process 200)"}
    assert rig.nft.table == DESIRED
    assert rig.service.status.state is State.IN_SYNC


def test_events_are_taken_between_the_steps_of_a_pass() -> None:
    """So that the kernel has room for more, and authors are looked at while they live."""
    rig = Rig().started()
    rig.drop_element()
    rig.service.changed()
    rig.nft.interlopers.append(lambda: rig.nft.change(emptied, (300, "ansible")))
    take = rig.events.take
    seen: list[tuple[int, int]] = []

    def taken() -> News:
        seen.append((rig.nft.number, rig.nft.reads))
        return take()

    rig.events.take = taken  # type: ignore[method-assign]
    rig.run(0)
    assert len({reads for _, reads in seen}) > 1  # before and after the read
    assert [each.comm for each in rig.writers.asked if each.comm == "ansible"]


def test_an_event_does_not_hasten_the_next_try_after_a_failure() -> None:
    rig = Rig().started()
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"), times=100)
    reads = rig.nft.reads
    repeat(rig, 100, 0.01, lambda: rig.nft.change(emptied))
    assert rig.nft.reads <= reads + 2
