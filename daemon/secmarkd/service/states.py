# SPDX-License-Identifier: GPL-2.0-or-later
"""The states that the service can be in, with all that steers it there. What can happen in each: `transitions`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from secmarkd.compiler.loaded import Loaded
from secmarkd.service.exit_codes import Exit
from secmarkd.table.table import Table


class ApplyReason(StrEnum):
    """Why labels are written that were not desired before (the reason of LabelsReplaced)."""

    START = "start"
    RELOAD = "reload"
    ENVIRONMENT = "environment"
    """The machine is not what they were compiled for any more."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What is to be in the kernel, and what has been written of it."""

    loaded: Loaded
    unwritten: ApplyReason | None = None
    """Why these have yet to be written, even where drift is only reported; None once they have been in the kernel. What
    others have changed since then is drift."""
    written: Table | None = None
    """What is in the kernel by our doing; None where that is nothing, or is not known."""

    def to_write(self, loaded: Loaded, reason: ApplyReason) -> Labels:
        """Others in their place."""
        return replace(self, loaded=loaded, unwritten=reason)


@dataclass(frozen=True, slots=True)
class Failed:
    """The last pass failed, or while the service starts was contested."""

    attempt: int
    """Failed passes in a row."""
    retry: float
    """Seconds from the last one to the next."""
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Contested:
    """The last pass put the table right, and somebody had changed it again before it was read back."""

    retry: float
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The last pass succeeded, but that may not last, or is not all: passes failed a moment ago, somebody keeps changing
    the table or is in the way of reading it, or the loaded policy does not know a context."""


Reason = Failed | Contested | Unsettled


@dataclass(frozen=True, slots=True)
class Loading:
    """Starting: there are no labels yet."""

    begun: bool = False
    """Whether the load is under way; otherwise it begins when the next pass would be due."""
    failed: Failed | None = None
    """Passes of the labels loaded before."""


@dataclass(frozen=True, slots=True)
class Applying:
    """Starting: labels are loaded, and no pass has succeeded yet."""

    labels: Labels
    failed: Failed | None = None


@dataclass(frozen=True, slots=True)
class InSync:
    """The table was read and is as configured."""

    labels: Labels


@dataclass(frozen=True, slots=True)
class Drifted:
    """Something differs and is left, as `on_drift = "report"` asks."""

    labels: Labels
    differences: int


@dataclass(frozen=True, slots=True)
class Degraded:
    """The labels may not be as configured, or that may not last. `reason` says why."""

    labels: Labels
    reason: Reason
    differences: int = 0
    """What is known to differ."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The service was asked to end, and takes the table away where it is configured to."""

    labels: Labels | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end, with the exit code."""

    exit: Exit
    message: str = ""
    """What the service manager shows; empty after a stop that was asked for."""
    hint: str = ""
    labels: Labels | None = None
    """Those that were to be in the kernel."""


Starting = Loading | Applying
Running = InSync | Drifted | Degraded
State = Starting | Running | Stopping | Stopped


def labels_of(state: State) -> Labels | None:
    """What is to be in the kernel; None while nothing is loaded."""
    return None if isinstance(state, Loading) else state.labels


def with_labels(state: Running, labels: Labels) -> Running:
    """The same with other labels."""
    return replace(state, labels=labels)


def failure_of(state: State) -> Failed | None:
    """The failed passes in a row that it stands after."""
    match state:
        case Loading(failed=failed) | Applying(failed=failed):
            return failed
        case Degraded(reason=Failed() as failed):
            return failed
        case _:
            return None


def differences_of(state: State) -> int:
    """How much is known to differ."""
    return state.differences if isinstance(state, Drifted | Degraded) else 0


def is_conclusive(state: State) -> bool:
    """Whether the last pass neither failed nor was contested. Otherwise nobody can say that contention is over."""
    match state:
        case Loading(failed=None) | Applying(failed=None) | InSync() | Drifted() | Degraded(reason=Unsettled()):
            return True
        case _:
            return False
