# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a configuration is refused as a whole, as events and in short."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from secmarkd.errors import (
    ConfigError,
    ContextRejected,
    NotSupported,
    PermissionMissing,
    RelabelDenied,
    SecmarkdError,
    SelinuxInactive,
    WorkerFailed,
)
from secmarkd.events import ConfigurationProblem, Event, LabelRejected, WorkerCrashed, count

REFUSALS = (ContextRejected, RelabelDenied, SelinuxInactive, NotSupported, PermissionMissing)
"""What the kernel says no to, whoever asks and however often. Everything else may pass, and is tried again."""

MOST_PROBLEMS = 50
"""Lines in the journal for one refused configuration."""


def details(error: SecmarkdError, origin_of: Callable[[str], str]) -> Iterator[Event]:
    """Each mistake of the configuration, or the context that the policy refuses."""
    match error:
        case ConfigError():
            for each in error.problems[:MOST_PROBLEMS]:
                yield ConfigurationProblem(each.file, each.line, each.key, each.message)
        case ContextRejected() | RelabelDenied():
            yield LabelRejected(error.offender, origin_of(error.offender), str(error), error.hint)
        case WorkerFailed():
            yield WorkerCrashed(str(error), error.hint)
        case _:
            pass


def problems(error: SecmarkdError, origin_of: Callable[[str], str]) -> tuple[str, ...]:
    """The same for people at a terminal."""
    return tuple(str(event) for event in details(error, origin_of) if not isinstance(event, WorkerCrashed))


def brief(error: SecmarkdError) -> tuple[str, str]:
    """One line and a hint; the details go before it."""
    match error:
        case ConfigError():
            hint = "`secmarkctl check` shows all of them" if len(error.problems) > MOST_PROBLEMS else error.hint
            return f"{count(len(error.problems), 'mistake')} in the configuration", hint
        case ContextRejected() | RelabelDenied():
            return f"the kernel refuses the context {error.offender}", ""
        case _:
            return str(error), error.hint
