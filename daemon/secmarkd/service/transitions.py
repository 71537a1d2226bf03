# SPDX-License-Identifier: GPL-2.0-or-later
"""The state machine: what follows from each input in each state. Pure: it asks nobody and does nothing.

Theory of operation

The service is in one state (`states`), something happens (`inputs`), and TABLE says what follows: the next state and the
effects (`effects`), which `execution` carries out in their order before the next input. What is not in TABLE cannot happen.
The published status is made from the state (`summary`) and never read back.

Starting    Loading until a configuration is there, Applying until a pass has read its labels back from the kernel: then
            READY=1. A configuration that is refused, by us or by the kernel, ends the service; so do START_ATTEMPTS failed
            passes, which leaves it to the service manager to try again. A reload that is asked for meanwhile takes effect
            before the next try, or after the start.
Running     InSync, Drifted or Degraded, after each pass again. Labels that are newly desired (`Labels.unwritten`) are
            written whatever `on_drift` says, until that has succeeded once; what differs after that is drift. A pass that
            fails leaves the kernel as it is, and is tried again, less and less often.
Beside it   At most one load or recompilation, in a child process. Everything else goes on meanwhile: the loop, and nothing
            else, feeds the watchdog, drift is repaired, signals are answered. A reload that is asked for while another is
            under way begins when that has ended. A recompilation gives way to a reload, and is begun again by the next
            verification. While the table for a changed environment is made, none is verified: it would be against the
            wrong one. A configuration that is refused changes nothing.
The end     Stopping from any state: a load is abandoned with its child. Stopped has the exit code.

How long a signal waits: never for a load. A pass is made of reads and commits. One that has written nothing is abandoned at
its next read or commit when a stop was asked for. A commit that is under way is awaited, and so are those of the same
change after it: each is atomic and leaves the labels whole, but the table half changed. Then it is read back, so that the
journal says what is so. That takes milliseconds, and some seconds for 100,000 elements. Reloads and verifications wait for
the pass that runs. See `interruption`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from secmarkd.errors import SecmarkdError
from secmarkd.events import Ready, Reloaded, ReloadRejected, RemovalFailed, StartFailed
from secmarkd.events import Stopped as StoppedEvent
from secmarkd.events.words import with_meanwhile
from secmarkd.model.label_map import OnStop
from secmarkd.reconcile import Action, Outcome
from secmarkd.service import effects as do
from secmarkd.service.exit_codes import Exit, exit_for
from secmarkd.service.inputs import (
    Concluded,
    Ended,
    Input,
    LoadEnded,
    LoadFailed,
    NotFollowed,
    PassDue,
    Recompiled,
    Refused,
    ReloadAsked,
    StopAsked,
    Unchanged,
    Written,
)
from secmarkd.service.refusal import brief, problems
from secmarkd.service.reporting import total
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
    Running,
    State,
    Stopped,
    Stopping,
    Unsettled,
    failure_of,
    labels_of,
    with_labels,
)
from secmarkd.service.status import Reload

START_ATTEMPTS = 5
"""Failed first passes (1 + 2 + 4 + 8 s) before the service leaves it to the service manager to try again."""

Step = tuple[State, tuple[do.Effect, ...]]
"""The next state, and what is to be done."""


# --- starting ---


def begin_first_load(state: Loading, due: PassDue) -> Step:  # noqa: ARG001
    """The configuration is loaded."""
    return replace(state, begun=True), (do.Announce(), do.Load(starting=True, began=None))


def apply_first(state: Loading, ended: LoadEnded) -> Step:
    """The first pass, or the first with these labels."""
    labels = Labels(ended.loaded, unwritten=ApplyReason.START)
    return Applying(labels, state.failed), (do.Follow(ended.loaded), do.Announce(), _first(labels, state.failed))


def try_again(state: Applying, due: PassDue) -> Step:
    """Another first pass; with what the environment is now, where that has changed."""
    if due.stale:
        return Loading(begun=True, failed=state.failed), (do.Announce(), do.Load(starting=True, began=None))
    return state, (do.Announce(), _first(state.labels, state.failed))


def load_again(state: Applying, asked: ReloadAsked) -> Step:  # noqa: ARG001
    """The next try begins with a load."""
    return Loading(failed=state.failed), ()


def _first(labels: Labels, failed: Failed | None) -> do.Write:
    attempt = failed.attempt + 1 if failed else 1
    return do.Write(labels.loaded, ApplyReason.START, began=None, last=attempt >= START_ATTEMPTS)


def conclude_first(state: Applying, written: Written) -> Step:
    """Log it."""
    return state, (do.Conclude(written.outcome, ApplyReason.START, written.began),)


def begin_to_run(state: Applying, ended: Concluded) -> Step:
    """READY=1 after the first pass that has succeeded."""
    labels = _after(state.labels, ended.outcome, ApplyReason.START)
    if not ended.outcome.in_sync:
        failed = _failed(state, ended.outcome, ended.retry)
        return Applying(labels, failed), (do.Schedule(ended.retry or None),)
    loaded = labels.loaded
    ready = Ready(str(loaded.settings.mode), loaded.label_count, loaded.table.element_count(), ended.seconds)
    effects = (do.Schedule(ended.retry or None), do.Log(ready), do.LookAtOthers(), do.Announce({"READY": "1"}))
    return _resting(labels, ended.outcome, unsettled=ended.unsettled), effects


def refuse_load(state: Loading, failed: LoadFailed) -> Step:  # noqa: ARG001
    """The configuration cannot be loaded."""
    return _refuse_to_start(failed.error, {}, "", None)


def refuse_start(state: Applying, refused: Refused) -> Step:
    """The kernel takes no such labels, or was asked often enough."""
    return _refuse_to_start(refused.error, refused.loaded.origins, refused.meanwhile, state.labels)


def _refuse_to_start(error: SecmarkdError, origins: Mapping[str, str], meanwhile: str, labels: Labels | None) -> Step:
    message, hint = brief(error)
    message, exit_status = with_meanwhile(message, meanwhile), exit_for(error)
    event = StartFailed(message, hint, int(exit_status))
    stopped = Stopped(exit_status, f"cannot start: {message}", hint, labels)
    return stopped, (do.LogRefusal(error, origins), do.Log(event))


# --- running ---


def begin_reload(state: Running, asked: ReloadAsked) -> Step:
    """The service manager is told at once (notify-reload, see systemd.service(5)); what runs goes on."""
    reloading = {
        "RELOADING": "1",
        "MONOTONIC_USEC": str(int(asked.at * 1e6)),
        "STATUS": "reloading the configuration",
    }
    return state, (do.Announce(reloading), do.Load(starting=False, began=asked.at))


def apply_reload(state: Running, ended: LoadEnded) -> Step:
    """The new labels are written; the old ones stay desired until the kernel has taken the others."""
    return state, (do.Write(ended.loaded, ApplyReason.RELOAD, ended.began),)


def accept(state: Running, written: Written) -> Step:
    """The labels of a reload are desired from now on; of others, and at another try, they are already."""
    if written.began is None:
        return state, (do.Conclude(written.outcome, written.reason, None),)
    labels = state.labels.to_write(written.loaded, ApplyReason.RELOAD)
    return with_labels(state, labels), (
        do.Follow(written.loaded),
        do.Conclude(written.outcome, ApplyReason.RELOAD, written.began),
    )


def reject_load(state: Running, failed: LoadFailed) -> Step:
    """The labels stay as they are."""
    return state, _rejection(failed.error, {}, failed.began)


def reject(state: Running, refused: Refused) -> Step:
    """The kernel does not take these labels; the old ones stay."""
    return state, _rejection(refused.error, refused.loaded.origins, refused.began)


def _rejection(error: SecmarkdError, origins: Mapping[str, str], began: float) -> tuple[do.Effect, ...]:
    message, hint = brief(error)
    every = problems(error, lambda context: origins.get(context, ""))
    return (
        do.LogRefusal(error, origins),
        do.Log(ReloadRejected(message, hint)),
        do.Remember(Reload(began, False, int(exit_for(error)), message, hint, every)),
        do.Schedule(0.0),
        do.Announce({"READY": "1"}),
    )


def recompiled(state: Running, followed: Recompiled) -> Step:
    """The same label map for what the machine is now."""
    reason = state.labels.unwritten or ApplyReason.ENVIRONMENT
    return with_labels(state, state.labels.to_write(followed.loaded, reason)), (do.Verify(follow=False),)


def verify(state: Running, due: PassDue) -> Step:  # noqa: ARG001
    """Time has come, or something was committed."""
    return state, (do.Verify(follow=True),)


def verify_as_is(state: Running, failed: NotFollowed) -> Step:  # noqa: ARG001
    """The labels stay those of the environment before."""
    return state, (do.Verify(follow=False),)


def conclude(state: Running, ended: Concluded) -> Step:
    """What the pass found decides where the service stands."""
    outcome = ended.outcome
    labels = state.labels if ended.reason is None else _after(state.labels, outcome, ended.reason)
    effects: tuple[do.Effect, ...] = (do.Schedule(ended.retry or None),)
    if ended.began is not None:
        effects += _reloaded(labels, ended, ended.began)
    match outcome.action:
        case Action.FAILED:
            failed = _failed(state, outcome, ended.retry)
            return Degraded(labels, failed, total(outcome.remaining)), effects
        case Action.CONTESTED:
            contested = Contested(ended.retry, *_error(outcome))
            return Degraded(labels, contested, total(outcome.remaining)), effects
        case _:
            return _resting(labels, outcome, unsettled=ended.unsettled), effects


def _reloaded(labels: Labels, ended: Concluded, began: float) -> tuple[do.Effect, ...]:
    loaded, error = labels.loaded, ended.outcome.error
    if error is None:
        size = loaded.label_count, loaded.table.element_count()
        reloaded = Reloaded(str(loaded.settings.mode), *size, ended.seconds)
        return do.Log(reloaded), do.Remember(Reload(began, True)), do.Announce({"READY": "1"})
    why = with_meanwhile(f"not in the kernel yet: {error}", ended.meanwhile)
    failed = Reload(began, True, int(Exit.FAILURE), why, error.hint)
    return do.Remember(failed), do.Announce({"READY": "1"})


def rest(state: Running, unchanged: Unchanged) -> Step:
    """Nothing was committed: what the last pass found still holds."""
    if isinstance(state, Degraded) and not isinstance(state.reason, Unsettled):
        return state, ()
    left = state.differences if isinstance(state, Drifted | Degraded) else 0
    return _at_rest(state.labels, left, unsettled=unchanged.unsettled), ()


# --- the end ---


def stop(state: State, asked: StopAsked) -> Step:  # noqa: ARG001
    """Whatever is under way is given up."""
    labels = labels_of(state)
    removing = labels is not None and labels.loaded.settings.on_stop is OnStop.REMOVE
    stopping = {"STOPPING": "1", "STATUS": "stopping"}
    return Stopping(labels), (do.Announce(stopping), do.End(removing))


def end(state: Stopping, ended: Ended) -> Step:
    """The exit code says whether what was to be removed is gone."""
    if ended.error is not None:
        failed = RemovalFailed(str(ended.error), ended.error.hint)
        return Stopped(Exit.FAILURE, labels=state.labels), (do.Log(failed),)
    return Stopped(Exit.OK, labels=state.labels), (do.Log(StoppedEvent("removed" if ended.removed else "kept")),)


# --- their parts ---


def _after(labels: Labels, outcome: Outcome, reason: ApplyReason) -> Labels:
    """The labels after a pass that wrote them for a reason."""
    done = outcome.in_sync or outcome.action is Action.CONTESTED
    unwritten = None if done else reason
    if outcome.blind:  # nothing was written
        return replace(labels, unwritten=unwritten)
    return replace(labels, unwritten=unwritten, written=labels.loaded.table if done else None)


def _failed(state: State, outcome: Outcome, retry: float) -> Failed:
    before = failure_of(state)
    return Failed(before.attempt + 1 if before else 1, retry, *_error(outcome))


def _error(outcome: Outcome) -> tuple[str, str]:
    return (str(outcome.error), outcome.error.hint) if outcome.error else ("", "")


def _resting(labels: Labels, outcome: Outcome, *, unsettled: bool) -> Running:
    return _at_rest(labels, total(outcome.remaining), unsettled=unsettled)


def _at_rest(labels: Labels, left: int, *, unsettled: bool) -> Running:
    """Where the kernel is as configured, but for so many differences that are left as asked."""
    if left:
        return Drifted(labels, left)
    return Degraded(labels, Unsettled()) if unsettled else InSync(labels)


# --- the table ---


@dataclass(frozen=True, slots=True)
class Transition:
    """What follows, and the states in which the service can be then."""

    follow: Callable[[Any, Any], Step]
    to: tuple[type[State], ...]


_RUNNING: tuple[type[State], ...] = (InSync, Drifted, Degraded)
_ANY: tuple[type[State], ...] = (Loading, Applying, *_RUNNING)
_SAME: tuple[type[State], ...] = ()
"""The state in which it was."""

_ROWS: tuple[
    tuple[tuple[type[State], ...], type[Input], Callable[[Any, Any], Step], tuple[type[State], ...]], ...
] = (
    # in these states, when this happens, this follows            and the service is then in one of
    ((Loading,), PassDue, begin_first_load, _SAME),
    ((Loading,), LoadEnded, apply_first, (Applying,)),
    ((Loading,), LoadFailed, refuse_load, (Stopped,)),
    ((Applying,), ReloadAsked, load_again, (Loading,)),
    ((Applying,), PassDue, try_again, (Applying, Loading)),
    ((Applying,), Written, conclude_first, _SAME),
    ((Applying,), Concluded, begin_to_run, (Applying, *_RUNNING)),
    ((Applying,), Refused, refuse_start, (Stopped,)),
    (_RUNNING, PassDue, verify, _SAME),
    (_RUNNING, Concluded, conclude, _RUNNING),
    (_RUNNING, Unchanged, rest, _RUNNING),
    (_RUNNING, Recompiled, recompiled, _SAME),
    (_RUNNING, NotFollowed, verify_as_is, _SAME),
    (_RUNNING, ReloadAsked, begin_reload, _SAME),
    (_RUNNING, LoadEnded, apply_reload, _SAME),
    (_RUNNING, LoadFailed, reject_load, _SAME),
    (_RUNNING, Written, accept, _SAME),
    (_RUNNING, Refused, reject, _SAME),
    (_ANY, StopAsked, stop, (Stopping,)),
    ((Stopping,), Ended, end, (Stopped,)),
)

TABLE: Mapping[tuple[type[State], type[Input]], Transition] = MappingProxyType(
    {
        (state, happened): Transition(follow, to or (state,))
        for states, happened, follow, to in _ROWS
        for state in states
    }
)


def step(state: State, happened: Input) -> Step:
    """What follows from an input in a state. KeyError for what TABLE says cannot happen."""
    transition = TABLE[type(state), type(happened)]
    following, effects = transition.follow(state, happened)
    if type(following) not in transition.to:
        raise TypeError(f"{transition.follow.__name__} led from {type(state).__name__} to {type(following).__name__}")
    return following, effects
