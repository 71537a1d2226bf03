# SPDX-License-Identifier: GPL-2.0-or-later
"""After a pass for newly desired labels: what was planned, apart from what others had changed."""

from __future__ import annotations

from secmarkd.change.diff import diff
from secmarkd.events import LabelsCreated, LabelsReplaced
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.status import Status
from secmarkd.table.drift import Change, Drift, PlannedChange, Thing
from secmarkd.table.table import Table

ENVIRONMENT = "environment"
"""The reason of a change that the machine asked for, see LabelsReplaced."""
SAMPLES = 3


def split(
    found: tuple[Drift, ...], desired: Table, before: Table | None, reason: str
) -> tuple[tuple[PlannedChange, ...], tuple[Drift, ...]]:
    """Of what the pass has found to differ, what it was to change, and what somebody else had changed.

    `before` is the table that the service had written; None where there was none, or it is not known. `reason` as in
    LabelsReplaced. A rule holds a cgroup by a number: that of a cgroup that was recreated means nothing now, and nobody
    changed it.
    """
    planned = frozenset(found if before is None else diff(desired, before))

    def ours(each: Drift) -> bool:
        return each in planned or (reason == ENVIRONMENT and each.names_cgroup)

    changes = tuple(PlannedChange.of(each) for each in found if ours(each))
    return changes, tuple(each for each in found if not ours(each))


def creates(found: tuple[Drift, ...]) -> bool:
    """Whether there was no table."""
    return any((each.thing, each.change) == (Thing.TABLE, Change.MISSING) for each in found)


def is_adoption(outcome: Outcome) -> bool:
    """Whether all that was to be done was to own the table again."""
    return outcome.action is Action.REPAIRED and all(each.thing is Thing.TABLE for each in outcome.drifts)


def event_of(
    changes: tuple[PlannedChange, ...], reason: str, status: Status, *, created: bool
) -> LabelsCreated | LabelsReplaced:
    """The event of what was to be changed and was; `created`: there was no table before."""
    if created:
        return LabelsCreated(status.labels, status.elements)
    number = sum(each.count for each in changes)
    rest = number - sum(each.count for each in changes[:SAMPLES])
    shown = ", ".join(map(str, changes[:SAMPLES]))
    return LabelsReplaced(reason, number, f"{shown}, and {rest} more" if rest else shown)
