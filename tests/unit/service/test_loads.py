# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes on while a load is under way, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

from secmarkd.errors import WorkerFailed
from secmarkd.events import (
    DriftRepaired,
    EnvironmentChanged,
    EnvironmentNotFollowed,
    Reloaded,
    ReloadRejected,
    StartFailed,
)
from secmarkd.events import Stopped as StoppedEvent
from secmarkd.model.label_map import Environment
from secmarkd.ports import LOAD_DEADLINE
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State
from secmarkd.table.table import Table
from tests.support.service_rig import OnStop, Rig, configuration


def reloading(rig: Rig) -> Rig:
    """A service whose reload is under way."""
    rig.loader.slow = True
    rig.configuration = configuration(8080)
    rig.service.ask_reload()
    rig.run(0)
    assert rig.journal.take() == []
    return rig


def answered(rig: Rig) -> list[type[object]]:
    """The load is answered; the kinds of events that follow."""
    rig.loader.slow = False
    rig.service.load_answered()
    rig.service.tick()
    return [type(each) for each in rig.journal.take()]


def test_a_start_waits_for_its_load_and_looks_at_nothing_meanwhile() -> None:
    rig = Rig()
    rig.loader.slow = True
    rig.run(LOAD_DEADLINE - 1)
    assert rig.says == "starting: loading the configuration"
    assert rig.nft.reads == 0
    answered(rig)
    assert rig.service.status.state is State.IN_SYNC


def test_a_notification_during_the_first_load_brings_no_pass() -> None:
    rig = Rig()
    rig.loader.slow = True
    rig.run(0)
    for notify in (rig.service.changed, rig.service.policy_changed, rig.service.ask_verify):
        notify()
        rig.run(1)
    assert (rig.nft.reads, rig.loader.loads) == (0, 1)


def test_the_watchdog_is_fed_while_a_load_is_under_way() -> None:
    rig = reloading(Rig(watchdog=10.0).started())
    rig.notifier.take()
    rig.run(60)
    assert [each for each in rig.notifier.take() if "WATCHDOG" in each] == [{"WATCHDOG": "1"}] * 12


def test_a_reload_is_shown_as_long_as_it_lasts() -> None:
    rig = reloading(Rig().started())
    rig.run(60)
    assert rig.notifier.status == "reloading the configuration"
    assert not any("READY" in each for each in rig.notifier.take())
    answered(rig)
    assert rig.notifier.status.startswith("in sync")
    assert any("READY" in each for each in rig.notifier.take())


def test_drift_is_repaired_while_a_reload_is_loaded() -> None:
    rig = reloading(Rig().started())
    rig.drop_element()
    rig.hear()
    assert any(isinstance(each, DriftRepaired) for each in rig.journal.take())
    assert rig.nft.table == configuration(80, 443).table
    assert Reloaded in answered(rig)
    assert rig.nft.table == configuration(8080).table


def test_a_stop_abandons_the_load_and_is_done_at_once() -> None:
    rig = reloading(Rig(configuration(80, on_stop=OnStop.REMOVE)).started())
    begun = rig.clock.now
    rig.service.ask_stop()
    rig.run(0)
    assert (rig.service.exit_status, rig.clock.now, rig.loader.abandoned) == (Exit.OK, begun, 1)
    assert rig.journal.take() == [StoppedEvent("removed")]
    assert rig.nft.table is None


def test_a_stop_during_the_first_load_leaves_the_table_that_was_there() -> None:
    rig = Rig(configuration(80, on_stop=OnStop.REMOVE), table=configuration(22).table)
    rig.loader.slow = True
    rig.run(1)
    rig.service.ask_stop()
    rig.run(0)
    assert rig.service.exit_status is Exit.OK
    assert rig.loader.abandoned == 1
    assert rig.nft.table == configuration(22).table


def test_reloads_that_are_asked_for_during_a_load_are_one_that_follows_it() -> None:
    rig = reloading(Rig().started())
    for _ in range(10):
        rig.service.ask_reload()
        rig.run(1)
    assert rig.loader.loads == 2
    answered(rig)
    rig.configuration = configuration(9090)
    rig.run(0)
    assert rig.loader.loads == 3
    assert rig.nft.table == configuration(9090).table


def test_a_load_that_never_answers_is_given_up_at_its_deadline_and_rejects_the_reload() -> None:
    rig = reloading(Rig().started())
    rig.run(LOAD_DEADLINE - 1)
    assert rig.loader.abandoned == 0
    rig.run(2)
    assert rig.loader.abandoned == 1
    assert [type(each) for each in rig.journal.take()][-1] is ReloadRejected
    assert "the loading process did not answer within 120 s and was killed" in rig.says
    assert rig.service.status.state is State.IN_SYNC


def test_a_first_load_that_never_answers_ends_the_service() -> None:
    rig = Rig()
    rig.loader.slow = True
    rig.run(LOAD_DEADLINE + 1)
    assert rig.service.exit_status is Exit.FAILURE
    assert isinstance(rig.journal.take()[-1], StartFailed)


# --- recompilations ---

ELSEWHERE = Environment(cgroups={"a.slice": 7})


def without_chains(table: Table) -> Table:
    return replace(table, chains=())


def recompiling() -> Rig:
    """A service whose labels are being compiled for another environment."""
    rig = Rig(configuration(80, cgroup="a.slice")).started()
    rig.loader.slow = True
    rig.environment = ELSEWHERE
    rig.hear_of_cgroups(came=True)
    assert rig.journal.take() == []
    return rig


def test_a_recompilation_takes_effect_when_it_is_answered() -> None:
    rig = recompiling()
    rig.run(10)
    assert EnvironmentChanged in answered(rig)
    assert rig.service.status.state is State.IN_SYNC


def test_nothing_is_verified_against_the_table_of_the_environment_before() -> None:
    rig = recompiling()
    reads = rig.nft.reads
    rig.nft.change(without_chains)
    rig.hear()
    assert rig.nft.reads == reads
    assert DriftRepaired in answered(rig)
    assert rig.service.status.state is State.IN_SYNC


def test_an_environment_that_changes_once_more_is_compiled_for_instead() -> None:
    rig = recompiling()
    rig.environment = Environment(cgroups={"a.slice": 8})
    rig.run(1)
    rig.hear_of_cgroups(came=True)
    answered(rig)
    rig.run(1)
    assert rig.service.status.state is State.IN_SYNC
    assert len(rig.loader.asked_for) == 2
    assert rig.loader.asked_for[-1] == rig.environment


def test_a_reload_takes_the_place_of_a_recompilation_which_is_made_after_it_where_still_needed() -> None:
    rig = recompiling()
    rig.configuration = WorkerFailed("died", operation="load")
    rig.service.ask_reload()
    rig.run(0)
    assert answered(rig)[-1] is ReloadRejected
    rig.run(1)
    assert EnvironmentChanged in [type(each) for each in rig.journal.take()]


def test_a_recompilation_that_fails_is_logged_and_the_labels_are_verified_as_they_are() -> None:
    rig = recompiling()

    def fails(*_: object) -> object:
        raise WorkerFailed("died", operation="load")

    rig.loader.slow = False
    rig.loader.abandon()
    rig.loader.recompiled = fails  # type: ignore[assignment]
    rig.loader.begin_recompile(configuration(80), ELSEWHERE)
    reads = rig.nft.reads
    rig.nft.change(without_chains)
    assert EnvironmentNotFollowed in answered(rig)
    assert rig.nft.reads > reads
