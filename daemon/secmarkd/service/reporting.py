# SPDX-License-Identifier: GPL-2.0-or-later
"""From passes to events: every difference once, floods summed up, storms held back, nothing when nothing happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from secmarkd.errors import ContextRejected, KernelError, RelabelDenied, WorkerFailed
from secmarkd.events import (
    DriftDetected,
    DriftFlood,
    DriftGone,
    DriftHeldBack,
    DriftRepaired,
    Event,
    LabelRejected,
    RepairFailed,
    VerificationFailed,
    WorkerCrashed,
)
from secmarkd.ports import Clock, Journal
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.attribution import UNATTRIBUTED, Attribution, Commotion
from secmarkd.service.budget import Budget
from secmarkd.service.trouble import Trouble
from secmarkd.table.drift import Drift

LONGEST_TEXT = 4000
"""Characters of what should be, and of what was found: the journal takes no more of a field than twice that."""
ONE_BY_ONE = 10
"""A pass that found more differences than this is told as one flood."""
SUMMARY_ROOM = 10
"""Lines that must have room before what was held back is summed up: in an endless storm, one sum in half a minute."""
SAMPLES = 3


class Reporter:
    """Tells the journal about passes. Remembers what it has told, so that a difference that stays is told once."""

    def __init__(self, journal: Journal, clock: Clock, origin_of: Callable[[str], str]) -> None:
        """`origin_of` says where a context is written in the configuration."""
        self._journal = journal
        self._origin_of = origin_of
        self._clock = clock
        self._budget = Budget(clock)
        self._told: frozenset[Drift] = frozenset()
        """What was told and stands."""
        self._contested = False
        """Whether it was put right by the last pass: what of it stands is then someone's new doing."""
        self._held = HeldBack()
        self.trouble = Trouble(journal, clock, self._budget)

    def passed(
        self,
        outcome: Outcome,
        seconds: float,
        retry: float = 0.0,
        attribution: Attribution = UNATTRIBUTED,
        commotion: Commotion | None = None,
    ) -> None:
        """One pass: how it went, how long it took, after a failure when the next one comes, whose doing it was, and who
        committed all the time meanwhile."""
        new = self.untold(outcome)
        told = bool(new) and self._drifts(new, outcome.action, attribution)
        match outcome.action:
            case Action.NONE if self._told and not self.trouble.on:
                self._budget.charge(1)
                self._journal.write(DriftGone(total(self._told)))
            case Action.CREATED | Action.REPAIRED | Action.REBUILT | Action.REPLACED if told or not new:
                self._journal.write(repair(outcome, seconds))
            case Action.FAILED if outcome.error is not None:
                events = trouble(outcome.error, total(outcome.drifts), self._origin_of, commotion)
                self.trouble.failed(str(outcome.error), events, retry)
            case _:
                pass
        if not outcome.blind:
            self._contested = outcome.action is Action.CONTESTED
            self._told = self._told.union(outcome.drifts).intersection(outcome.remaining)
        if outcome.in_sync or outcome.action is Action.REPORTED:
            self.trouble.succeeded(total(outcome.remaining))

    def untold(self, outcome: Outcome) -> list[Drift]:
        """What a pass has found that was not told before."""
        return [drift for drift in outcome.drifts if self._contested or drift not in self._told]

    def settled(self) -> None:
        """The kernel was brought to a newly wanted state: what was told before is past."""
        self._told = frozenset()
        self.trouble.succeeded(0)

    def due(self) -> float:
        """When `flush` has something to tell; infinity when nothing is held back."""
        return self._budget.room_at(SUMMARY_ROOM) if self._held.passes else float("inf")

    def flush(self) -> None:
        """Tell the sum of what was held back, once there is room."""
        if self._held.passes and self._budget.take(SUMMARY_ROOM):
            held, self._held = self._held, HeldBack()
            seconds = self._clock.monotonic() - held.since
            self._journal.write(
                DriftHeldBack(held.count, held.passes, seconds, held.sample, **held.attribution.fields())
            )

    def _drifts(self, drifts: list[Drift], action: Action, attribution: Attribution) -> bool:
        few = len(drifts) <= ONE_BY_ONE
        lines: list[Event] = [one_by_one(each, action, attribution) for each in drifts] if few else []
        lines = lines or [flood(drifts, action, attribution)]
        if self._held.passes or not self._budget.take(len(lines) + 1):
            self._held.add(drifts, self._clock.monotonic(), attribution)
            return False
        for line in lines:
            self._journal.write(line)
        return True


class HeldBack:
    """The sum of what was not told."""

    def __init__(self) -> None:
        self.count, self.passes, self.since, self.sample, self.attribution = 0, 0, 0.0, "", UNATTRIBUTED

    def add(self, drifts: list[Drift], now: float, attribution: Attribution) -> None:
        """One more pass."""
        self.since = self.since if self.passes else now
        self.count += total(drifts)
        self.passes += 1
        self.sample, self.attribution = str(drifts[0]), attribution


def total(drifts: Iterable[Drift]) -> int:
    """How many things differ."""
    return sum(each.count for each in drifts)


def repair(outcome: Outcome, seconds: float) -> DriftRepaired:
    """The event of a pass that put right what differed."""
    generation = "" if outcome.generation is None else str(outcome.generation)
    return DriftRepaired(total(outcome.drifts), outcome.action, seconds, generation)


def one_by_one(drift: Drift, action: Action, attribution: Attribution = UNATTRIBUTED) -> DriftDetected:
    """The event of one difference."""
    found = (drift.thing, drift.change, drift.name, _short(drift.expected), _short(drift.found))
    return DriftDetected(*found, action, **attribution.fields())


def _short(text: str) -> str:
    """What was found may be of any length, and two hundred lines may have to wait for the journal."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def flood(drifts: list[Drift], action: Action, attribution: Attribution = UNATTRIBUTED) -> DriftFlood:
    """The one event of many differences."""
    return DriftFlood(total(drifts), kinds(drifts), sample(drifts), action, **attribution.fields())


def kinds(drifts: Iterable[Drift]) -> str:
    """`200 element missing, 2 rule added`."""
    counts: Counter[str] = Counter()
    for each in drifts:
        counts[each.kind] += each.count
    return ", ".join(f"{number} {kind}" for kind, number in counts.most_common())


def sample(drifts: Iterable[Drift]) -> str:
    """The first few, and how many more there are."""
    every = list(drifts)
    shown = "; ".join(f"{each.kind}: {each.name}" for each in every[:SAMPLES])
    rest = total(every[SAMPLES:])
    return f"{shown}, and {rest} more" if rest else shown


def trouble(
    error: KernelError, differences: int, origin_of: Callable[[str], str], commotion: Commotion | None = None
) -> Iterator[Event]:
    """What went wrong in a pass, as events; and who committed all the time meanwhile."""
    by = commotion.fields() if commotion is not None else {}
    match error:
        case ContextRejected() | RelabelDenied():
            yield LabelRejected(error.offender, origin_of(error.offender), str(error), error.hint)
        case WorkerFailed():
            yield WorkerCrashed(str(error), error.hint, **by)
        case _:
            pass
    if differences:
        yield RepairFailed(differences, str(error), error.hint, **by)
    elif not isinstance(error, WorkerFailed):
        yield VerificationFailed(str(error), error.hint, **by)
