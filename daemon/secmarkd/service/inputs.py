# SPDX-License-Identifier: GPL-2.0-or-later
"""What can happen to the service, as values: `transitions` says what follows. ("Events" are those of the journal.)"""

from __future__ import annotations

from dataclasses import dataclass

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import SecmarkdError
from secmarkd.model.label_map import Environment
from secmarkd.reconcile import Outcome
from secmarkd.service.states import ApplyReason

Seconds = float


@dataclass(frozen=True, slots=True)
class StopAsked:
    """SIGTERM or SIGINT."""


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """SIGHUP. Several of them before the load begins are one; one that comes while a reload is under way waits for it."""

    at: Seconds


@dataclass(frozen=True, slots=True)
class PassDue:
    """It is time for the next pass, or for the load before it."""

    stale: bool = False
    """Starting, after a failed pass: whether the environment is not what the labels were compiled for."""


@dataclass(frozen=True, slots=True)
class LoadEnded:
    """A configuration was loaded, and is valid."""

    loaded: Loaded
    began: Seconds


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """A load has failed, or what it gave is refused before anything is written."""

    error: SecmarkdError
    began: Seconds
    loaded: Loaded | None = None


@dataclass(frozen=True, slots=True)
class Recompiled:
    """The labels in use were compiled for another environment."""

    loaded: Loaded


@dataclass(frozen=True, slots=True)
class NotFollowed:
    """They could not be compiled for it."""

    loaded: Loaded
    environment: Environment
    error: SecmarkdError


@dataclass(frozen=True, slots=True)
class Written:
    """A pass for labels that are newly desired has ended, well or not."""

    outcome: Outcome
    loaded: Loaded
    reason: ApplyReason
    began: Seconds | None
    """When the load began, or for START the service; None for another try, which nothing waits for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The kernel does not take newly desired labels, however often it is asked; or they were tried often enough."""

    error: SecmarkdError
    loaded: Loaded
    reason: ApplyReason
    began: Seconds
    meanwhile: str
    """Who committed all the time; empty where that was little."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a pass found was logged; what follows for the state."""

    outcome: Outcome
    retry: Seconds
    """To the next pass, where this one failed or was contested."""
    unsettled: bool
    """Whether there is any reason not to trust that all is well, see states.Unsettled."""
    seconds: Seconds
    """Since the load began that it was for."""
    meanwhile: str = ""
    """Who may have kept it from succeeding."""
    reason: ApplyReason | None = None
    """None for a verification."""
    began: Seconds | None = None
    """As of Written."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A verification that needed no pass, or the end of some trouble: nothing was committed since the last pass."""

    unsettled: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """What was to be done at the end is done."""

    error: SecmarkdError | None
    removed: bool


Input = (
    StopAsked
    | ReloadAsked
    | PassDue
    | LoadEnded
    | LoadFailed
    | Recompiled
    | NotFollowed
    | Written
    | Refused
    | Concluded
    | Unchanged
    | Ended
)
