# SPDX-License-Identifier: GPL-2.0-or-later
"""After a pass that brought a newly wanted table into the kernel: what that changed, apart from what others had changed."""

from __future__ import annotations

from secmarkd.change.diff import diff
from secmarkd.events import LabelsCreated, LabelsReplaced
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.reporting import sample, total
from secmarkd.service.status import Status
from secmarkd.table.drift import Change, Drift, Thing
from secmarkd.table.table import Table

ENVIRONMENT = "environment"
"""The reason of a change that the machine asked for, see LabelsReplaced."""
_CGROUP = "socket cgroupv2"
Drifts = tuple[Drift, ...]


def told_apart(found: Drifts, wanted: Table, before: Table | None, reason: str) -> tuple[Drifts, Drifts]:
    """Of what the pass has found to differ, what was to be changed, and what had been changed without our doing.

    `before` is what was in the kernel by our doing; None where that was nothing, or is not known. `reason` as in
    LabelsReplaced. A rule holds a cgroup that was made anew by a number that means nothing now: nobody's doing either.
    """
    planned = frozenset(found if before is None else diff(wanted, before))

    def ours(each: Drift) -> bool:
        return each in planned or (reason == ENVIRONMENT and _CGROUP in each.expected + each.found)

    return tuple(each for each in found if ours(each)), tuple(each for each in found if not ours(each))


def is_adoption(outcome: Outcome) -> bool:
    """Whether all that was to be done was to own the table again."""
    return outcome.action is Action.REPAIRED and all(each.thing is Thing.TABLE for each in outcome.drifts)


def event_of(changed: Drifts, reason: str, status: Status) -> LabelsCreated | LabelsReplaced:
    """The event of what was to be changed and was."""
    if any((each.thing, each.change) == (Thing.TABLE, Change.MISSING) for each in changed):
        return LabelsCreated(status.labels, status.elements)
    return LabelsReplaced(reason, total(changed), sample(changed))
