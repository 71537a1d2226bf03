# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that the service says to the journal: one frozen dataclass for each kind of event.

Each kind has a MESSAGE_ID of its own (made once with uuid4, never changed: people's filters name it), a priority, a
sentence, which is its `str`, and a text for `journalctl -x`. Its dataclass fields are its journal fields: `found` is
SECMARKD_FOUND; empty values are left out. Nothing above INFO is said while nothing happens.

    event          what all kinds of events are
    words          counts and durations in sentences
    life           the service starts, is ready, ends
    configuration  what was read, or refused, and what of the machine it depends on
    labels         labels that were brought into the kernel because they are desired
    drift          what others changed, who it was, and what became of it
    trouble        what keeps the service from verifying or from being heard
    policy         what the loaded policy makes of the labels
"""

from __future__ import annotations

from secmarkd.events.configuration import (
    CgroupAbsent,
    CgroupsNotWatched,
    ConfigurationProblem,
    ConfigurationWritable,
    EnvironmentChanged,
    EnvironmentNotFollowed,
    ForwardingDenied,
    LabelRejected,
    NameFound,
    NamesNotLookedUp,
    NameWaits,
    Reloaded,
    ReloadRejected,
)
from secmarkd.events.drift import (
    DriftDetected,
    DriftFlood,
    DriftGone,
    DriftHeldBack,
    DriftRepaired,
    FightDetected,
    FightEnded,
)
from secmarkd.events.event import KINDS, Attributed, Event, Priority
from secmarkd.events.labels import LabelsCreated, LabelsReplaced, OtherTablesLabel, OtherTablesLabelNoMore
from secmarkd.events.life import (
    LockLost,
    LockTakenAgain,
    Ready,
    RemovalFailed,
    Started,
    StartFailed,
    Stopped,
)
from secmarkd.events.policy import ContextsKnown, ContextsUnknown, EnforcementChanged
from secmarkd.events.trouble import (
    Degraded,
    EventsLost,
    Recovered,
    RepairFailed,
    RulesetBusy,
    RulesetCalm,
    VerificationFailed,
    WorkerCrashed,
)
from secmarkd.events.words import count, duration

EVENTS: tuple[type[Event], ...] = tuple(KINDS.values())
"""The catalogue."""

__all__ = [
    "EVENTS",
    "Attributed",
    "CgroupAbsent",
    "CgroupsNotWatched",
    "ConfigurationProblem",
    "ConfigurationWritable",
    "ContextsKnown",
    "ContextsUnknown",
    "Degraded",
    "DriftDetected",
    "DriftFlood",
    "DriftGone",
    "DriftHeldBack",
    "DriftRepaired",
    "EnforcementChanged",
    "EnvironmentChanged",
    "EnvironmentNotFollowed",
    "Event",
    "EventsLost",
    "FightDetected",
    "FightEnded",
    "ForwardingDenied",
    "LabelRejected",
    "LabelsCreated",
    "LabelsReplaced",
    "LockLost",
    "LockTakenAgain",
    "NameFound",
    "NameWaits",
    "NamesNotLookedUp",
    "OtherTablesLabel",
    "OtherTablesLabelNoMore",
    "Priority",
    "Ready",
    "Recovered",
    "ReloadRejected",
    "Reloaded",
    "RemovalFailed",
    "RepairFailed",
    "RulesetBusy",
    "RulesetCalm",
    "StartFailed",
    "Started",
    "Stopped",
    "VerificationFailed",
    "WorkerCrashed",
    "count",
    "duration",
]
