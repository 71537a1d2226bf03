# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of the state machine: complete where it must be, true to what it says, and drawn as it is."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from generate import states as diagram
from secmarkd.errors import ContextRejected, KernelError, SecmarkdError
from secmarkd.events import Ready, Reloaded, ReloadRejected, RemovalFailed, StartFailed
from secmarkd.reconcile import Action, Outcome
from secmarkd.service import effects as do
from secmarkd.service import inputs, states
from secmarkd.service.exit_codes import Exit
from secmarkd.service.inputs import Concluded, Input
from secmarkd.service.states import (
    Applying,
    ApplyReason,
    Contested,
    Degraded,
    Drifted,
    Failed,
    InSync,
    Labels,
    Loading,
    State,
    Stopped,
    Stopping,
    Unsettled,
)
from secmarkd.service.transitions import START_ATTEMPTS, TABLE, step
from secmarkd.table.drift import Change, Drift, Thing
from tests.support.service_rig import OnDrift, OnStop, configuration

LOADED, OTHER = configuration(80), configuration(443)
LABELS = Labels(LOADED, written=LOADED.table)
FAILED = Failed(1, 1.0, "starved", "")
ERROR = KernelError("starved", operation="read")
DRIFT = Drift(Thing.ELEMENT, Change.MISSING, "tcp . 80")
EXAMPLES: dict[type[State], State] = {
    Loading: Loading(),
    Applying: Applying(LABELS),
    InSync: InSync(LABELS),
    Drifted: Drifted(LABELS, 1),
    Degraded: Degraded(LABELS, FAILED),
    Stopping: Stopping(LABELS),
    Stopped: Stopped(Exit.OK),
}
RUNNING = (InSync, Drifted, Degraded)


def concluded(outcome: Outcome, retry: float = 0.0, **more: object) -> Concluded:
    return Concluded(outcome, retry, **{"unsettled": False, "seconds": 1.0, **more})  # type: ignore[arg-type]


HAPPENINGS: dict[type[Input], Input] = {
    inputs.StopAsked: inputs.StopAsked(),
    inputs.ReloadAsked: inputs.ReloadAsked(17.0),
    inputs.PassDue: inputs.PassDue(),
    inputs.LoadEnded: inputs.LoadEnded(OTHER, 17.0),
    inputs.LoadFailed: inputs.LoadFailed(SecmarkdError("wrong"), 17.0),
    inputs.Recompiled: inputs.Recompiled(OTHER),
    inputs.NotFollowed: inputs.NotFollowed(LOADED, OTHER.environment, SecmarkdError("wrong")),
    inputs.Written: inputs.Written(Outcome(Action.REPLACED), OTHER, ApplyReason.RELOAD, 17.0),
    inputs.Refused: inputs.Refused(ContextRejected("no", operation="commit"), OTHER, ApplyReason.RELOAD, 17.0, ""),
    inputs.Concluded: concluded(Outcome(Action.NONE)),
    inputs.Unchanged: inputs.Unchanged(unsettled=False),
    inputs.Ended: inputs.Ended(None, removed=False),
}


def kinds(effects: tuple[do.Effect, ...]) -> list[str]:
    return [type(each).__name__ for each in effects]


def logged(effects: tuple[do.Effect, ...]) -> list[type[object]]:
    return [type(each.event) for each in effects if isinstance(each, do.Log)]


# --- the table ---


def test_there_is_an_example_of_every_state_and_every_input() -> None:
    assert set(EXAMPLES) == set(
        get_args(states.Loading | Applying | InSync | Drifted | Degraded | Stopping | Stopped)
    )
    assert set(HAPPENINGS) == set(get_args(inputs.Input))


@pytest.mark.parametrize(("state", "happened"), TABLE, ids=lambda each: each.__name__)
def test_each_row_leads_to_one_of_the_states_that_it_names(state: type[State], happened: type[Input]) -> None:
    following, _ = step(EXAMPLES[state], HAPPENINGS[happened])
    assert type(following) in TABLE[state, happened].to


