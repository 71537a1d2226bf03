# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service is doing: one line for the service manager, values for secmarkctl."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from secmarkd.events import count, duration
from secmarkd.table.other_labels import OtherLabel


class State(StrEnum):
    """Where the service stands."""

    STARTING = "starting"
    IN_SYNC = "in sync"
    DRIFT = "drift"
    """Something differs and is left, as `on_drift = "report"` asks."""
    DEGRADED = "degraded"
    """The last pass failed and will be tried again, or some did just now; or someone keeps changing the labels and repairs
    wait, or is in the way of reading them; or the loaded policy does not know all contexts."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Reload:
    """The last reload. `began` tells a waiting `secmarkctl reload` whether its signal came before it."""

    began: float
    accepted: bool
    exit_status: int = 0
    error: str = ""
    hint: str = ""
    problems: tuple[str, ...] = ()
    """Each as `file:line: key: what is wrong`; the first few (refusal.MOST_PROBLEMS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything worth telling. Moments are CLOCK_MONOTONIC seconds, which all processes since boot share."""

    pid: int
    netns: int = 0
    """The number of its network namespace; 0 where that is not known."""
    state: State = State.STARTING
    mode: str = ""
    labels: int = 0
    elements: int = 0
    differences: int = 0
    last_pass: float | None = None
    last_drift: float | None = None
    error: str = ""
    hint: str = ""
    attempt: int = 0
    """Failed passes in a row."""
    retry_seconds: float = 0.0
    """From the last failed pass to the next."""
    opponent: str = ""
    """Who keeps changing the labels, in a fight; empty where none is on."""
    repairs: int = 0
    """Repairs in a row, in that fight."""
    busy: str = ""
    """Who commits so often that the labels cannot be read, or writes our table again and again; empty where nobody does."""
    busy_rate: int = 0
    """Their commits in a second, to one digit."""
    unsettled: str = ""
    """Why passes failed lately, while they succeed and that has not lasted yet."""
    unknown: tuple[str, ...] = ()
    """Contexts in the kernel that the loaded policy does not know, each with the place where it is written."""
    waiting: tuple[str, ...] = ()
    """What of the label map selects nothing now, for a user, group, service or cgroup that is absent: place, thing, fix."""
    lost_events: int = 0
    """How often the kernel had to drop what it tells of changes; each time the table was read instead."""
    other_labels: tuple[OtherLabel, ...] = ()
    """What else sets labels on this machine, of which `in sync` says nothing."""
    other_labels_whole: bool = True
    """False where others have so many rules that not all were looked at."""
    reload: Reload | None = None

    def line(self, now: float) -> str:
        """STATUS=: one line, true at `now`."""
        parts = [self._state_line()]
        if self.state in (State.IN_SYNC, State.DRIFT, State.DEGRADED):
            parts.append(f"last drift {'never' if self.last_drift is None else _ago(now - self.last_drift)}")
            if self.waiting:
                kinds = "user, group, service or cgroup", "users, groups, services or cgroups"
                parts.append(f"waiting for {count(len(self.waiting), *kinds)}")
            if self.lost_events:
                parts.append(f"the kernel dropped notifications {count(self.lost_events, 'time')}")
        if self.reload and not self.reload.accepted:
            parts.append(f"last reload rejected: {self.reload_summary()}")
        return "; ".join(parts)

    def reload_summary(self) -> str:
        """Why the last reload was rejected, short."""
        if self.reload is None:
            return ""
        first, *more = self.reload.problems or (self.reload.error,)
        return f"{first} and {len(more)} more" if more else first

    def _state_line(self) -> str:
        size = f"{count(self.labels, 'label')}, {count(self.elements, 'element')}"
        rehearsing = "rehearsing, " if self.mode == "rehearse" else ""
        match self.state:
            case State.STARTING if self.attempt:
                return f"starting: {self.error}; try {self.attempt + 1} in {duration(self.retry_seconds)}"
            case State.STARTING:
                return "starting: loading the configuration" if not self.labels else f"starting: applying {size}"
            case State.IN_SYNC:
                return f"{rehearsing}in sync: {size}"
            case State.DRIFT:
                differing = count(self.differences, "difference")
                return f'{rehearsing}drift: {differing} reported and left (on_drift = "report"); {size}'
            case State.DEGRADED if self.busy:
                return f"{rehearsing}degraded: {self._busy_line()}; {size}"
            case State.DEGRADED if self.opponent and not self.attempt:
                wait = f"backing off, up to {duration(self.retry_seconds)}"
                often = f"repaired {count(self.repairs, 'time')} in a row"
                return f"{rehearsing}degraded: {self.opponent} keeps modifying the table, {often}; {wait}; {size}"
            case State.DEGRADED if self.unsettled and not self.attempt:
                why = f"in sync when last read, but passes fail again and again: {self.unsettled}"
                return f"{rehearsing}degraded: {why}; {size}"
            case State.DEGRADED if self.unknown and not self.attempt:
                first, *more = self.unknown
                which = f"{first} and {len(more)} more" if more else first
                return f"degraded: in sync, but the loaded policy does not know the context {which}; {size}"
            case State.DEGRADED:
                again = f"try {self.attempt + 1} in {duration(self.retry_seconds)}"
                return f"{rehearsing}degraded: {self.error}; labels unchanged, {again}"
            case State.STOPPED:
                return self.error or "stopped"

    def _busy_line(self) -> str:
        often = f"some {count(self.busy_rate, 'commit')} a second by {self.busy}"
        if self.attempt:
            again = f"try {self.attempt + 1} in {duration(self.retry_seconds)}"
            return f"{self.error}: {often}; labels unchanged, {again}"
        return f"the table cannot be read reliably: {often}; in sync when last read"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def _ago(seconds: float) -> str:
    """In whole minutes or more, so that the line changes rarely."""
    return f"{duration(seconds // 60 * 60) if seconds >= 120 else 'less than two minutes'} ago"
