# SPDX-License-Identifier: GPL-2.0-or-later
"""The published status: a function of the state and of what the service has observed. Nothing reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secmarkd.service import status
from secmarkd.service.states import (
    Applying,
    Contested,
    Degraded,
    Drifted,
    Failed,
    InSync,
    Loading,
    State,
    Stopped,
    Stopping,
    differences_of,
    labels_of,
)
from secmarkd.service.status import Status
from secmarkd.table.other_labels import OtherLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What the status says besides the state. As the fields of `Status`, where nothing else is said."""

    pid: int
    netns: int
    last_pass: float | None = None
    last_drift: float | None = None
    contender: str = ""
    """Who keeps changing the labels; empty where there is no contention."""
    repairs: int = 0
    repair_wait: float = 0.0
    """Seconds from one repair to the next, while there is contention."""
    busy: str = ""
    busy_rate: int = 0
    unsettled: str = ""
    unknown: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    lost_events: int = 0
    others: OtherLabels = field(default_factory=OtherLabels)
    reload: status.Reload | None = None


def status_of(state: State, seen: Observations) -> Status:
    """What is published."""
    labels = labels_of(state)
    return Status(
        pid=seen.pid,
        netns=seen.netns,
        state=_name(state),
        mode=str(labels.loaded.settings.mode) if labels else "",
        labels=labels.loaded.label_count if labels else 0,
        elements=labels.loaded.table.element_count() if labels else 0,
        differences=differences_of(state),
        last_pass=seen.last_pass,
        last_drift=seen.last_drift,
        opponent=seen.contender,
        repairs=seen.repairs,
        busy=seen.busy,
        busy_rate=seen.busy_rate,
        unsettled=seen.unsettled,
        unknown=seen.unknown,
        waiting=seen.waiting,
        lost_events=seen.lost_events,
        other_labels=seen.others.found,
        other_labels_whole=seen.others.whole,
        reload=seen.reload,
        **_trouble(state, seen.repair_wait),
    )


def _name(state: State) -> status.State:
    match state:
        case Loading() | Applying():
            return status.State.STARTING
        case InSync():
            return status.State.IN_SYNC
        case Drifted():
            return status.State.DRIFT
        case Degraded():
            return status.State.DEGRADED
        case Stopping() | Stopped():
            return status.State.STOPPED


def _trouble(state: State, repair_wait: float) -> Mapping[str, Any]:
    match state:
        case Loading(failed=Failed() as failed) | Applying(failed=Failed() as failed):
            pass
        case Degraded(reason=Failed() as failed):
            pass
        case Degraded(reason=Contested(retry, message, hint)):
            return {"error": message, "hint": hint, "retry_seconds": retry}
        case Stopped(_, message, hint, _):
            return {"error": message, "hint": hint}
        case _:
            return {"retry_seconds": repair_wait}
    return {
        "attempt": failed.attempt,
        "error": failed.message,
        "hint": failed.hint,
        "retry_seconds": failed.retry,
    }