def test_every_state_but_the_last_two_can_be_stopped_and_every_input_happens_somewhere() -> None:
    assert {state for state, happened in TABLE if happened is inputs.StopAsked} == set(EXAMPLES) - {Stopping, Stopped}
    assert {happened for _, happened in TABLE} == set(HAPPENINGS)


def test_whatever_happens_in_one_running_state_happens_in_the_others() -> None:
    rows = [
        {happened: TABLE[each, happened].follow for each_, happened in TABLE if each_ is each} for each in RUNNING
    ]
    assert rows[0] == rows[1] == rows[2]


def test_nothing_happens_after_the_end() -> None:
    for happened in HAPPENINGS.values():
        with pytest.raises(KeyError):
            step(EXAMPLES[Stopped], happened)


def test_the_diagram_in_architecture_is_the_one_of_the_table() -> None:
    text = Path("ARCHITECTURE.md").read_text()
    assert diagram.with_diagram(text) == text, "run `make states`"


# --- starting ---


def test_the_first_pass_follows_the_load_and_its_last_try_is_final() -> None:
    _, effects = step(Loading(begun=True), inputs.LoadEnded(LOADED, 0.0))
    assert kinds(effects) == ["Follow", "Announce", "Write"]
    last = Failed(START_ATTEMPTS - 1, 8.0, "starved", "")
    _, effects = step(Loading(begun=True, failed=last), inputs.LoadEnded(LOADED, 0.0))
    assert isinstance(effects[-1], do.Write)
    assert effects[-1].last


def test_a_service_is_ready_after_its_first_pass_that_succeeds() -> None:
    outcome = concluded(Outcome(Action.CREATED), reason=ApplyReason.START, began=0.0)
    state, effects = step(Applying(Labels(LOADED, ApplyReason.START)), outcome)
    assert state == InSync(LABELS)
    assert logged(effects) == [Ready]
    assert effects[-1] == do.Announce({"READY": "1"})


def test_a_first_pass_that_fails_is_tried_again_later_with_what_the_environment_is_then() -> None:
    failed = concluded(Outcome(Action.FAILED, error=ERROR), 2.0, reason=ApplyReason.START, began=0.0)
    state, effects = step(Applying(Labels(LOADED, ApplyReason.START), FAILED), failed)
    assert state == Applying(Labels(LOADED, ApplyReason.START), Failed(2, 2.0, "starved", ""))
    assert effects == (do.Schedule(2.0),)
    assert isinstance(step(state, inputs.PassDue(stale=False))[0], Applying)
    following, effects = step(state, inputs.PassDue(stale=True))
    assert following == Loading(begun=True, failed=Failed(2, 2.0, "starved", ""))
    assert kinds(effects) == ["Announce", "Load"]


def test_a_refused_start_ends_with_the_exit_code_of_its_error() -> None:
    state, effects = step(Applying(LABELS), HAPPENINGS[inputs.Refused])
    assert isinstance(state, Stopped)
    assert state.exit is Exit.CONFIG
    assert kinds(effects) == ["LogRefusal", "Log"]
    assert logged(effects) == [StartFailed]


# --- running ---


@pytest.mark.parametrize("state", RUNNING)
def test_a_rejected_reload_leaves_the_state_as_it_is(state: type[State]) -> None:
    for happened in (inputs.LoadFailed, inputs.Refused):
        following, effects = step(EXAMPLES[state], HAPPENINGS[happened])
        assert following == EXAMPLES[state]
        assert logged(effects) == [ReloadRejected]
        assert kinds(effects)[-2:] == ["Schedule", "Announce"]


