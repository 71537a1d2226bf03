# SPDX-License-Identifier: GPL-2.0-or-later
"""Fakes of what the service talks to, apart from nftables and SELinux (nft.py, selinux.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from secmarkd.compiler.loaded import NOTHING_KNOWN, Loaded
from secmarkd.errors import one_line
from secmarkd.events import Event
from secmarkd.model.label_map import Environment
from secmarkd.model.names import Name


@dataclass
class FakeClock:
    """Time that passes only when told. Starts at 1000, so that nothing depends on zero."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeJournal:
    events: list[Event] = field(default_factory=list)

    def write(self, event: Event) -> None:
        self.events.append(event)

    def due(self) -> float:
        return float("inf")

    def flush(self) -> None:
        pass

    def take(self) -> list[Event]:
        """What was written since the last time."""
        taken, self.events = self.events, []
        return taken

    def take_lines(self) -> list[str]:
        return [f"{event.PRIORITY.name} {event}" for event in self.take()]


@dataclass
class FakeNotifier:
    datagrams: list[dict[str, str]] = field(default_factory=list)

    def notify(self, **assignments: str) -> None:
        if assignments:
            self.datagrams.append({name: one_line(value) for name, value in assignments.items()})

    def take(self) -> list[dict[str, str]]:
        taken, self.datagrams = self.datagrams, []
        return taken

    @property
    def status(self) -> str:
        """The last STATUS=."""
        return next(each["STATUS"] for each in reversed(self.datagrams) if "STATUS" in each)


@dataclass
class FakeLoader:
    """Gives what `next` makes: a configuration, or the exception that it raises."""

    next: Callable[[], Loaded]
    recompiled: Callable[[Loaded, Environment], Loaded] = lambda loaded, environment: replace(
        loaded, environment=environment
    )
    loads: int = 0

    slow: bool = False
    """Whether there is no answer yet."""
    abandoned: int = 0
    asked_for: list[Environment] = field(default_factory=list)
    """Environments of the recompilations that were begun."""
    _begun: Callable[[], Loaded] | None = None

    def fileno(self) -> int:
        return -1

    def begin_load(self, known: Mapping[Name, int] = NOTHING_KNOWN, *, starting: bool = False) -> None:
        self.loads += 1
        self._begun = self.next

    def begin_recompile(self, loaded: Loaded, environment: Environment) -> None:
        self.asked_for.append(environment)
        self._begun = lambda: self.recompiled(loaded, environment)

    def take(self) -> Loaded | None:
        if self.slow or self._begun is None:
            return None
        begun, self._begun = self._begun, None
        return begun()

    def abandon(self) -> None:
        self.abandoned += 1
        self._begun = None

    def close(self) -> None:
        self.abandon()
