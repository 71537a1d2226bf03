# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out what the state machine wants done (`effects`), and knows when the next pass is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from secmarkd.errors import CgroupMissing, ModuleMissing, SecmarkdError
from secmarkd.reconcile import Outcome
from secmarkd.service import effects as do
from secmarkd.service.adapters import Adapters, remove
from secmarkd.service.announcer import Announcer
from secmarkd.service.environment import EnvironmentTracker
from secmarkd.service.inputs import Concluded, Ended, Input, NotFollowed, Recompiled, Refused, Unchanged, Written
from secmarkd.service.interruption import InterruptibleNft
from secmarkd.service.loads import Loads
from secmarkd.service.neighbours import Neighbours
from secmarkd.service.passes import Passes
from secmarkd.service.refusal import details
from secmarkd.service.states import Applying, ApplyReason, Labels, Loading, State, failure_of, labels_of
from secmarkd.service.status import Reload, Status
from secmarkd.service.summary import Observations, status_of

RELOAD_ATTEMPTS = 5
"""Passes that a reload makes, one right after another, while others are in the way."""
_NEVER = float("inf")


class Execution:
    """The parts of the service that do something, and what they have observed."""

    def __init__(
        self,
        adapters: Adapters,
        state: Callable[[], State],
        stop_asked: Callable[[], bool],
        *,
        pid: int,
        netns: int,
        watchdog: float | None,
    ) -> None:
        """`state` gives the state that the service is in now; `stop_asked`, whether a pass is to be abandoned."""
        self._adapters = adapters
        self._clock = adapters.clock
        self._state = state
        self._identity = pid, netns
        self.announcer = Announcer(lambda: self.status, adapters.notifier, adapters.clock, adapters.publish, watchdog)
        nft = InterruptibleNft(adapters.nft, stop_asked)
        self.passes = Passes(adapters, nft, self.announcer, self._origin_of)
        nft.before_waiting(self.announcer.extend)
        nft.while_waiting(self.passes.watch.listen)
        self.loads = Loads(adapters, self.announcer)
        self.environment = EnvironmentTracker(adapters)
        self.neighbours = Neighbours(adapters.labellers, adapters.journal, adapters.clock)
        self._waiting: tuple[str, ...] = ()
        self._reload: Reload | None = None
        self._thorough = False
        """Whether the next verification is to read the table whatever is known."""
        self._stale = False
        """Whether the environment has changed since the labels in use were compiled."""
        self._begun = self._pass_due = self._clock.monotonic()

    @property
    def status(self) -> Status:
        """What is published."""
        contention, commotion = self.passes.contention, self.passes.busy.commotion
        pid, netns = self._identity
        seen = Observations(
            pid=pid,
            netns=netns,
            last_pass=self.passes.last_pass,
            last_drift=self.passes.last_drift,
            contender=contention.contender_text,
            repairs=contention.repairs if contention.on else 0,
            repair_wait=contention.wait if contention.on else 0.0,
            busy=commotion.by if commotion else "",
            busy_rate=commotion.rate if commotion else 0,
            unsettled=self.passes.trouble_text,
            unknown=self.passes.policy.texts,
            waiting=self._waiting,
            lost_events=self.passes.watch.losses,
            others=self.neighbours.seen,
            reload=self._reload,
        )
        return status_of(self._state(), seen)

    # --- time ---

    def due(self) -> float:
        """When there is work whatever the state, in the clock's seconds."""
        due = min(self._pass_due, self.loads.due(), self.announcer.due(), self.passes.summary_due())
        due = min(due, self._adapters.journal.due(), self.environment.names.due())
        return due if self._adapters.claim is None else min(due, self._adapters.claim.due())

    def take_due(self) -> bool:
        """Whether the next pass is due. Asked once: what follows schedules another."""
        due = self._clock.monotonic() >= self._pass_due
        self._pass_due = _NEVER if due else self._pass_due
        return due

    def schedule_verification(self, settles: float = 0.0) -> None:
        """Verify for what was notified, in so many seconds or as soon as it may be; after a failed pass that is when the
        next try is due, and after the start of a load when it has ended."""
        state = self._state()
        if not isinstance(state, Loading | Applying) and failure_of(state) is None:
            settled = self._clock.monotonic() + settles
            self._pass_due = min(self._pass_due, max(self.passes.earliest(), settled))

    def verify_thoroughly(self) -> None:
        """Verify now, and read the table whatever is known."""
        self._thorough = True
        if not isinstance(self._state(), Loading):
            self._pass_due = self._clock.monotonic()

    def _schedule(self, after: float | None) -> None:
        labels, now = labels_of(self._state()), self._clock.monotonic()
        if after is None and labels is not None:
            # Never before a repair may follow the last one, however often that is asked.
            self._pass_due = max(now + labels.loaded.settings.resync, self.passes.earliest())
        else:
            self._pass_due = now + (after or 0.0)
        stale, self._stale = self._stale, False
        if self.passes.watch.pending or stale:
            self.schedule_verification()

    # --- between inputs ---

    def take_load(self) -> Input | None:
        """The answer to a load or a recompilation, once it is there."""
        answer = self.loads.take()
        labels = labels_of(self._state())
        match answer:
            case NotFollowed(loaded, environment, error):
                self.environment.not_followed(loaded, environment, error)
            case Recompiled(loaded) if labels is not None:
                self.environment.followed(labels.loaded.environment, loaded)
            case _:
                pass
        return answer

    def is_stale(self) -> bool:
        """Whether, before another first pass, the environment is not what the labels were compiled for."""
        state = self._state()
        failed = isinstance(state, Applying) and state.failed is not None
        return failed and self.environment.is_stale(state.labels.loaded) if isinstance(state, Applying) else False

    def rest(self, *, looking_at_others: bool) -> None:
        """What is done after each input."""
        self.environment.names.tick()
        if self.passes.watch.stirred():
            self.neighbours.committed()
        if looking_at_others and self._clock.monotonic() >= self.neighbours.due():
            self.neighbours.look()
        self.passes.flush()
        self.announcer.feed_watchdog()

    def note_waiting(self) -> None:
        """What of the label map waits, as the status has it."""
        labels = labels_of(self._state())
        self._waiting = self.environment.waiting(labels.loaded) if labels is not None else ()

    def announce(self) -> None:
        """Send what is new of the status."""
        self.announcer.tell(doing=self._doing)

    @property
    def _doing(self) -> str:
        reloading = self.loads.loading and not isinstance(self._state(), Loading)
        return "reloading the configuration" if reloading else ""

    # --- effects ---

    def carry_out(self, effect: do.Effect) -> Input | None:
        """Do it; the input that this gives, if any. Interrupted, where a pass was abandoned."""
        match effect:
            case do.Load(starting, began):
                began = self._begun if began is None else began
                return self.loads.load(self.environment.names.numbers, starting=starting, began=began)
            case do.Write():
                return self._write(effect)
            case do.Verify(follow):
                labels = labels_of(self._state())
                return self._verify(labels, follow=follow) if labels is not None else None
            case do.Conclude(outcome, reason, began):
                return self._conclude(outcome, reason, began)
            case do.End(removing):
                return self._end(removing=removing)
            case _:
                self._note(effect)
                return None

    def _note(
        self,
        effect: do.Follow | do.Log | do.LogRefusal | do.Announce | do.Remember | do.Schedule | do.LookAtOthers,
    ) -> None:
        """Do what gives no input."""
        match effect:
            case do.Follow(loaded):
                self._stale = self.environment.follow(loaded)
                self.note_waiting()
            case do.Log(event):
                self._adapters.journal.write(event)
            case do.LogRefusal(error, origins):
                for event in details(error, lambda context: origins.get(context, "")):
                    self._adapters.journal.write(event)
            case do.Announce(assignments):
                self.announcer.tell(assignments, doing=self._doing)
            case do.Remember(reload):
                self._reload = reload
            case do.Schedule(after):
                self._schedule(after)
            case do.LookAtOthers():
                self.neighbours.ask()
            case _:
                assert_never(effect)

    def _write(self, wanted: do.Write) -> Input:
        table, began = wanted.loaded.table, self._begun if wanted.began is None else wanted.began
        try:
            if wanted.reason is ApplyReason.START:
                # At boot a module of the kernel may come a little later; afterwards nobody loads it any more.
                outcome = self.passes.write_first(table, () if wanted.last else (ModuleMissing,))
                if outcome.error is not None and wanted.last:
                    raise outcome.error
            else:
                outcome = self.passes.write_persistently(table, RELOAD_ATTEMPTS)
        except SecmarkdError as error:
            return Refused(error, wanted.loaded, wanted.reason, began, self.passes.commotion_text)
        return Written(outcome, wanted.loaded, wanted.reason, began)

    def _verify(self, labels: Labels, *, follow: bool) -> Input | None:
        if follow and (environment := self.environment.changed(labels.loaded, again=not self.passes.watch.pending)):
            adapted = self.environment.adapted(labels.loaded, environment)
            if adapted is not None:
                self.environment.followed(labels.loaded.environment, adapted)
                return Recompiled(adapted)
            # What the table is compared with is being made; its answer, or that of the reload, brings a verification.
            if not self.loads.loading and not self.loads.is_for(environment):
                failed = self.loads.recompile(labels.loaded, environment)
                if failed is not None:
                    self.environment.not_followed(failed.loaded, failed.environment, failed.error)
                return failed
            return None
        if labels.unwritten is not None:
            outcome = self.passes.write(labels.loaded.table)
            return (
                None
                if self._cgroup_vanished(outcome, labels)
                else Written(outcome, labels.loaded, labels.unwritten, None)
            )
        thorough, self._thorough = self._thorough, False
        if thorough:
            self.neighbours.ask()
        elif self.passes.unchanged(labels.loaded.table):
            self.neighbours.verified()
            self._schedule(None)
            return Unchanged(self.passes.unsettled)
        outcome = self.passes.verify(labels)
        if self._cgroup_vanished(outcome, labels):
            return None
        retry = self.passes.conclude_verification(outcome, self._state(), labels)
        return Concluded(outcome, retry, self.passes.unsettled, 0.0)

    def _cgroup_vanished(self, outcome: Outcome, labels: Labels) -> bool:
        """Whether a cgroup has gone while its rules were being written: no failure, for the next pass is without it."""
        if not isinstance(outcome.error, CgroupMissing) or not self.environment.is_stale(labels.loaded):
            return False
        self._pass_due = self.passes.earliest()
        return True

    def _conclude(self, outcome: Outcome, reason: ApplyReason, began: float | None) -> Input | None:
        labels = labels_of(self._state())
        if labels is None:
            return None
        retry = self.passes.conclude_write(outcome, self._state(), labels, reason, self.status)
        seconds = 0.0 if began is None else self._clock.monotonic() - began
        in_the_way = self.passes.in_the_way if outcome.error is not None else ""
        return Concluded(outcome, retry, self.passes.unsettled, seconds, in_the_way, reason, began)

    def _end(self, *, removing: bool) -> Input:
        self.loads.abandon()
        try:
            if removing:
                remove(self._adapters.nft)
        except SecmarkdError as error:
            return Ended(error, removing)
        return Ended(None, removing)

    def _origin_of(self, context: str) -> str:
        labels = labels_of(self._state())
        return labels.loaded.origins.get(context, "") if labels else ""