def test_an_accepted_reload_is_desired_before_it_is_known_to_be_in_the_kernel() -> None:
    state, effects = step(InSync(LABELS), HAPPENINGS[inputs.Written])
    assert state == InSync(Labels(OTHER, ApplyReason.RELOAD, LOADED.table))
    assert kinds(effects) == ["Follow", "Conclude"]
    ended = concluded(Outcome(Action.REPLACED), reason=ApplyReason.RELOAD, began=17.0)
    state, effects = step(state, ended)
    assert state == InSync(Labels(OTHER, None, OTHER.table))
    assert logged(effects) == [Reloaded]


def test_a_reload_that_is_not_in_the_kernel_yet_stays_to_be_written_and_is_logged_once() -> None:
    state: State = InSync(Labels(OTHER, ApplyReason.RELOAD, LOADED.table))
    failed = concluded(Outcome(Action.FAILED, error=ERROR), 1.0, reason=ApplyReason.RELOAD, began=17.0)
    state, effects = step(state, failed)
    assert state == Degraded(Labels(OTHER, ApplyReason.RELOAD, LOADED.table), FAILED)
    assert logged(effects) == []
    again = concluded(Outcome(Action.REPLACED), reason=ApplyReason.RELOAD)
    state, effects = step(state, again)
    assert state == InSync(Labels(OTHER, None, OTHER.table))
    assert logged(effects) == []


def test_failed_passes_in_a_row_are_counted_and_a_success_ends_the_row() -> None:
    state: State = InSync(LABELS)
    for attempt in (1, 2, 3):
        state, _ = step(state, concluded(Outcome(Action.FAILED, error=ERROR), float(attempt)))
        assert state == Degraded(LABELS, Failed(attempt, float(attempt), "starved", ""))
    assert step(state, concluded(Outcome(Action.NONE)))[0] == InSync(LABELS)


def test_a_contested_pass_is_no_failed_one() -> None:
    state, _ = step(Degraded(LABELS, FAILED), concluded(Outcome(Action.CONTESTED, (DRIFT,), (DRIFT,), ERROR), 3.0))
    assert state == Degraded(LABELS, Contested(3.0, "starved", ""), 1)


def test_what_differs_and_is_left_is_drift_whether_or_not_anything_is_unsettled() -> None:
    reported = Outcome(Action.REPORTED, (DRIFT,), (DRIFT,))
    for unsettled in (False, True):
        assert step(InSync(LABELS), concluded(reported, unsettled=unsettled))[0] == Drifted(LABELS, 1)


def test_a_success_that_may_not_last_is_degraded_until_it_has() -> None:
    state, _ = step(InSync(LABELS), concluded(Outcome(Action.REPAIRED), unsettled=True))
    assert state == Degraded(LABELS, Unsettled())
    assert step(state, inputs.Unchanged(unsettled=True))[0] == state
    assert step(state, inputs.Unchanged(unsettled=False))[0] == InSync(LABELS)


def test_recompiled_labels_keep_the_reason_for_which_they_have_yet_to_be_written() -> None:
    for before, after in ((None, ApplyReason.ENVIRONMENT), (ApplyReason.RELOAD, ApplyReason.RELOAD)):
        state, effects = step(InSync(Labels(LOADED, before)), HAPPENINGS[inputs.Recompiled])
        assert state == InSync(Labels(OTHER, after))
        assert effects == (do.Verify(follow=False),)


# --- the end ---


def test_the_table_is_removed_where_the_settings_say_so_and_there_are_settings() -> None:
    removing = Labels(configuration(80, on_stop=OnStop.REMOVE, on_drift=OnDrift.REPORT))
    for state, removes in ((Loading(), False), (InSync(LABELS), False), (InSync(removing), True)):
        _, effects = step(state, inputs.StopAsked())
        assert effects[-1] == do.End(remove=removes)


def test_a_table_that_could_not_be_removed_is_a_failure() -> None:
    state, effects = step(Stopping(LABELS), inputs.Ended(ERROR, removed=True))
    assert isinstance(state, Stopped)
    assert state.exit is Exit.FAILURE
    assert logged(effects) == [RemovalFailed]
