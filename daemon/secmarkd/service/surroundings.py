"""Follows what the labels depend on besides the configuration: when to look, what changed, and the labels for it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

from secmarkd.errors import SecmarkdError, Upgraded
from secmarkd.events import CgroupAbsent, EnvironmentChanged, EnvironmentNotFollowed
from secmarkd.model.labels import Environment
from secmarkd.service.environment import differences, only_made_anew
from secmarkd.service.loading import Loaded
from secmarkd.service.refusal import brief, details
from secmarkd.service.world import World

GONE_SETTLES = 1.0
"""Seconds from a cgroup's end to the labels without it: no hurry, and a unit that restarts makes another at once."""


class Surroundings:
    """Reads the machine and is told of its cgroups."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._unfollowed: Environment | None = None
        """For which the labels could not be compiled; tried again when time, and not drift, asks for a verification."""

    def follow(self, loaded: Loaded) -> bool:
        """The labels are these from now on. Whether the machine has changed since they were compiled."""
        self._unfollowed = None
        for cgroup in sorted(loaded.cgroups - loaded.environment.cgroups.keys()):
            self._world.journal.write(CgroupAbsent(cgroup))
        if self._world.cgroup_events is not None:
            self._world.cgroup_events.follow(loaded.cgroups)
        return self._read(loaded) != loaded.environment

    def news(self) -> float | None:
        """Seconds after which to look at what was told of cgroups; None where that is nothing."""
        news = self._world.cgroup_events.take() if self._world.cgroup_events is not None else None
        if news is None or not (news.came or news.went):
            return None
        return 0.0 if news.came else GONE_SETTLES

    def changed(self, loaded: Loaded, compiling: AbstractContextManager[object], *, again: bool) -> Loaded | None:
        """The same labels for what the machine is now; None where it is what it was, or they cannot be compiled for it.

        `compiling` is entered while that lasts. `again`: try what failed before. Upgraded: as Child says.
        """
        environment = self._read(loaded)
        if environment == loaded.environment or (environment == self._unfollowed and not again):
            return None
        try:
            with compiling:
                followed = self._compiled(loaded, environment)
        except Upgraded:
            raise
        except SecmarkdError as error:
            if environment != self._unfollowed:
                for event in details(error, lambda context: loaded.origins.get(context, "")):
                    self._world.journal.write(event)
                self._world.journal.write(EnvironmentNotFollowed(*brief(error)))
            self._unfollowed = environment
            return None
        self._unfollowed = None
        for thing, was, now in differences(loaded.environment, environment):
            self._world.journal.write(EnvironmentChanged(thing, was, now))
        return followed

    def _read(self, loaded: Loaded) -> Environment:
        try:
            return self._world.read_environment(loaded.cgroups)
        except (OSError, ValueError):  # what cannot be read now has not changed
            return loaded.environment

    def _compiled(self, loaded: Loaded, environment: Environment) -> Loaded:
        if only_made_anew(loaded.environment, environment):
            return replace(loaded, environment=environment)
        return self._world.loader.recompile(loaded, environment)
