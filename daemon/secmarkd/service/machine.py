# SPDX-License-Identifier: GPL-2.0-or-later
"""The service: gives the state machine (`transitions`) what happens, and has carried out what it answers.

    start: load → compile → first verified pass → READY=1
    then:  SIGHUP → reload, SIGUSR1, a foreign commit, the owner's end, or every `resync` → verification, SIGTERM → stop

The loop calls `tick` whenever something was asked for or `due` has come, and `changed` when someone has changed the
ruleset. It waits for passes, and for nothing else.
"""

from __future__ import annotations

from collections import deque

from secmarkd.events import Started
from secmarkd.service.adapters import Adapters
from secmarkd.service.execution import Execution
from secmarkd.service.exit_codes import Exit
from secmarkd.service.inputs import Input, PassDue, ReloadAsked, StopAsked, Unchanged
from secmarkd.service.interruption import Interrupted
from secmarkd.service.states import (
    Applying,
    Degraded,
    Drifted,
    InSync,
    Loading,
    State,
    Stopped,
    differences_of,
    is_conclusive,
    labels_of,
)
from secmarkd.service.status import Status
from secmarkd.service.transitions import step

POLICY_SETTLES = 0.1
"""Seconds from the kernel's notification of a change of SELinux to its being readable, which takes microseconds, and to the
end of several in a row."""
LARGE = 10_000
"""Elements from which a pass leaves megabytes behind."""


class Service:
    """Keeps the kernel's labels as configured. `exit_status` is None while it runs."""

    def __init__(
        self, adapters: Adapters, *, pid: int, folders: str, watchdog: float | None = None, netns: int = 0
    ) -> None:
        self._adapters = adapters
        self._clock = adapters.clock
        self._state: State = Loading()
        self._stop_asked = self._reload_asked = False
        """Signals that the state machine has yet to be given."""
        self._execution = Execution(
            adapters,
            lambda: self._state,
            lambda: self._stop_asked or adapters.stop_asked(),
            pid=pid,
            netns=netns,
            watchdog=watchdog,
        )
        adapters.journal.write(Started(folders))

    # --- what the loop uses ---

    @property
    def running(self) -> bool:
        """Whether there is more to do."""
        return not isinstance(self._state, Stopped)

    @property
    def exit_status(self) -> Exit | None:
        """The exit code; None while it runs."""
        return self._state.exit if isinstance(self._state, Stopped) else None

    @property
    def status(self) -> Status:
        """What it is doing, for the service manager and secmarkctl."""
        return self._execution.status

    def ask_reload(self) -> None:
        """Load the configuration again. Asked several times before it begins, it happens once."""
        self._reload_asked = True

    def ask_verify(self) -> None:
        """Read the table and verify it now."""
        self._execution.verify_thoroughly()

    def ask_stop(self) -> None:
        """End; a pass that has written something ends first."""
        self._stop_asked = True

    def changed(self) -> None:
        """Someone has committed a transaction, perhaps this service. Costs microseconds where it is not about our table."""
        if self._execution.passes.watch.notice():
            self._execution.schedule_verification()
        if self._execution.passes.watch.stirred():
            self._execution.neighbours.committed()

    def policy_changed(self) -> None:
        """The kernel has notified of SELinux; it writes down a moment later what has become of it."""
        if self._adapters.selinux_events is not None:
            self._adapters.selinux_events.take()
        self._execution.schedule_verification(POLICY_SETTLES)

    def cgroups_changed(self) -> None:
        """The kernel has notified of cgroups."""
        settles = self._execution.environment.news()
        if settles is not None:
            self._execution.schedule_verification(settles)

    def names_changed(self) -> None:
        """The kernel has notified of the files that users, groups and services are looked up in."""
        self._execution.environment.names.files_changed()

    def names_answered(self) -> None:
        """A lookup of names has an answer, or has failed."""
        if self._execution.environment.names.answered():
            self._execution.schedule_verification()
        self._execution.note_waiting()

    def load_answered(self) -> None:
        """A load has an answer, or has failed: the `tick` that follows takes it."""

    def child_ended(self) -> None:
        """A process of ours has ended: if it owned the table, anyone may write to it now, without a notification."""
        labels = labels_of(self._state)
        table = labels.loaded.table if labels else None
        if table and table.flags and not self._execution.passes.watch.unchanged(self._adapters.nft, table.flags):
            self._execution.schedule_verification()

    def due(self) -> float:
        """When `tick` has work, in the clock's seconds."""
        if self._stop_asked or self._can_reload:
            return self._clock.monotonic()
        due = self._execution.due()
        if is_conclusive(self._state):
            due = min(due, self._execution.passes.calm_due())
        return min(due, self._execution.neighbours.due()) if self._has_started else due

    def tick(self) -> None:
        """Do what is due."""
        loaded, happened = False, self._next_input()
        if happened is not None:
            self._handle(happened)
        while self.running and (answer := self._execution.take_load()) is not None:
            loaded = True
            self._handle(answer)
            self._execution.note_waiting()
        if loaded or (happened is not None and self._is_large):
            self._adapters.give_back()
        if self.running:
            calm = is_conclusive(self._state) and self._execution.passes.calmed(differences_of(self._state))
            if calm and self._has_started:
                self._handle(Unchanged(self._execution.passes.unsettled))
            self._execution.rest(looking_at_others=self._has_started)
        if self._adapters.claim is not None and not self._adapters.claim.kept():
            self._execution.announcer.repeat()
        self._adapters.journal.flush()
        self._execution.announce()

    # --- the state machine ---

    @property
    def _is_large(self) -> bool:
        labels = labels_of(self._state)
        return labels is not None and labels.loaded.table.element_count() > LARGE

    @property
    def _has_started(self) -> bool:
        return isinstance(self._state, InSync | Drifted | Degraded)

    @property
    def _can_reload(self) -> bool:
        return self._reload_asked and self._has_started and not self._execution.loads.loading

    def _next_input(self) -> Input | None:
        if self._stop_asked:
            self._stop_asked = False
            return StopAsked()
        if self._can_reload:
            self._reload_asked = False
            return ReloadAsked(self._clock.monotonic())
        if not self._execution.take_due():
            return None
        if self._reload_asked and isinstance(self._state, Applying):
            self._reload_asked = False
            self._handle(ReloadAsked(self._clock.monotonic()))
        return PassDue(stale=self._execution.is_stale())

    def _handle(self, happened: Input) -> None:
        """Give the state machine one input, and those that follow from it."""
        waiting = deque([happened])
        try:
            while waiting:
                self._state, effects = step(self._state, waiting.popleft())
                for effect in effects:
                    if (following := self._execution.carry_out(effect)) is not None:
                        waiting.append(following)
        except Interrupted:
            self._stop_asked = False
            self._handle(StopAsked())
