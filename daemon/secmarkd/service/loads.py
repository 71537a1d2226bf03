# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads and recompilations, one at a time, in a child process that nothing waits for (`ports.Loader`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import SecmarkdError, WorkerFailed
from secmarkd.model.label_map import Environment, Mode
from secmarkd.model.names import Name
from secmarkd.ports import LOAD_DEADLINE
from secmarkd.service.adapters import Adapters, require_selinux
from secmarkd.service.announcer import Announcer
from secmarkd.service.forwarding import MOST_DENIED, denied_by, event_of, refuse_the_end_of_forwarding
from secmarkd.service.inputs import Input, LoadEnded, LoadFailed, NotFollowed, Recompiled

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Load:
    """The configuration is being loaded."""

    began: float


@dataclass(frozen=True, slots=True)
class _Recompilation:
    """Labels are being compiled for another environment."""

    loaded: Loaded
    environment: Environment


class Loads:
    """Begins them, and takes their answers."""

    def __init__(self, adapters: Adapters, announcer: Announcer) -> None:
        self._adapters = adapters
        self._announcer = announcer
        self._job: _Load | _Recompilation | None = None
        self._late = _NEVER

    @property
    def loading(self) -> bool:
        """Whether the configuration is being loaded."""
        return isinstance(self._job, _Load)

    def is_for(self, environment: Environment) -> bool:
        """Whether labels are being compiled for this environment."""
        return isinstance(self._job, _Recompilation) and self._job.environment == environment

    def due(self) -> float:
        """When `take` gives up what is under way; infinity where nothing is."""
        return self._late

    def load(self, known: Mapping[Name, int], *, starting: bool, began: float) -> Input | None:
        """Begin a load; LoadFailed where that is not possible. The service manager waits as long as it may take."""
        self._begin(_Load(began))
        self._announcer.allow(LOAD_DEADLINE)
        try:
            self._adapters.loader.begin_load(known, starting=starting)
        except SecmarkdError as error:
            return self._failed(error)
        return None

    def recompile(self, loaded: Loaded, environment: Environment) -> NotFollowed | None:
        """Begin a recompilation; NotFollowed where that is not possible."""
        self._begin(_Recompilation(loaded, environment))
        try:
            self._adapters.loader.begin_recompile(loaded, environment)
        except SecmarkdError as error:
            self._forget()
            return NotFollowed(loaded, environment, error)
        return None

    def take(self) -> Input | None:
        """The answer to what was begun, once it is there."""
        job = self._job
        if job is None:
            return None
        try:
            loaded = self._adapters.loader.take()
            if loaded is None and self._adapters.clock.monotonic() >= self._late:
                self._adapters.loader.abandon()
                late = f"the loading process did not answer within {LOAD_DEADLINE:g} s and was killed"
                raise WorkerFailed(late, operation="load")
            if loaded is None:
                return None
            if isinstance(job, _Load):
                self._check(loaded)
        except SecmarkdError as error:
            if isinstance(job, _Load):
                return self._failed(error)
            self._forget()
            return NotFollowed(job.loaded, job.environment, error)
        self._forget()
        return LoadEnded(loaded, job.began) if isinstance(job, _Load) else Recompiled(loaded)

    def abandon(self) -> None:
        """Give up what is under way."""
        if self._job is not None:
            self._adapters.loader.abandon()
            self._forget()

    def _begin(self, job: _Load | _Recompilation) -> None:
        self._job, self._late = job, self._adapters.clock.monotonic() + LOAD_DEADLINE

    def _failed(self, error: SecmarkdError) -> Input:
        job = self._job
        began = job.began if isinstance(job, _Load) else 0.0
        self._forget()
        return LoadFailed(error, began)

    def _forget(self) -> None:
        self._job, self._late = None, _NEVER

    def _check(self, loaded: Loaded) -> None:
        """SelinuxInactive where the labels would mean nothing; ConfigError where they would end all forwarding."""
        if loaded.settings.mode is Mode.LABEL:
            require_selinux(self._adapters.selinux)
        denied = tuple(denied_by(self._adapters.policy, loaded.forwarded))
        if not denied:
            return
        enforcing, forwarding = self._adapters.selinux.state().enforcing, self._adapters.forwards()
        refuse_the_end_of_forwarding(denied, loaded.settings.mode, enforcing=enforcing, forwarding=forwarding)
        for each in denied[:MOST_DENIED]:
            self._adapters.journal.write(event_of(each, len(denied)))
