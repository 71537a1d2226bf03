# SPDX-License-Identifier: GPL-2.0-or-later
"""One pass: read, compare, apply, verify. Decides and acts; it neither logs nor sleeps nor retries.

outcome = reconcile(nft, desired, on_drift=OnDrift.REPAIR)

Where the kernel's events have already told of the few elements that differ (hints), those are put right first, on condition
that nothing else has been committed; what follows is the same pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from secmarkd.change.diff import diff
from secmarkd.change.early_repair import Hints, narrowed
from secmarkd.change.plan import LARGE_ACTIVATION, InUse, halves, plan
from secmarkd.errors import Conflict, KernelError, TooLarge, WorkerFailed
from secmarkd.model.label_map import OnDrift
from secmarkd.ports import Nft
from secmarkd.table.drift import Change, Drift, Thing
from secmarkd.table.generation import successor
from secmarkd.table.table import Table
from secmarkd.table.transaction import AddElements, DeleteElements, Rebuild, Replace, Transaction

MANY = 1000
"""Differences from which they are logged as one sum, so that what is added to them by a commit between read and write is
not worth another read: that takes as long as the whole repair, and the labels are wrong meanwhile."""
MEANWHILE = Drift(Thing.TABLE, Change.CHANGED, "table inet secmarkd", found="changed once more during the repair")
"""Stands for what such a commit did."""


class Action(StrEnum):
    """What a pass did."""

    NONE = "none"
    """Nothing differed."""
    CREATED = "created"
    """There was no table of ours; there is now."""
    REPAIRED = "repaired"
    """Single elements and objects were put right, by one transaction."""
    REBUILT = "rebuilt"
    """Rules, and the maps that had to be recreated, were written again, by one transaction or in stages."""
    REPLACED = "replaced"
    """The whole table was replaced, in one transaction."""
    REPORTED = "reported"
    """Something differs and was left as it is, as the settings ask."""
    CONTESTED = "contested"
    """It was put right, and someone had changed it again before it was read back."""
    FAILED = "failed"
    """Something differs, or could not be read, and could not be put right: `error` says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass found and did. In sync means: read back and equal."""

    action: Action
    drifts: tuple[Drift, ...] = ()
    """What differed before the pass."""
    remaining: tuple[Drift, ...] = ()
    """What still differs after it; empty for NONE, CREATED, REPAIRED, REBUILT and REPLACED."""
    error: KernelError | None = None
    generation: int | None = None
    """The ruleset that `remaining` was found in was at least as new as this; None where nothing was read."""
    written: frozenset[int] = frozenset()
    """Generations that were surely made by this pass. One that fell together with a commit of another is in doubt."""

    @property
    def in_sync(self) -> bool:
        """Whether the table was read, after whatever was done, and equals the desired one."""
        return self.action in (Action.NONE, Action.CREATED, Action.REPAIRED, Action.REBUILT, Action.REPLACED)

    @property
    def blind(self) -> bool:
        """Whether it says nothing of the table, which could not be read."""
        return self.action is Action.FAILED and not self.remaining


def reconcile(
    nft: Nft,
    desired: Table,
    on_drift: OnDrift = OnDrift.REPAIR,
    in_use: Callable[[], InUse] = frozenset,
    hints: Hints | None = None,
    *,
    staged: bool = False,
) -> Outcome:
    """Make the kernel's table equal to `desired`, or only compare them where `on_drift` says so.

    `in_use` is asked only for a large first activation: it takes milliseconds (see `plan`).
    `hints` are all that happened since a pass found the table equal to this same `desired`.
    `staged` is for a table that is newly wanted: the live one was right up to now, and packets are on their way through it.

    Never raises KernelError: a pass that could not be finished is an Outcome with FAILED and the error. Nothing is
    called in sync that was not read back and found equal.
    """
    drifts: tuple[Drift, ...] = ()
    written: frozenset[int] = frozenset()
    if hints is not None and on_drift is OnDrift.REPAIR:
        drifts, written = _put_right(nft, desired, hints)
    try:
        # Taken before the read: what is committed in between is then newer than what the pass vouches for.
        generation = nft.generation()
        live = nft.read()
        differing = diff(desired, live)
        drifts = _with(drifts, differing)
        if not differing:
            action = Action.REPAIRED if drifts else Action.NONE
            return Outcome(action, drifts, generation=generation, written=written)
        if on_drift is OnDrift.REPORT:
            return Outcome(Action.REPORTED, drifts, drifts, generation=generation)
        used = in_use() if live is None and desired.element_count() > LARGE_ACTIVATION else frozenset()
        applied = _apply(nft, plan(desired, live, used, staged=staged))
        written |= applied.written
        if applied.conflict is not None:
            # Someone changed the table between our read and our write, so that our changes no longer fit; the whole
            # table always does. What they changed is read first: it would be undone without a word otherwise.
            if len(drifts) <= MANY:
                live = nft.read()
                drifts = _with(drifts, diff(desired, live))
            else:
                drifts += (MEANWHILE,)
            applied = _apply(nft, ((Replace(desired),),))
            written |= applied.written
            if applied.conflict is not None:
                raise applied.conflict
        before, generation = generation, nft.generation()
        remaining = diff(desired, nft.read())
        if remaining and applied.lost is not None:
            return Outcome(Action.FAILED, drifts, remaining, applied.lost, generation, written)
        if remaining:
            alone = nft.generation() in written | {before}
            action = Action.FAILED if alone else Action.CONTESTED
            return Outcome(action, drifts, remaining, _not_equal(remaining, alone=alone), generation, written)
    except KernelError as error:
        return Outcome(Action.FAILED, drifts, drifts, error, written=written)
    action = Action.CREATED if live is None else applied.action
    return Outcome(action, drifts, generation=generation, written=written)


def _put_right(nft: Nft, desired: Table, hints: Hints) -> tuple[tuple[Drift, ...], frozenset[int]]:
    """Put right what the hints say; what differed, and the generation that this made. Nothing where that cannot be done."""
    parts = narrowed(desired, hints.changes)
    if parts is None:
        return (), frozenset()
    differing, transactions = diff(*parts), plan(*parts)
    if not _only_elements(transactions):
        return (), frozenset()
    try:
        with suppress(WorkerFailed):  # it may have happened: then the read finds nothing to tell of
            nft.commit_at(transactions[0], hints.generation)
        if nft.generation() == hints.generation:
            return (), frozenset()  # it changed nothing
    except KernelError:
        return (), frozenset()
    # Only as the next one after that generation can it have happened, whether its answer came or not.
    return differing, frozenset({successor(hints.generation)})


def _only_elements(transactions: tuple[Transaction, ...]) -> bool:
    commands = [command for transaction in transactions for command in transaction]
    return len(transactions) == 1 and all(isinstance(each, AddElements | DeleteElements) for each in commands)


def _with(drifts: tuple[Drift, ...], more: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """Those, and what is new in the others, in their order. Either may be as many as there are foreign rules."""
    known = frozenset(drifts)
    return drifts + tuple(each for each in more if each not in known)


@dataclass(frozen=True, slots=True)
class _Applied:
    """What became of transactions, up to one that did not fit, or of which nobody knows whether it was done."""

    action: Action = Action.REPAIRED
    """What they were: REPLACED where one wrote the whole table, REBUILT where one wrote all rules."""
    written: frozenset[int] = frozenset()
    """The generations that are surely ours."""
    conflict: Conflict | None = None
    lost: WorkerFailed | None = None
    """Why an answer did not come: no failure by itself, for the read that follows tells whether it was done."""


def _apply(nft: Nft, transactions: tuple[Transaction, ...]) -> _Applied:
    """Commit in order, each upon the one before. What is too large for the kernel and need not happen at once is done in
    parts."""
    applied, waiting = _Applied(), deque(transactions)
    while waiting:
        transaction = waiting.popleft()
        try:
            applied = replace(applied, written=applied.written | _commit(nft, transaction))
        except WorkerFailed as lost:
            return replace(applied, lost=lost, action=_most(applied.action, transaction))
        except Conflict as conflict:
            return replace(applied, conflict=conflict)
        except TooLarge:
            parts = halves(transaction)
            if not parts:
                raise
            waiting.extendleft(reversed(parts))
        applied = replace(applied, action=_most(applied.action, transaction))
    return applied


def _most(action: Action, transaction: Transaction) -> Action:
    """The action, with what one more transaction was."""
    if action is Action.REPLACED or any(isinstance(command, Replace) for command in transaction):
        return Action.REPLACED
    return Action.REBUILT if any(isinstance(command, Rebuild) for command in transaction) else action


def _commit(nft: Nft, transaction: Transaction) -> frozenset[int]:
    """Commit; the generation that this made, unless others committed at the same time: then nobody knows which was ours."""
    before = nft.generation()
    nft.commit(transaction)
    after = nft.generation()
    return frozenset({after} if after == successor(before) else ())


def _not_equal(remaining: tuple[Drift, ...], *, alone: bool) -> KernelError:
    hint = "another program is changing table inet secmarkd; `nft monitor` shows which"
    if alone:
        hint = "no other program has changed it: secmarkd does not understand this version of the kernel or of libnftables"
    return KernelError(
        f"the table differs from what was just written: {remaining[0]}",
        operation="verify",
        offender=remaining[0].name,
        hint=hint,
    )
