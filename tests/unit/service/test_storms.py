# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that commits all the time: who it is is said, reads are tried again, and nothing flaps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secmarkd.compiler.loaded import Loaded
from secmarkd.events import Event, RulesetBusy, RulesetCalm
from secmarkd.ports import Committed
from secmarkd.service.attribution import UNATTRIBUTED, Commotion
from secmarkd.service.busy import AT_ONCE, LONGEST, LONGEST_RETRY, QUIET
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from secmarkd.service.tally import FEW, NAMES, Tally
from tests.fakes.writers import FakeWriters
from tests.support.service_rig import OnDrift, Rig, configuration
from tests.support.stormy import DESIRED, PYTHON, STORM, Stormy, starve, state, stormy

pytestmark = pytest.mark.fault(18)


# --- reads that are given up ---


def test_a_read_that_was_given_up_names_who_is_in_the_way_in_journal_and_status() -> None:
    rig, _ = stormy()
    (busy,) = starve(rig, 0.5)
    assert isinstance(busy, RulesetBusy)
    by = "python3 (process 500, /usr/bin/python3.11, user root, storm.service)"
    assert busy.by == by
    assert (busy.by_pid, busy.by_comm, busy.by_unit) == ("500", "python3", "storm.service")
    assert str(busy).startswith("degraded: the ruleset changes too fast to be read: some ")
    status = rig.service.status
    assert status.state is State.DEGRADED
    assert status.busy == by
    assert status.to_json()["busy"] == by
    assert f"a second by {by}; labels unchanged, try 2 in 1 s" in rig.says


@pytest.mark.parametrize("every", [0, 2, 3, 7])
def test_a_storm_is_two_lines_however_often_a_read_succeeds_beside_it(every: int) -> None:
    rig, nft = stormy()
    nft.readable_every = every
    told = starve(rig, 600)
    assert [type(each) for each in told] == [RulesetBusy]
    assert state(rig) is State.DEGRADED
    nft.storming = False
    rig.run(LONGEST_RETRY + QUIET)
    (calm,) = rig.journal.take()
    assert isinstance(calm, RulesetCalm)
    assert calm.by_unit == "storm.service"
    assert calm.seconds == pytest.approx(600, rel=0.02)
    assert 0 < calm.given_up <= calm.passes
    assert state(rig) is State.IN_SYNC
    assert (rig.service.status.busy, rig.service.status.busy_rate) == ("", 0)


def test_while_it_lasts_the_state_does_not_flap() -> None:
    rig, nft = stormy()
    nft.readable_every = 2
    starve(rig, 1)
    rig.published.clear()
    starve(rig, 60)
    assert {each.state for each in rig.published} == {State.DEGRADED}
    assert any("in sync when last read" in each.line(rig.clock.now) for each in rig.published)


def test_what_could_not_be_read_is_tried_again_within_seconds() -> None:
    rig, nft = stormy()
    starve(rig, 1)
    reads = nft._tried
    rig.run(300)
    assert nft._tried - reads >= 300 / LONGEST_RETRY


def test_drift_is_repaired_as_soon_as_a_read_succeeds_and_by_whom_is_told_rightly() -> None:
    rig, nft = stormy()
    nft.readable_every = 2
    starve(rig, 5)
    rig.nft.change(lambda table: replace(table, chains=()))
    rig.hear()
    rig.run(2 * LONGEST_RETRY)
    nft.storming = False
    rig.run(LONGEST_RETRY)
    assert nft.table == DESIRED
    told = [str(each) for each in rig.journal.take() if "chain missing" in str(each)]
    assert told
    assert all(each.endswith("; by nft (process 200)") for each in told)


def test_several_who_are_in_the_way_are_named_and_many_cost_no_more() -> None:
    tally = Tally(FakeWriters())
    tally.begin()
    commits = [Committed(number, number, f"p{number % 1000}") for number in range(1, 20_001)]
    tally.note(commits)
    commotion = tally.commotion(10.0)
    assert commotion is not None
    assert commotion.commits == 20_000
    assert commotion.text.endswith("some 2000 commits a second")
    assert len(tally._named) == NAMES


def test_a_handful_of_commits_is_no_reason_to_name_anyone() -> None:
    tally = Tally(FakeWriters())
    tally.note([Committed(7, 1, "nft")])
    tally.begin()
    tally.note([Committed(8 + number, 1, "nft") for number in range(FEW - 1)])
    assert tally.commotion(1.0) is None
    tally.note([Committed(7 + FEW, 1, "nft")])
    assert tally.commotion(1.0) is not None


def test_our_own_commits_are_nobody_in_the_way() -> None:
    tally = Tally(FakeWriters())
    tally.begin()
    tally.note([Committed(number, 100, "secmarkd-nft") for number in range(1, 10)])
    assert tally.commotion(1.0) is None


def test_commits_that_were_not_heard_of_are_counted_by_their_numbers() -> None:
    tally = Tally(FakeWriters())
    tally.note([Committed(2**32 - 2, 1, "nft")])
    tally.begin()
    tally.note([Committed(500, 1, "nft")])
    commotion = tally.commotion(1.0)
    assert commotion is not None
    assert commotion.commits == 502


@pytest.mark.parametrize(("commits", "rate"), [(1, 1), (8, 8), (14, 10), (812, 800), (6258, 6000)])
def test_a_rate_has_one_digit(commits: int, rate: int) -> None:
    assert Commotion(commits, 1.0, UNATTRIBUTED).rate == rate


