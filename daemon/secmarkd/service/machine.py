# SPDX-License-Identifier: GPL-2.0-or-later
"""The service as a state machine. It is told what happened and what time it is; it never waits and never looks around.

    start: load → compile → first verified pass → READY=1
    then:  SIGHUP → reload, SIGUSR1, a foreign commit, the owner's end, or every `resync` → verification, SIGTERM → stop

The loop calls `tick` whenever something was asked for or `due` has come, and `changed` when someone has changed the
ruleset. A verification costs microseconds where nothing was touched (see `watch`). A failed pass leaves the kernel as it is
and is tried again, less and less often. A configuration that cannot be loaded, or that the kernel refuses, is rejected
whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import (
    CapabilityMissing,
    CgroupMissing,
    Conflict,
    KernelError,
    ModuleMissing,
    NotSupported,
    SecmarkdError,
    StateUnknown,
    WorkerFailed,
)
from secmarkd.events import (
    Ready,
    Reloaded,
    ReloadRejected,
    RemovalFailed,
    Started,
    StartFailed,
    Stopped,
)
from secmarkd.events.words import with_meanwhile
from secmarkd.model.label_map import Mode, OnDrift, OnStop
from secmarkd.ports import LOAD_DEADLINE
from secmarkd.reconcile import Action, Outcome, reconcile
from secmarkd.service.adapters import World, remove, require_selinux
from secmarkd.service.announcer import Announcer
from secmarkd.service.attribution import NOBODY, Blame, Commotion
from secmarkd.service.busy import Busy
from secmarkd.service.contention import Contention
from secmarkd.service.environment import Surroundings
from secmarkd.service.exit_codes import Exit, exit_for
from secmarkd.service.forwarding import MOST_DENIED, denied_by, refuse_the_end_of_forwarding
from secmarkd.service.forwarding import event_of as event_of_denied
from secmarkd.service.neighbours import Neighbours
from secmarkd.service.policy import PolicyWatch
from secmarkd.service.refusal import REFUSALS, brief, details, problems
from secmarkd.service.reporting import Reporter, total
from secmarkd.service.status import Reload, State, Status
from secmarkd.service.verification import Watch
from secmarkd.service.wanted import ENVIRONMENT, event_of, is_adoption, told_apart
from secmarkd.table.table import Table
from secmarkd.throttle import FAILURES

START_ATTEMPTS = 5
"""Failed first passes (1 + 2 + 4 + 8 s) before the service leaves it to the service manager to try again."""

RELOAD_ATTEMPTS = 5
"""Passes that a reload makes, one right after another, while others are in the way."""

MOST_IN_THE_WAY = 2
"""Of those, how many are named."""

POLICY_SETTLES = 0.1
"""Seconds from the kernel's word of a change of SELinux to its being readable, which takes microseconds, and to the end of
several in a row."""

LARGE = 10_000
"""Elements from which a pass leaves megabytes behind."""


class Service:
    """Keeps the kernel's labels as configured. `exit_status` is None while it runs."""

    def __init__(
        self, world: World, *, pid: int, folders: str, watchdog: float | None = None, netns: int = 0
    ) -> None:
        self._world = world
        self._announcer = Announcer(
            Status(pid=pid, netns=netns), world.notifier, world.clock, world.publish, watchdog
        )
        world.nft.before_waiting(self._announcer.extend)
        self._reporter = Reporter(world.journal, world.clock, self._origin_of)
        self._watch = Watch(world.events, world.writers)
        world.nft.while_waiting(self._watch.listen)
        self._busy = Busy(world.journal, world.clock)
        self._fight = Contention(world.journal, world.clock)
        self._policy = PolicyWatch(world.selinux, world.journal, world.clock, self._origin_of)
        self._surroundings = Surroundings(world)
        self._neighbours = Neighbours(world.labellers, world.journal, world.clock)
        self._moved = False
        """Whether the machine has changed since the labels in use were compiled."""
        self._blame = NOBODY
        """Who may have caused what the last pass found."""
        self._commotion: Commotion | None = None
        """Who committed all the time while the last pass ran."""
        self._thorough = False
        """Whether the next verification is to read the table whatever is known."""
        self._loaded: Loaded | None = None
        self._owed = ""
        """Why what is wanted is to be written even where drift is only reported (the reason of LabelsReplaced); empty when
        it has been in the kernel. What others have changed since then is drift."""
        self._ours: Table | None = None
        """What is in the kernel by our doing; None where that is nothing, or is not known."""
        self._reload_asked = self._stop_asked = False
        self._begun = self._pass_due = world.clock.monotonic()
        self._begun_pass = self._begun_last = self._begun
        self._pass_seconds = 0.0
        """How long the last pass took."""
        self.exit_status: Exit | None = None
        world.journal.write(Started(folders))

    # --- what the loop uses ---

    @property
    def running(self) -> bool:
        """Whether there is more to do."""
        return self.exit_status is None

    @property
    def status(self) -> Status:
        """What it is doing."""
        return self._announcer.status

    def ask_reload(self) -> None:
        """Load the configuration anew. Asked several times before it begins, it happens once."""
        self._reload_asked = True

    def ask_verify(self) -> None:
        """Read the table and verify it now."""
        self._thorough = True
        self._pass_due = self._world.clock.monotonic()

    def changed(self) -> None:
        """Someone has committed a transaction, perhaps this service. Costs microseconds where it is not about our table."""
        if self._watch.notice():
            self._hasten()
        if self._watch.stirred():
            self._neighbours.committed()

    def policy_changed(self) -> None:
        """The kernel has told of SELinux; it writes down a moment later what has become of it."""
        self._hasten(POLICY_SETTLES)

    def cgroups_changed(self) -> None:
        """The kernel has told of cgroups."""
        settles = self._surroundings.news()
        if settles is not None:
            self._hasten(settles)

    def names_changed(self) -> None:
        """The kernel has told of the files that users and services are looked up in."""
        self._surroundings.names.files_changed()

    def names_answered(self) -> None:
        """A lookup of names has an answer, or has failed."""
        if self._surroundings.names.answered():
            self._hasten()
        self._tell_waiting()

    def child_ended(self) -> None:
        """A process of ours has ended: if it owned the table, anyone may write to it now, and no event tells."""
        table = self._loaded.table if self._loaded else None
        if table and table.flags and not self._watch.unchanged(self._world.nft, table.flags):
            self._hasten()

    def ask_stop(self) -> None:
        """End, after whatever is being done."""
        self._stop_asked = True

    def due(self) -> float:
        """When `tick` has work, in the clock's seconds."""
        if self._stop_asked or (self._reload_asked and self.status.state is not State.STARTING):
            return self._world.clock.monotonic()
        told = min(
            self._announcer.due(), self._reporter.due(), self._world.journal.due(), self._surroundings.names.due()
        )
        if self._world.claim is not None:
            told = min(told, self._world.claim.due())
        over = min(self._fight.due(), self._busy.due(), self._reporter.trouble.due())
        looking = float("inf") if self.status.state is State.STARTING else self._neighbours.due()
        return min(self._pass_due, over if self._conclusive else float("inf"), looking, told)

    def tick(self) -> None:
        """Do what is due."""
        due = self._world.clock.monotonic() >= self._pass_due
        loading = self._reload_asked or (due and self.status.state is State.STARTING)
        working = self._stop_asked or self._reload_asked or due
        if self._stop_asked:
            self._stop()
        elif self.status.state is State.STARTING:
            if due:
                self._start()
        elif self._reload_asked:
            self._reload()
        elif due:
            self._verify()
        if loading or (working and self.status.elements > LARGE):
            self._world.give_back()
        if self.running:
            if self._conclusive and self._is_over():
                self._announcer.update(state=self._resting(self.status.differences))
                self._announce_others()
            self._surroundings.names.tick()
            self._look_around()
            self._reporter.flush()
            self._announcer.feed_watchdog()
        if self._world.claim is not None and not self._world.claim.kept():
            self._announcer.repeat()
        self._world.journal.flush()
        self._announcer.tell()

    # --- start, reload, verify, stop ---

    def _start(self) -> None:
        if self._reload_asked:
            self._reload_asked, self._loaded = False, None
        self._announcer.tell()
        try:
            if self._loaded is None or (self.status.attempt and self._surroundings.moved(self._loaded)):
                self._loaded, self._owed = self._load(), "start"
                self._take(self._loaded)
                self._announcer.tell()
            last = self.status.attempt + 1 >= START_ATTEMPTS
            # At boot a module of the kernel may come a little later; afterwards nobody loads it any more.
            outcome = self._write(self._loaded.table, waiting_for=() if last else (ModuleMissing,))
            if outcome.error is not None and last:
                raise outcome.error
        except SecmarkdError as error:
            self._refuse_to_start(error)
            return
        self._brought(outcome, "start")
        if outcome.in_sync:
            status, seconds = self.status, self._world.clock.monotonic() - self._begun
            self._world.journal.write(Ready(status.mode, status.labels, status.elements, seconds))
            self._neighbours.ask()
            self._announcer.tell(READY="1")
        else:
            self._announcer.update(state=State.STARTING)

    def _refuse_to_start(self, error: SecmarkdError) -> None:
        self.exit_status = exit_for(error)
        message, hint = brief(error)
        message = with_meanwhile(message, self._commotion.text if self._commotion else "")
        for event in details(error, self._origin_of):
            self._world.journal.write(event)
        self._world.journal.write(StartFailed(message, hint, int(self.exit_status)))
        self._announcer.update(state=State.STOPPED, error=f"cannot start: {message}", hint=hint)

    def _reload(self) -> None:
        self._reload_asked = False
        began = self._world.clock.monotonic()
        self._announcer.tell(
            RELOADING="1", MONOTONIC_USEC=str(int(began * 1e6)), STATUS="reloading the configuration"
        )
        wanted: Loaded | None = None
        try:
            wanted = self._load()
            outcome = self._write(wanted.table, staged=True)
            for _ in range(RELOAD_ATTEMPTS - 1):
                if self._commotion is None or not isinstance(outcome.error, StateUnknown | Conflict):
                    break
                outcome = self._write(wanted.table, staged=True)
        except SecmarkdError as error:
            self._reject(error, began, wanted)
        else:
            self._accept(wanted, outcome, began)
        self._announcer.tell(READY="1")

    def _accept(self, wanted: Loaded, outcome: Outcome, began: float) -> None:
        self._loaded = wanted
        self._take(wanted)
        self._brought(outcome, "reload")
        error = outcome.error
        if error is None:
            status, seconds = self.status, self._world.clock.monotonic() - began
            self._world.journal.write(Reloaded(status.mode, status.labels, status.elements, seconds))
            self._announcer.update(reload=Reload(began, True))
        else:
            why = with_meanwhile(f"not in the kernel yet: {error}", self._in_the_way())
            failed = Reload(began, True, int(Exit.FAILURE), why, error.hint)
            self._announcer.update(reload=failed)

    def _reject(self, error: SecmarkdError, began: float, wanted: Loaded | None) -> None:
        origins = wanted.origins if wanted else {}

        def origin_of(context: str) -> str:
            return origins.get(context, "")

        message, hint = brief(error)
        for event in details(error, origin_of):
            self._world.journal.write(event)
        self._world.journal.write(ReloadRejected(message, hint))
        rejected = Reload(began, False, int(exit_for(error)), message, hint, problems(error, origin_of))
        self._announcer.update(reload=rejected)
        self._pass_due = self._world.clock.monotonic()

    def _verify(self) -> None:
        assert self._loaded is not None
        if self._follow_environment():
            self._owed = self._owed or ENVIRONMENT
        if self._owed:
            outcome = self._pass(self._loaded.table, OnDrift.REPAIR, staged=True)
            if not self._overtaken(outcome):
                self._brought(outcome, self._owed)
            return
        thorough, self._thorough = self._thorough, False
        if thorough:
            self._neighbours.ask()
        if not thorough and self._watch.unchanged(self._world.nft, self._loaded.table.flags):
            now = self._world.clock.monotonic()
            self._neighbours.verified()
            self._follow_policy()
            self._announcer.update(last_pass=now, state=self._resting(self.status.differences))
            self._pass_due = self._next_resync(now)
            return
        outcome = self._pass(self._loaded.table, self._loaded.settings.on_drift, known=True)
        if self._overtaken(outcome):
            return
        if outcome.drifts:
            self._announcer.update(last_drift=self._world.clock.monotonic())
        reported = outcome.action is Action.REPORTED
        changed = self._reporter.untold(outcome) if reported else outcome.drifts
        if changed and outcome.action is not Action.FAILED:
            self._fight.drifted(self._blame, repaired=not reported)
        self._note_touches(outcome, anything_new=bool(changed))
        self._settle(outcome)
        self._report(outcome, self._blame)

    def _stop(self) -> None:
        self._announcer.tell(STOPPING="1", STATUS="stopping")
        self.exit_status = Exit.OK
        removing = self._loaded is not None and self._loaded.settings.on_stop is OnStop.REMOVE
        try:
            if removing:
                remove(self._world.nft)
        except SecmarkdError as error:
            self._world.journal.write(RemovalFailed(str(error), error.hint))
            self.exit_status = Exit.FAILURE
        else:
            self._world.journal.write(Stopped("removed" if removing else "kept"))
        self._announcer.update(state=State.STOPPED, error="")

    # --- their parts ---

    def _load(self) -> Loaded:
        with self._announcer.patience(LOAD_DEADLINE):
            starting = self.status.state is State.STARTING
            loaded = self._world.loader.load(self._surroundings.names.numbers, starting=starting)
        if loaded.settings.mode is Mode.LABEL:
            require_selinux(self._world.selinux)
        self._ask_about_forwarding(loaded)
        return loaded

    def _ask_about_forwarding(self, loaded: Loaded) -> None:
        """Warn of labels that would end the forwarding of packets; ConfigError where that would be all of it, now."""
        denied = tuple(denied_by(self._world.policy, loaded.forwarded))
        if not denied:
            return
        enforcing, forwarding = self._world.selinux.state().enforcing, self._world.forwards()
        refuse_the_end_of_forwarding(denied, loaded.settings.mode, enforcing=enforcing, forwarding=forwarding)
        for each in denied[:MOST_DENIED]:
            self._world.journal.write(event_of_denied(each, len(denied)))

    def _write(
        self, table: Table, *, staged: bool = False, waiting_for: tuple[type[KernelError], ...] = ()
    ) -> Outcome:
        """A pass for a table that is newly wanted. Raises what no later try would change, but for `waiting_for`."""
        outcome = self._pass(table, OnDrift.REPAIR, staged=staged)
        if isinstance(outcome.error, REFUSALS) and not isinstance(outcome.error, waiting_for):
            raise outcome.error
        return outcome

    def _pass(self, table: Table, on_drift: OnDrift, *, known: bool = False, staged: bool = False) -> Outcome:
        """`known`: this is the table of the pass before. `staged`: it is newly wanted."""
        began, self._begun_last = self._world.clock.monotonic(), self._begun_pass
        self._begun_pass = began
        heard = self._watch.begin()
        hints, in_use = heard if known else None, self._world.ports_in_use
        try:
            with self._announcer.patience(LOAD_DEADLINE):
                outcome = reconcile(self._world.nft, table, on_drift, in_use, hints, staged=staged)
        except CapabilityMissing as error:
            missing = NotSupported(str(error), operation="pass", hint=error.hint)
            outcome = Outcome(Action.FAILED, error=missing)
        self._pass_seconds = self._world.clock.monotonic() - began
        self._blame = self._watch.concluded(outcome, self._world.nft)
        failed = outcome.action is Action.FAILED
        self._commotion = self._watch.commotion(self._pass_seconds) if failed else None
        if self._watch.touches:
            self._busy.goes_on()
        return outcome

    def _is_starved(self, outcome: Outcome) -> bool:
        """Whether the table could not be read, before or after a repair, because of all that others committed meanwhile."""
        unread = isinstance(outcome.error, StateUnknown) and not isinstance(outcome.error, WorkerFailed)
        return unread and self._commotion is not None

    def _in_the_way(self) -> str:
        """Who may have kept the last pass from succeeding; empty where nobody is known to be."""
        return self._commotion.text if self._commotion is not None else self._blame.text

    def _note_touches(self, outcome: Outcome, *, anything_new: bool) -> None:
        """A pass that something asked for which touched our table, and that found nothing new, is one too many."""
        harmless = outcome.action in (Action.NONE, Action.REPORTED) and not anything_new
        if harmless and self._watch.touches:
            seconds = max(self._begun_pass - self._begun_last, 0.001)
            named = replace(self._blame, writers=self._blame.writers[-MOST_IN_THE_WAY:], more=0)
            self._busy.looked(Commotion(self._watch.touches, seconds, named))

    def _report(self, outcome: Outcome, blame: Blame = NOBODY) -> None:
        """Tell the journal of a pass."""
        starved = self._is_starved(outcome)
        if starved and self._commotion is not None:
            self._busy.starved(str(outcome.error), self._commotion)
        if not (starved and outcome.blind):
            retry = self.status.retry_seconds
            self._reporter.passed(outcome, self._pass_seconds, retry, blame, self._commotion)
        self._watch.attend(closely=self._busy.on)
        self._announce_others()
        if outcome.in_sync or outcome.action is Action.REPORTED:
            self._announcer.update(state=self._resting(total(outcome.remaining)))

    def _overtaken(self, outcome: Outcome) -> bool:
        """Whether a cgroup has gone while its rules were being written: no failure, for the next pass is without it."""
        assert self._loaded is not None
        if not isinstance(outcome.error, CgroupMissing) or not self._surroundings.moved(self._loaded):
            return False
        self._pass_due = self._earliest()
        return True

    def _next_resync(self, now: float) -> float:
        """When to verify next for no reason; never before a repair may follow the last one, however often that is asked."""
        assert self._loaded is not None
        return max(now + self._loaded.settings.resync, self._earliest())

    def _earliest(self) -> float:
        """When the next pass may begin that something asks for which was heard."""
        return max(self._fight.earliest(), self._busy.earliest())

    def _hasten(self, settles: float = 0.0) -> None:
        """Verify for what was heard, in so many seconds or as soon as it may be; after a failed pass that is when the next
        try is due."""
        if self.status.state is not State.STARTING and not self.status.attempt:
            settled = self._world.clock.monotonic() + settles
            self._pass_due = min(self._pass_due, max(self._earliest(), settled))

    def _follow_policy(self) -> None:
        assert self._loaded is not None
        self._policy.look(self._loaded.table)
        self._announcer.update(unknown=self._policy.texts)

    def _look_around(self) -> None:
        """See, where that is due, who else sets labels."""
        if self._watch.stirred():
            self._neighbours.committed()
        if self.status.state is State.STARTING or self._world.clock.monotonic() < self._neighbours.due():
            return
        self._neighbours.look()
        seen = self._neighbours.seen
        self._announcer.update(other_labels=seen.found, other_labels_whole=seen.whole)

    @property
    def _conclusive(self) -> bool:
        """Whether the last pass neither failed nor was contested. Otherwise nobody can say that a fight is over."""
        return not self.status.error

    def _resting(self, left: int) -> State:
        """The state where the kernel is as configured, but for so many differences that are left as asked."""
        if left:
            return State.DRIFT
        unsettled = self._fight.on or self._busy.on or self._reporter.trouble.unsettled
        return State.DEGRADED if unsettled or self._policy.unknown else State.IN_SYNC

    def _is_over(self) -> bool:
        """Whether a fight or any other trouble is over now."""
        left = self.status.differences
        return any([self._fight.ended(left), self._busy.ended(left), self._reporter.trouble.ended()])

    def _announce_others(self) -> None:
        """Who is in the way, as the status has it."""
        commotion, fighting = self._busy.commotion, self._fight.on
        self._announcer.update(
            busy=commotion.by if commotion else "",
            busy_rate=commotion.rate if commotion else 0,
            opponent=self._fight.opponent_text,
            repairs=self._fight.repairs if fighting else 0,
            unsettled=self._reporter.trouble.unsettled,
        )

    def _follow_environment(self) -> bool:
        """Compile anew where the machine is not what the labels were compiled for; whether that was so and was done."""
        assert self._loaded is not None
        compiling = self._announcer.patience(LOAD_DEADLINE)
        followed = self._surroundings.compiled_anew(self._loaded, compiling, again=not self._watch.pending)
        if followed is None:
            return False
        self._loaded = followed
        self._announcer.update(elements=followed.table.element_count())
        self._tell_waiting()
        return True

    def _take(self, loaded: Loaded) -> None:
        mode, elements = str(loaded.settings.mode), loaded.table.element_count()
        self._announcer.update(mode=mode, labels=loaded.label_count, elements=elements)
        self._moved = self._surroundings.follow(loaded)
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        waiting = self._surroundings.waiting(self._loaded) if self._loaded is not None else ()
        self._announcer.update(waiting=waiting)

    def _settle(self, outcome: Outcome) -> None:
        """State and the time of the next pass, after a pass."""
        assert self._loaded is not None
        now, error = self._world.clock.monotonic(), outcome.error
        attempt, retry = 0, 0.0
        self._follow_policy()
        match outcome.action:
            case Action.CONTESTED if self.status.state is not State.STARTING:
                state, retry = State.DEGRADED, self._fight.wait
            case Action.FAILED | Action.CONTESTED:
                state, attempt = State.DEGRADED, self.status.attempt + 1
                retry = self._busy.retry(attempt) if self._is_starved(outcome) else FAILURES.wait_after(attempt)
            case Action.REPORTED | Action.NONE | Action.CREATED | Action.REPAIRED | Action.REPLACED:
                state = self._resting(total(outcome.remaining))
            case _:
                assert_never(outcome.action)
        message, hint = (str(error), error.hint) if error else ("", "")
        wait = self._fight.wait if self._fight.on else 0.0
        self._announcer.update(state=state, attempt=attempt, retry_seconds=retry or wait, error=message, hint=hint)
        self._announcer.update(last_pass=now, differences=total(outcome.remaining), lost_events=self._watch.losses)
        self._pass_due = now + retry if retry else self._next_resync(now)
        moved, self._moved = self._moved, False
        if self._watch.pending or moved:
            self._hasten()

    def _brought(self, outcome: Outcome, reason: str) -> None:
        """After a pass for a table that is newly wanted, for a reason as in LabelsReplaced."""
        assert self._loaded is not None
        contested = outcome.action is Action.CONTESTED
        self._owed = "" if outcome.in_sync or contested else reason
        before = self._ours
        if not outcome.blind:  # otherwise nothing was written
            self._ours = None if self._owed else self._loaded.table
        if contested:
            self._fight.drifted(self._blame, repaired=True)
        self._settle(outcome)
        if self._owed:
            undone = replace(outcome, drifts=(), remaining=())
            self._report(undone)
            return
        changed, foreign = told_apart(outcome.drifts, self._loaded.table, before, reason)
        if foreign:
            self._announcer.update(last_drift=self._world.clock.monotonic())
        if foreign or contested:
            self._report(replace(outcome, drifts=foreign), self._blame)
        if changed and not is_adoption(outcome):
            self._world.journal.write(event_of(changed, reason, self.status))
        if not contested:
            self._reporter.settled()
        self._announce_others()

    def _origin_of(self, context: str) -> str:
        return self._loaded.origins.get(context, "") if self._loaded else ""
