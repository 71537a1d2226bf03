# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of the ruleset without reading it: which notifications bring a pass, and which do not."""

from __future__ import annotations

import pytest

from secmarkd.events import (
    DriftFlood,
    Priority,
)
from secmarkd.service.status import State
from tests.support.others import DESIRED, emptied, kinds, repeat, without_chains
from tests.support.service_rig import Rig


def test_own_commits_are_no_news() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.hear()
    reads = rig.nft.reads
    rig.hear()
    rig.run(299)
    assert rig.nft.reads == reads
    assert [each.comm for each in rig.writers.asked] == ["nft"]


@pytest.mark.fault(9)
def test_changes_of_other_tables_cost_no_reading_no_question_and_no_line() -> None:
    rig = Rig().started()
    reads = rig.nft.reads
    rig.service.ask_verify()
    rig.run(0)  # a pass that changed nothing: from here on nothing of ours is on its way
    repeat(rig, 1000, 0.1, rig.nft.change_elsewhere)
    assert rig.nft.reads == reads + 1
    rig.run(300)
    assert rig.nft.reads == reads + 2  # the periodic verification, which trusts no event
    assert rig.writers.asked == []
    assert rig.journal.take() == []


def test_a_change_among_many_of_other_tables_is_not_overlooked() -> None:
    rig = Rig().started()
    rig.nft.change_elsewhere()
    rig.drop_element()
    rig.nft.change_elsewhere()
    rig.hear()
    assert rig.nft.table == DESIRED


def test_the_number_of_the_commit_may_come_after_what_it_changed() -> None:
    rig = Rig().started()
    rig.nft.change_elsewhere()
    rig.drop_element()
    late = rig.events.waiting.pop()
    rig.service.changed()
    rig.events.waiting.append(late)
    rig.hear()
    assert rig.nft.table == DESIRED


def test_a_change_told_as_one_of_another_table_is_found_by_the_periodic_verification() -> None:
    rig = Rig().started()
    rig.service.ask_verify()
    rig.run(0)
    rig.drop_element()
    rig.events.take()
    rig.nft.change_elsewhere()
    rig.hear()
    assert rig.nft.table != DESIRED
    rig.run(300)
    assert rig.nft.table == DESIRED


def test_lost_events_mean_verification() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.events.lose()
    rig.hear()
    assert rig.nft.table == DESIRED
    assert str(rig.journal.take()[0]).endswith("; by unknown (events were lost)")


@pytest.mark.fault(1)
def test_the_number_of_the_last_change_is_told_where_it_is_known() -> None:
    rig = Rig().started()
    rig.nft.change(without_chains)
    rig.nft.change(emptied)
    changed = str(rig.nft.number)
    rig.nft.change_elsewhere()
    rig.hear()
    told = [each for each in rig.journal.take() if isinstance(each, DriftFlood)]
    assert {each.fields()["SECMARKD_GENERATION"] for each in told} == {changed}
    rig.run(200)
    rig.drop_element()
    rig.events.lose()
    rig.hear()
    assert "SECMARKD_GENERATION" not in rig.journal.take()[0].fields()


@pytest.mark.fault(14)
def test_how_often_events_were_lost_is_counted() -> None:
    rig = Rig().started()
    assert rig.service.status.lost_events == 0
    for _ in range(2):
        rig.events.lose()
        rig.hear()
    assert rig.published[-1].lost_events == 2
    assert rig.says == "in sync: 1 label, 2 elements; last drift never; the kernel dropped notifications 2 times"


def test_events_that_never_come_are_made_up_for_by_the_periodic_verification() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.events.take()
    rig.run(300)
    assert rig.nft.table == DESIRED


def test_a_table_that_vanished_without_a_commit_is_noticed() -> None:
    rig = Rig().started()
    rig.nft.table = None
    rig.hear()
    assert rig.nft.table is None
    rig.run(300)
    assert rig.nft.table == DESIRED


def test_the_generation_may_wrap_around() -> None:
    rig = Rig()
    rig.nft.number = 2**32 - 2
    rig.started()
    for _ in range(5):
        rig.run(10)
        rig.drop_element()
        rig.hear()
        assert rig.nft.table == DESIRED
    assert kinds(rig) == ["DriftDetected", "DriftRepaired"] * 5


def test_a_change_during_the_pass_leads_to_another_pass() -> None:
    rig = Rig().started()
    rig.drop_element()
    rig.nft.interlopers.append(lambda: rig.nft.change(emptied, (300, "ansible")))
    rig.hear()
    rig.run(1)
    assert rig.nft.table == DESIRED
    events = rig.journal.take()
    assert all(event.PRIORITY >= Priority.WARNING for event in events)
    assert "ansible" in " ".join(str(event) for event in events)
    assert "secmarkd-nft" not in " ".join(str(event) for event in events)
    assert rig.service.status.state is State.IN_SYNC