# --- our table written again and again, and not changed ---


def touch(rig: Rig) -> None:
    """`add counter …; delete counter …` in one transaction."""
    rig.nft.change(lambda table: table, STORM)
    rig.service.changed()


def storm_on_ours(rig: Rig, seconds: float, each_second: int = 800) -> list[Event]:
    for _ in range(int(seconds * each_second)):
        touch(rig)
        rig.run(1 / each_second)
    return rig.journal.take()


def test_a_storm_on_our_table_is_two_lines_and_names_its_author() -> None:
    rig = Rig().started()
    rig.writers.known["python3"] = PYTHON
    (busy,) = storm_on_ours(rig, 30)
    assert isinstance(busy, RulesetBusy)
    assert (busy.by_unit, busy.error) == ("storm.service", "")
    assert 400 <= busy.commits_per_second <= 900
    assert state(rig) is State.DEGRADED
    assert "storm.service" in rig.says
    assert "in sync when last read" in rig.says
    rig.run(QUIET + LONGEST)
    (calm,) = rig.journal.take()
    assert isinstance(calm, RulesetCalm)
    assert (calm.by_unit, calm.given_up) == ("storm.service", 0)
    assert state(rig) is State.IN_SYNC


def test_a_reload_that_takes_longer_than_the_quiet_is_not_taken_for_quiet() -> None:
    rig = Rig().started()
    storm_on_ours(rig, 10)
    load = rig.loader.next

    def slowly() -> Loaded:
        rig.clock.now += 2 * QUIET
        touch(rig)
        return load()

    rig.loader.next = slowly
    rig.service.ask_reload()
    rig.service.tick()
    assert state(rig) is State.DEGRADED
    assert not [each for each in rig.journal.take() if isinstance(each, RulesetCalm)]
    rig.run(QUIET + LONGEST)
    assert [type(each) for each in rig.journal.take()] == [RulesetCalm]
    assert state(rig) is State.IN_SYNC


@pytest.mark.fault(46)
def test_it_is_read_less_and_less_often() -> None:
    rig = Rig().started()
    reads = rig.nft.reads
    storm_on_ours(rig, 60)
    assert rig.nft.reads - reads < AT_ONCE + 10 + 60 / LONGEST


@pytest.mark.parametrize("drop", [True, False], ids=["and events are lost", ""])
def test_drift_beside_it_is_repaired_within_seconds(drop: bool) -> None:
    rig = Rig().started()
    storm_on_ours(rig, 20)
    rig.nft.change(lambda table: replace(table, chains=()))
    if drop:
        rig.events.lose()
    storm_on_ours(rig, 2 * LONGEST)
    assert rig.nft.table == DESIRED


def test_losses_of_events_are_no_hot_loop() -> None:
    rig = Rig().started()
    reads = rig.nft.reads
    for _ in range(6000):
        rig.events.lose()
        rig.service.changed()
        rig.run(0.01)
    assert rig.nft.reads - reads < AT_ONCE + 10 + 60 / LONGEST


def test_a_few_touches_are_looked_at_at_once() -> None:
    rig = Rig().started()
    for _ in range(AT_ONCE):
        reads = rig.nft.reads
        touch(rig)
        rig.run(0)
        assert rig.nft.reads == reads + 1
    rig.run(60)
    assert rig.journal.take() == []


def test_reported_drift_beside_it_is_told_once() -> None:
    rig = Rig(configuration(80, 443, on_drift=OnDrift.REPORT)).started()
    rig.drop_element()
    rig.hear()
    rig.journal.take()
    told = storm_on_ours(rig, 30)
    assert [type(each) for each in told] == [RulesetBusy]


# --- reloads ---


def test_a_reload_beside_a_storm_succeeds_when_one_of_a_few_reads_does() -> None:
    rig, nft = stormy()
    nft.readable_every = 3
    starve(rig, 1)
    rig.reload(configuration(80))
    assert rig.service.status.reload is not None
    assert rig.service.status.reload.exit_status == 0
    assert nft.table == configuration(80).table


def test_a_reload_that_a_storm_keeps_out_says_what_is_in_its_way_and_by_whom() -> None:
    rig, _ = stormy()
    rig.reload(configuration(80))
    reload = rig.service.status.reload
    assert reload is not None
    assert reload.exit_status == Exit.FAILURE
    assert reload.error.startswith(
        "not in the kernel yet: the ruleset changes too fast to be read; meanwhile commits by "
    )
    assert "python3 (process 500, /usr/bin/python3.11, user root, storm.service), some " in reload.error


def test_what_others_change_before_such_a_reload_is_done_is_told_as_their_doing() -> None:
    rig, nft = stormy()
    rig.reload(configuration(80, 443, 8080))
    nft.storming = False
    rig.nft.change(lambda table: replace(table, chains=()))
    rig.run(LONGEST_RETRY)
    told = [str(each) for each in rig.journal.take()]
    assert nft.table == configuration(80, 443, 8080).table
    assert any("chain missing" in each and each.endswith("by nft (process 200)") for each in told), told
    assert any("labels updated" in each for each in told)


def test_a_start_that_a_storm_keeps_out_names_it() -> None:
    nft = Stormy()
    nft.storming = True
    rig = Rig(nft=nft)
    rig.writers.known["python3"] = PYTHON
    rig.run(100)
    assert rig.service.exit_status is Exit.FAILURE
    assert "storm.service" in str(rig.journal.take()[-1])
