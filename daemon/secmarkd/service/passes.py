# SPDX-License-Identifier: GPL-2.0-or-later
"""Passes, and what is known around them: who may have caused what they find, how soon the next one may be, what is logged.

`reconcile` makes a pass and knows nothing of this. A verification costs microseconds where nothing was committed since the
pass before (see `verification`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from secmarkd.errors import CapabilityMissing, Conflict, KernelError, NotSupported, StateUnknown, WorkerFailed
from secmarkd.events import Event
from secmarkd.model.label_map import OnDrift
from secmarkd.ports import LOAD_DEADLINE
from secmarkd.reconcile import Action, Outcome, reconcile
from secmarkd.service.adapters import Adapters
from secmarkd.service.announcer import Announcer
from secmarkd.service.attribution import UNATTRIBUTED, Attribution, Commotion
from secmarkd.service.busy import Busy
from secmarkd.service.contention import Contention
from secmarkd.service.interruption import InterruptibleNft
from secmarkd.service.planned import creates, event_of, is_adoption, split
from secmarkd.service.policy import PolicyWatch
from secmarkd.service.refusal import REFUSALS
from secmarkd.service.reporting import Reporter
from secmarkd.service.states import Applying, ApplyReason, Labels, State, failure_of
from secmarkd.service.status import Status
from secmarkd.service.verification import Watch
from secmarkd.table.table import Table
from secmarkd.throttle import FAILURES

MOST_IN_THE_WAY = 2
"""Of those who are in the way of a pass, how many are named."""


class Passes:
    """Makes passes one after another, and remembers what the next one needs of the last."""

    def __init__(
        self, adapters: Adapters, nft: InterruptibleNft, announcer: Announcer, origin_of: Callable[[str], str]
    ) -> None:
        """`origin_of` says where a context is written in the configuration in use."""
        self._adapters = adapters
        self._nft = nft
        self._clock = adapters.clock
        self._announcer = announcer
        self.watch = Watch(adapters.events, adapters.writers)
        self._reporter = Reporter(adapters.journal, adapters.clock, origin_of)
        self.busy = Busy(adapters.journal, adapters.clock)
        self.contention = Contention(adapters.journal, adapters.clock)
        self.policy = PolicyWatch(adapters.selinux, adapters.journal, adapters.clock, origin_of)
        self._attribution = UNATTRIBUTED
        """Who may have caused what the last pass found."""
        self._commotion: Commotion | None = None
        """Who committed all the time while the last pass ran."""
        self._begun = self._begun_before = self._clock.monotonic()
        """When the last pass began, and the one before."""
        self._seconds = 0.0
        """How long the last pass took."""
        self.last_pass: float | None = None
        self.last_drift: float | None = None

    # --- making one ---

    def verify(self, labels: Labels) -> Outcome:
        """See that the table is as it was, and repair it where the settings say so."""
        loaded = labels.loaded
        return self._make(loaded.table, loaded.settings.on_drift, known=True)

    def write(self, table: Table) -> Outcome:
        """Write labels that are newly desired."""
        return self._make(table, OnDrift.REPAIR, staged=True)

    def write_first(self, table: Table, waiting_for: tuple[type[KernelError], ...] = ()) -> Outcome:
        """The first pass of the service: nobody relies on the labels yet. Raises what no later try would change, but for
        `waiting_for`."""
        return _or_raise(self._make(table, OnDrift.REPAIR), waiting_for)

    def write_persistently(self, table: Table, attempts: int) -> Outcome:
        """Write them for a reload: again at once while others are in the way. Raises what no later try would change."""
        outcome = _or_raise(self.write(table))
        for _ in range(attempts - 1):
            if self._commotion is None or not isinstance(outcome.error, StateUnknown | Conflict):
                break
            outcome = _or_raise(self.write(table))
        return outcome

    def unchanged(self, table: Table) -> bool:
        """Whether the table is as it was verified, in microseconds; that is a verification then."""
        if not self.watch.unchanged(self._adapters.nft, table.flags):
            return False
        self.policy.look(table)
        self.last_pass = self._clock.monotonic()
        return True

    def _make(self, table: Table, on_drift: OnDrift, *, known: bool = False, staged: bool = False) -> Outcome:
        """`known`: this is the table of the pass before. `staged`: it is newly desired, and packets are on their way."""
        began, self._begun_before = self._clock.monotonic(), self._begun
        self._begun = began
        self._nft.begin()
        heard = self.watch.begin()
        hints, in_use = heard if known else None, self._adapters.ports_in_use
        try:
            with self._announcer.extended_timeout(LOAD_DEADLINE):
                outcome = reconcile(self._nft, table, on_drift, in_use, hints, staged=staged)
        except CapabilityMissing as error:
            missing = NotSupported(str(error), operation="pass", hint=error.hint)
            outcome = Outcome(Action.FAILED, error=missing)
        self._seconds = self._clock.monotonic() - began
        self._attribution = self.watch.concluded(outcome, self._adapters.nft)
        failed = outcome.action is Action.FAILED
        self._commotion = self.watch.commotion(self._seconds) if failed else None
        if self.watch.touches:
            self.busy.goes_on()
        return outcome

    # --- what follows from it ---

    def conclude_verification(self, outcome: Outcome, state: State, labels: Labels) -> float:
        """Log what a verification found; seconds to the next try, where it failed or was contested, and else 0."""
        if outcome.drifts:
            self.last_drift = self._clock.monotonic()
        reported = outcome.action is Action.REPORTED
        changed = self._reporter.untold(outcome) if reported else outcome.drifts
        if changed and outcome.action is not Action.FAILED:
            self.contention.drifted(self._attribution, repaired=not reported)
        self._note_touches(outcome, anything_new=bool(changed))
        retry = self._settle(outcome, state, labels)
        self._report(outcome, retry, self._attribution)
        return retry

    def conclude_write(
        self, outcome: Outcome, state: State, labels: Labels, reason: ApplyReason, status: Status
    ) -> float:
        """The same of a pass for newly desired labels; `labels` as they were before it."""
        contested = outcome.action is Action.CONTESTED
        if contested:
            self.contention.drifted(self._attribution, repaired=True)
        retry = self._settle(outcome, state, labels)
        if not (outcome.in_sync or contested):
            self._report(replace(outcome, drifts=(), remaining=()), retry)
            return retry
        changes, drift = split(outcome.drifts, labels.loaded.table, labels.written, reason)
        if drift:
            self.last_drift = self._clock.monotonic()
        if drift or contested:
            self._report(replace(outcome, drifts=drift), retry, self._attribution)
        if changes and not is_adoption(outcome):
            self._log(event_of(changes, reason, status, created=creates(outcome.drifts)))
        if not contested:
            self._reporter.settled()
        return retry

    def _settle(self, outcome: Outcome, state: State, labels: Labels) -> float:
        self.policy.look(labels.loaded.table)
        self.last_pass = self._clock.monotonic()
        failed = failure_of(state)
        attempt = failed.attempt + 1 if failed else 1
        match outcome.action:
            case Action.CONTESTED if not isinstance(state, Applying):
                return self.contention.wait
            case Action.FAILED | Action.CONTESTED:
                return self.busy.retry(attempt) if self._is_starved(outcome) else FAILURES.wait_after(attempt)
            case _:
                return 0.0

    def _note_touches(self, outcome: Outcome, *, anything_new: bool) -> None:
        """A pass that something asked for which touched our table, and that found nothing new, is one too many."""
        harmless = outcome.action in (Action.NONE, Action.REPORTED) and not anything_new
        if harmless and self.watch.touches:
            seconds = max(self._begun - self._begun_before, 0.001)
            named = replace(self._attribution, writers=self._attribution.writers[-MOST_IN_THE_WAY:], more=0)
            self.busy.looked(Commotion(self.watch.touches, seconds, named))

    def _report(self, outcome: Outcome, retry: float, attribution: Attribution = UNATTRIBUTED) -> None:
        """Tell the journal of a pass."""
        starved = self._is_starved(outcome)
        if starved and self._commotion is not None:
            self.busy.starved(str(outcome.error), self._commotion)
        if not (starved and outcome.blind):
            wait = self.contention.wait if self.contention.on else 0.0
            self._reporter.passed(outcome, self._seconds, retry or wait, attribution, self._commotion)
        self.watch.attend(closely=self.busy.on)

    def _is_starved(self, outcome: Outcome) -> bool:
        """Whether the table could not be read, before or after a repair, because of all that others committed meanwhile."""
        unread = isinstance(outcome.error, StateUnknown) and not isinstance(outcome.error, WorkerFailed)
        return unread and self._commotion is not None

    def _log(self, event: Event) -> None:
        self._adapters.journal.write(event)

    # --- between passes ---

    @property
    def commotion_text(self) -> str:
        """Who committed all the time while the last pass ran; empty where that was little."""
        return self._commotion.text if self._commotion is not None else ""

    @property
    def in_the_way(self) -> str:
        """Who may have kept the last pass from succeeding; empty where nobody is known to be."""
        return self.commotion_text or self._attribution.text

    @property
    def unsettled(self) -> bool:
        """Whether there is any reason not to trust that all is well, where the last pass succeeded."""
        troubled = self.contention.on or self.busy.on or bool(self.trouble_text)
        return troubled or bool(self.policy.unknown)

    @property
    def trouble_text(self) -> str:
        """Why passes failed lately, while they succeed and that has not lasted yet."""
        return self._reporter.trouble.unsettled

    def earliest(self) -> float:
        """When the next pass may begin that a notification asks for."""
        return max(self.contention.earliest(), self.busy.earliest())

    def calm_due(self) -> float:
        """When `calmed` will be true."""
        return min(self.contention.due(), self.busy.due(), self._reporter.trouble.due())

    def calmed(self, left: int) -> bool:
        """Whether contention or any other trouble is over now, which is logged. `left` differences are only reported."""
        return any([self.contention.ended(left), self.busy.ended(left), self._reporter.trouble.ended()])

    def summary_due(self) -> float:
        """When `flush` has something to log."""
        return self._reporter.due()

    def flush(self) -> None:
        """Log the sum of the drift that was held back, once there is room."""
        self._reporter.flush()


def _or_raise(outcome: Outcome, waiting_for: tuple[type[KernelError], ...] = ()) -> Outcome:
    if isinstance(outcome.error, REFUSALS) and not isinstance(outcome.error, waiting_for):
        raise outcome.error
    return outcome
