# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows what the labels depend on besides the configuration: when to look, what changed, and the labels for it."""

from __future__ import annotations

from dataclasses import replace

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import Problem, SecmarkdError
from secmarkd.events import (
    CgroupAbsent,
    CgroupsNotWatched,
    ConfigurationProblem,
    ConfigurationWritable,
    EnvironmentChanged,
    EnvironmentNotFollowed,
)
from secmarkd.model.label_map import Environment
from secmarkd.model.note import Note, Severity
from secmarkd.model.sources import Thing
from secmarkd.service.adapters import Adapters
from secmarkd.service.environment_changes import differences, only_made_anew
from secmarkd.service.names import NameWatch
from secmarkd.service.refusal import brief, details
from secmarkd.table.cgroups import with_cgroups
from secmarkd.throttle import Throttle

PAUSE = 0.05
"""Seconds from one look that the kernel's events ask for to the next."""
GONE_SETTLES = 1.0
"""Seconds from a cgroup's end to the labels without it: no hurry, and a unit that restarts makes another at once."""
AT_ONCE = 6
"""Changes in a row that are followed as they come. A unit that fails and restarts without end makes more of them."""
FIRST = 1.0
LONGEST = 30.0
"""Seconds between two changes then; the wait doubles from the one to the other."""
MOST_WAITING = 50
"""Lines of the status: it is written at each change."""
CALM = 60.0
"""Seconds without a change after which the next one is followed at once again."""


class EnvironmentTracker:
    """Reads the machine and is told of its cgroups."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._failed_environment: Environment | None = None
        """For which the labels could not be compiled; tried again when time, and not drift, asks for a verification."""
        self._changes = Throttle(FIRST, LONGEST, at_once=AT_ONCE - 1, quiet=CALM)
        self._look = float("-inf")
        """When to look at what came, or when that was."""
        self._contradicting: frozenset[Problem] = frozenset()
        self._warned: frozenset[Note] = frozenset()
        """What was logged of the labels in use."""
        self.names = NameWatch(adapters)

    def follow(self, loaded: Loaded) -> bool:
        """The labels are these from now on. Whether the machine has changed since they were compiled."""
        self._failed_environment = None
        for cgroup in sorted(loaded.cgroups - loaded.environment.cgroups.keys()):
            self._adapters.journal.write(CgroupAbsent(cgroup))
        self.names.follow(loaded)
        self._contradictions(loaded)
        self._warnings(loaded)
        refused = self._watch(loaded)
        if refused and loaded.cgroups:
            self._adapters.journal.write(CgroupsNotWatched(refused, loaded.settings.resync))
        return self.is_stale(loaded)

    def is_stale(self, loaded: Loaded) -> bool:
        """Whether the machine is not what the labels were compiled for."""
        return self._read(loaded) != loaded.environment

    def news(self) -> float | None:
        """Seconds after which to look at what was told of cgroups; None where that is nothing."""
        news = self._adapters.cgroup_events.take() if self._adapters.cgroup_events is not None else None
        if news is None or not (news.came or news.went):
            return None
        now = self._adapters.clock.monotonic()
        soon = now + GONE_SETTLES
        if news.came:
            # One that somebody makes and removes without end is looked at twenty times a second at most.
            self._look = self._look if self._look > now else max(self._look + PAUSE, now)
            soon = self._look
        return self._changes.next(soon) - now

    def changed(self, loaded: Loaded, *, again: bool) -> Environment | None:
        """The environment as it is now, where that is not what the labels were compiled for.

        None too for one for which they could not be compiled, unless `again`.
        """
        environment = self._read(loaded)
        if environment == loaded.environment or (environment == self._failed_environment and not again):
            return None
        return environment

    def adapted(self, loaded: Loaded, environment: Environment) -> Loaded | None:
        """The labels for another environment, where that needs no compiler: cgroups were only made again."""
        if not only_made_anew(loaded.environment, environment):
            return None
        table = with_cgroups(loaded.table, environment.cgroups)
        return replace(loaded, table=table, environment=environment)

    def followed(self, before: Environment, loaded: Loaded) -> None:
        """The labels were compiled for another environment than before."""
        self._failed_environment = None
        self._changes = self._changes.resumed(self._adapters.clock.monotonic())
        self._contradictions(loaded)
        for thing, was, now in differences(before, loaded.environment):
            self._adapters.journal.write(EnvironmentChanged(thing, was, now))

    def not_followed(self, loaded: Loaded, environment: Environment, error: SecmarkdError) -> None:
        """They could not be compiled for it, and stay as they are; logged once for each."""
        if environment != self._failed_environment:
            for event in details(error, lambda context: loaded.origins.get(context, "")):
                self._adapters.journal.write(event)
            self._adapters.journal.write(EnvironmentNotFollowed(*brief(error)))
        self._failed_environment = environment

    def waiting(self, loaded: Loaded) -> tuple[str, ...]:
        """What of the label map selects nothing now, each with place, thing and fix; the first few of many."""
        absent = loaded.cgroups - loaded.environment.cgroups.keys()
        cgroups = (
            f"{mention.origin}: waits for the cgroup {mention.value}, which does not exist now"
            for mention in loaded.mentions
            if mention.thing is Thing.CGROUP and mention.value in absent
        )
        waiting = (*self.names.waiting, *map(str, loaded.contradicting), *cgroups)
        more = len(waiting) - MOST_WAITING
        return (*waiting[:MOST_WAITING], f"and {more} more; `secmarkctl check` shows all") if more > 0 else waiting

    def _contradictions(self, loaded: Loaded) -> None:
        """Log what contradicts itself by the numbers of names, once."""
        for problem in loaded.contradicting:
            if problem not in self._contradicting:
                self._adapters.journal.write(
                    ConfigurationProblem(problem.file, problem.line, problem.key, problem.message)
                )
        self._contradicting = frozenset(loaded.contradicting)

    def _warnings(self, loaded: Loaded) -> None:
        """Log who else may write the configuration; of one load after another, only what is new."""
        warnings = [note for note in loaded.notes if note.severity is Severity.WARNING]
        for note in warnings:
            if note not in self._warned:
                self._adapters.journal.write(ConfigurationWritable(note.file, note.message))
        self._warned = frozenset(warnings)

    def _watch(self, loaded: Loaded) -> str:
        """Have the kernel tell of the cgroups that the labels name; why it will not, or empty."""
        if self._adapters.cgroup_events is None:
            return "inotify unavailable"
        try:
            self._adapters.cgroup_events.follow(loaded.cgroups)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _read(self, loaded: Loaded) -> Environment:
        try:
            environment = self._adapters.read_environment(loaded.cgroups)
        except (OSError, ValueError):  # what cannot be read now has not changed
            environment = loaded.environment
        return replace(environment, names=self.names.known(loaded))
