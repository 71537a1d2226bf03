# SPDX-License-Identifier: GPL-2.0-or-later
"""What a transition wants done, as values; `machine` carries them out in order. Some of them give the next input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import SecmarkdError
from secmarkd.events import Event
from secmarkd.reconcile import Outcome
from secmarkd.service.states import ApplyReason
from secmarkd.service.status import Reload


@dataclass(frozen=True, slots=True)
class Load:
    """Begin to load the configuration; what is under way is given up. Gives LoadEnded or LoadFailed, later."""

    starting: bool
    """Whether a contradiction that comes of the numbers of names is no mistake, see ports.Loader."""
    began: float | None
    """When it was asked for; None for the start of the service."""


@dataclass(frozen=True, slots=True)
class Follow:
    """These labels are desired from now on: watch what they depend on, and log what of them waits."""

    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Write:
    """A pass that writes newly desired labels. Gives Written or Refused."""

    loaded: Loaded
    reason: ApplyReason
    began: float | None
    """As of Load."""
    last: bool = False
    """Whether a failure is final."""


@dataclass(frozen=True, slots=True)
class Verify:
    """See that the table is as desired, or write what has yet to be written. Gives Concluded, Unchanged, or Written."""

    follow: bool
    """Whether to follow the environment first, which may give Recompiled instead, later."""


@dataclass(frozen=True, slots=True)
class Conclude:
    """Log what a pass for newly desired labels did, and say when the next one is due. Gives Concluded."""

    outcome: Outcome
    reason: ApplyReason
    began: float | None


@dataclass(frozen=True, slots=True)
class Log:
    """An event for the journal."""

    event: Event


@dataclass(frozen=True, slots=True)
class LogRefusal:
    """The events of each mistake for which a configuration is refused, before the one that says so."""

    error: SecmarkdError
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the service manager the status, with these assignments (sd_notify(3))."""

    assignments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remember:
    """How a reload went: for `secmarkctl reload`, which waits for it, and `secmarkctl status`."""

    reload: Reload


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the next pass is due: after so many seconds, or for None when `resync` or a notification asks for it."""

    after: float | None


@dataclass(frozen=True, slots=True)
class LookAtOthers:
    """See who else sets labels."""


@dataclass(frozen=True, slots=True)
class End:
    """Give up what is under way and, where so configured, remove the table. Gives Ended."""

    remove: bool


Effect = (
    Load | Follow | Write | Verify | Conclude | Log | LogRefusal | Announce | Remember | Schedule | LookAtOthers | End
)
