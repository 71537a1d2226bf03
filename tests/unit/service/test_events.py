# SPDX-License-Identifier: GPL-2.0-or-later
"""The service among others who commit: at once where it concerns our table, not at all elsewhere, and never a hot loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from secmarkd.change.diff import diff
from secmarkd.change.early_repair import MOST
from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import Conflict, StateUnknown
from secmarkd.events import (
    DriftDetected,
    DriftFlood,
    DriftGone,
    DriftRepaired,
    FightDetected,
    FightEnded,
    LabelsReplaced,
    Priority,
)
from secmarkd.ports import News, Writer
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.contention import LONGEST
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from secmarkd.service.transitions import START_ATTEMPTS
from secmarkd.service.verification import Watch
from secmarkd.table.elements import Elements
from secmarkd.table.table import Table
from tests.fakes.changes import FakeChanges
from tests.fakes.nft import FakeNft
from tests.fakes.writers import FakeWriters
from tests.support.service_rig import OnDrift, Rig, configuration

DESIRED = configuration(80, 443).table


def flushed(table: Table) -> None:
    return None


def with_a_port(table: Table) -> Table:
    other = configuration(80, 443, 9999).table
    return replace(table, maps=other.maps)


def emptied(table: Table) -> Table:
    return replace(table, maps=tuple(replace(each, elements=Elements(each.elements.width)) for each in table.maps))


def kinds(rig: Rig) -> list[str]:
    return [type(event).__name__ for event in rig.journal.take()]


def repeat(rig: Rig, times: int, seconds: float, act: Callable[[], None]) -> None:
    """Act again and again, with the service awake in between."""
    for _ in range(times):
        act()
        rig.hear()
        rig.run(seconds)


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


# --- whose doing ---


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
    assert rig.says == "in sync: 1 label, 2 elements; last drift never; the kernel's events were lost 2 times"


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


def without_chains(table: Table) -> Table:
    return replace(table, chains=())


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


# --- many changes ---


@pytest.mark.fault(2)
def test_fifty_flushes_in_a_row_are_a_handful_of_repairs() -> None:
    rig = Rig().started()
    commits = len(rig.nft.commits)
    repeat(rig, 50, 0.01, lambda: rig.nft.change(flushed))
    rig.run(5)
    assert rig.nft.table == DESIRED
    assert len(rig.nft.commits) - commits <= 5
    assert rig.service.status.state is State.IN_SYNC
    assert "FightDetected" not in kinds(rig)


def test_changes_far_apart_are_each_repaired_at_once() -> None:
    rig = Rig().started()
    for _ in range(50):
        rig.drop_element()
        rig.hear()
        assert rig.nft.table == DESIRED
        rig.run(2.1)
    assert rig.service.status.state is State.IN_SYNC


def fighting(loaded: Loaded | None = None) -> Rig:
    """Half an hour of a program that flushes ten times a second."""
    rig = Rig(loaded).started()
    rig.writers.known["nft"] = Writer("nft", 17, unit="bad.service")
    repeat(rig, 18000, 0.1, lambda: rig.nft.change(lambda _: None) if rig.nft.table else None)
    return rig


@pytest.mark.fault(3)
def test_a_writer_that_keeps_coming_back_is_named_and_fought_less_and_less_often() -> None:
    rig = fighting()
    assert len(rig.nft.commits) < 9 + 1800 / LONGEST + 3
    fights = [event for event in rig.journal.take() if isinstance(event, FightDetected)]
    assert [event.by_unit for event in fights] == ["bad.service"]
    assert rig.service.status.state is State.DEGRADED
    assert re.match(
        r"degraded: nft \(process 17, bad\.service\) keeps changing the labels, repaired \d+ times in a row; "
        r"repairs now wait up to 30 s; 1 label",
        rig.says,
    )
    assert rig.published[-1].opponent == "nft (process 17, bad.service)"


def test_a_short_time_between_verifications_does_not_make_the_fight_fiercer() -> None:
    often = fighting(configuration(80, 443, resync=1.0))
    assert len(often.nft.commits) < 9 + 1800 / LONGEST + 3


def test_a_fight_is_over_when_the_other_side_stops() -> None:
    rig = fighting()
    rig.journal.take()
    rig.run(3 * LONGEST)
    assert rig.nft.table == DESIRED
    (ended,) = [event for event in rig.journal.take() if isinstance(event, FightEnded)]
    assert ended.by_unit == "bad.service"
    assert rig.service.status.state is State.IN_SYNC
    assert rig.service.status.opponent == ""
    rig.run(10)
    rig.drop_element()
    rig.hear()
    assert rig.nft.table == DESIRED


def test_a_fight_is_not_over_while_nobody_can_tell() -> None:
    rig = fighting()
    rig.nft.table = DESIRED
    rig.nft.fail_next("read", StateUnknown("starved", operation="read"), times=9)
    rig.service.ask_verify()
    rig.journal.take()
    end = rig.clock.now + 200
    while rig.clock.now < end:
        rig.run(1)
        assert rig.service.status.state is State.DEGRADED
    assert kinds(rig) == ["VerificationFailed", "Degraded"]
    rig.run(300)
    assert kinds(rig) == ["Recovered", "FightEnded"]
    assert rig.service.status.state is State.IN_SYNC


def test_a_fight_may_end_with_differences_that_are_left() -> None:
    rig = fighting()
    rig.run(10)
    rig.nft.change(flushed)
    rig.reload(configuration(80, 443, on_drift=OnDrift.REPORT))
    rig.nft.change(emptied)
    rig.hear()
    rig.run(LONGEST)
    rig.journal.take()
    rig.run(600)
    assert rig.service.status.state is State.DRIFT
    (ended,) = rig.journal.take()
    assert str(ended).startswith(
        "fight over, 2 differences left: nft (process 17, bad.service) has left the labels alone"
    )


@pytest.mark.fault(3)
def test_a_writer_that_is_always_faster_is_a_fight_and_no_failure_of_ours() -> None:
    rig = Rig().started()
    rig.nft.interlopers = [lambda: rig.nft.change(emptied)] * 20
    rig.drop_element()
    rig.hear()
    rig.run(10)
    told = kinds(rig)
    assert "FightDetected" in told
    assert "RepairFailed" not in told
    assert rig.says.startswith("degraded: nft (process 200) keeps changing the labels")
    rig.run(3600)
    assert rig.nft.table == DESIRED
    assert rig.says.startswith("in sync")


# --- at a reload and at the start ---


def by_ansible(rig: Rig, times: int, effect: Callable[[Table], Table | None] = emptied) -> None:
    """Someone changes the table right after each of our next commits."""
    rig.nft.interlopers += [lambda: rig.nft.change(effect, (300, "ansible"))] * times


def test_a_reload_whose_labels_are_changed_at_once_is_told_and_then_the_drift_with_its_author() -> None:
    rig = Rig().started()
    by_ansible(rig, 1)
    (replaced,) = rig.reload(configuration(80))
    assert isinstance(replaced, LabelsReplaced)
    assert rig.service.status.reload is not None
    assert rig.service.status.reload.error.startswith("not in the kernel yet: the table differs")
    rig.run(1)
    assert rig.nft.table == configuration(80).table
    detected, repaired = rig.journal.take()
    assert str(detected).endswith("expected s_http_server_packet_t; by ansible (process 300)")
    assert isinstance(repaired, DriftRepaired)


def test_a_reload_that_someone_always_undoes_is_a_fight() -> None:
    rig = Rig().started()
    by_ansible(rig, 100)
    rig.reload(configuration(80))
    rig.run(10)
    told = rig.journal.take()
    assert any(isinstance(each, FightDetected) for each in told)
    assert {each.by for each in told if isinstance(each, DriftDetected)} == {"ansible (process 300)"}
    assert rig.says.startswith("degraded: ansible (process 300) keeps changing the labels")


def test_what_is_changed_right_after_a_reload_is_left_where_drift_is_only_reported() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    by_ansible(rig, 1)
    rig.reload(configuration(80, on_drift=OnDrift.REPORT))
    rig.run(1)
    (detected,) = rig.journal.take()
    assert isinstance(detected, DriftDetected)
    assert (detected.action, detected.by_comm) == ("reported", "ansible")
    assert rig.service.status.state is State.DRIFT


def test_a_start_whose_labels_are_changed_at_once_tells_so_and_is_not_ready() -> None:
    rig = Rig()
    by_ansible(rig, 2, flushed)
    rig.service.tick()
    assert kinds(rig) == ["Started", "LabelsCreated"]
    assert rig.service.status.state is State.STARTING
    rig.run(1)
    (detected,) = rig.journal.take()
    assert str(detected) == "drift: table missing: table inet secmarkd; by ansible (process 300)"
    rig.run(2)
    assert kinds(rig) == ["DriftDetected", "DriftRepaired", "Ready"]


def test_a_start_that_someone_always_undoes_is_left_to_the_service_manager() -> None:
    rig = Rig()
    by_ansible(rig, 100, flushed)
    rig.run(100)
    assert rig.service.exit_status is Exit.FAILURE
    assert len(rig.nft.commits) == START_ATTEMPTS


def test_another_configuration_that_comes_during_such_a_start_is_not_taken_for_drift() -> None:
    rig = Rig()
    by_ansible(rig, 1)
    rig.service.tick()
    rig.configuration = configuration(8080)
    rig.service.ask_reload()
    rig.run(1)
    assert kinds(rig) == ["Started", "LabelsCreated", "LabelsReplaced", "Ready"]


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
