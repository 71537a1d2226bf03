"""One pass: read, compare, apply, verify. Decides and acts; it neither logs nor sleeps nor retries.

outcome = reconcile(nft, desired, on_drift=OnDrift.REPAIR)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secmarkd.errors import Conflict, KernelError, WorkerFailed
from secmarkd.model.labels import OnDrift
from secmarkd.ports import Nft
from secmarkd.ruleset.diff import diff
from secmarkd.ruleset.drift import Drift
from secmarkd.ruleset.plan import InUse, plan
from secmarkd.ruleset.table import Table
from secmarkd.ruleset.transaction import Replace, Transaction


class Action(StrEnum):
    """What a pass did."""

    NONE = "none"
    """Nothing differed."""
    CREATED = "created"
    """There was no table of ours; there is now."""
    REPAIRED = "repaired"
    """Single elements and objects were put right, by one transaction."""
    REPLACED = "replaced"
    """The whole table was replaced by one transaction."""
    REPORTED = "reported"
    """Something differs and was left as it is, as the settings ask."""
    FAILED = "failed"
    """Something differs, or could not be read, and could not be put right: `error` says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass found and did. In sync means: read back and equal."""

    action: Action
    drifts: tuple[Drift, ...] = ()
    """What differed before the pass."""
    remaining: tuple[Drift, ...] = ()
    """What still differs after it; empty for NONE, CREATED, REPAIRED and REPLACED."""
    error: KernelError | None = None

    @property
    def in_sync(self) -> bool:
        """Whether the table was read, after whatever was done, and equals the desired one."""
        return self.action in (Action.NONE, Action.CREATED, Action.REPAIRED, Action.REPLACED)


def reconcile(nft: Nft, desired: Table, on_drift: OnDrift = OnDrift.REPAIR, in_use: InUse = frozenset()) -> Outcome:
    """Make the kernel's table equal to `desired`, or only compare them where `on_drift` says so.

    Never raises KernelError: a pass that could not be finished is an Outcome with FAILED and the error. Nothing is
    called in sync that was not read back and found equal.
    """
    drifts: tuple[Drift, ...] = ()
    try:
        live = nft.read()
        drifts = diff(desired, live)
        if not drifts:
            return Outcome(Action.NONE)
        if on_drift is OnDrift.REPORT:
            return Outcome(Action.REPORTED, drifts, drifts)
        replaced = _apply(nft, desired, plan(desired, live, in_use))
        remaining = diff(desired, nft.read())
    except KernelError as error:
        return Outcome(Action.FAILED, drifts, drifts, error)
    if remaining:
        return Outcome(Action.FAILED, drifts, remaining, _not_equal(remaining))
    if live is None:
        return Outcome(Action.CREATED, drifts)
    return Outcome(Action.REPLACED if replaced else Action.REPAIRED, drifts)


def _apply(nft: Nft, desired: Table, transactions: tuple[Transaction, ...]) -> bool:
    """Commit in order; whether the table was replaced. A lost answer is no failure: the read that follows tells.

    Where someone changed the table between our read and our write, single changes no longer fit (Conflict): the whole
    table always does.
    """
    replaced = False
    for transaction in transactions:
        replaced = replaced or any(isinstance(command, Replace) for command in transaction)
        try:
            nft.commit(transaction)
        except WorkerFailed:
            continue
        except Conflict:
            if replaced:
                raise
            nft.commit((Replace(desired),))
            return True
    return replaced


def _not_equal(remaining: tuple[Drift, ...]) -> KernelError:
    return KernelError(
        f"the table differs from what was just written: {remaining[0]}",
        operation="verify",
        offender=remaining[0].name,
        hint="another program is changing table inet secmarkd; `nft monitor` shows which",
    )
