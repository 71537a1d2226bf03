# SPDX-License-Identifier: GPL-2.0-or-later
"""What others changed, who it was, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Attributed, Event, Priority
from secmarkd.events.words import count, duration, with_author
from secmarkd.table.drift import kind_of


@dataclass(frozen=True, slots=True)
class DriftDetected(Attributed, Event):
    """One thing in the kernel is not as configured."""

    MESSAGE_ID: ClassVar[str] = "f475b72de6f4478c8782a3837c769ec2"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    thing: str
    change: str
    object: str
    expected: str
    found: str
    action: str
    """`created`, `repaired`, `rebuilt`, `replaced`, `reported`, `contested` or `failed`."""

    @property
    def kind(self) -> str:
        """`element missing`, `unexpected rule`, `foreign`."""
        return kind_of(self.thing, self.change)

    def __str__(self) -> str:
        parts = [f"drift: {self.kind}: {self.object}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return with_author("; ".join(parts), self.by)


@dataclass(frozen=True, slots=True)
class DriftFlood(Attributed, Event):
    """Many things at once are not as configured: logged once, with a sample."""

    MESSAGE_ID: ClassVar[str] = "a3f646e896ad48da9183c249dc3e3b3e"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    count: int
    kinds: str
    sample: str
    action: str

    def __str__(self) -> str:
        return with_author(
            f"drift: {count(self.count, 'thing')} differ: {self.kinds}; such as {self.sample}", self.by
        )


@dataclass(frozen=True, slots=True)
class DriftHeldBack(Attributed, Event):
    """Drift keeps coming faster than it is worth reading: this is the sum of what was not logged one by one."""

    MESSAGE_ID: ClassVar[str] = "247b7889351c443aaa5073d99ff1014f"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    count: int
    passes: int
    seconds: float
    sample: str

    def __str__(self) -> str:
        when = f"{count(self.passes, 'pass', 'passes')}, {duration(self.seconds)}"
        said = f"drift: suppressed {count(self.count, 'further difference')} ({when})"
        return with_author(f"{said}; last: {self.sample}", self.by)


@dataclass(frozen=True, slots=True)
class DriftRepaired(Event):
    """What differed was repaired, read back and found equal."""

    MESSAGE_ID: ClassVar[str] = "931f6bb253624be28988d50e914e5ed7"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int
    action: str
    seconds: float
    generation: str = ""
    """The number of the ruleset's last transaction before it was read back."""

    def __str__(self) -> str:
        how = {
            "repaired": "single changes",
            "rebuilt": "rebuilding the rules",
            "replaced": "replacing the table",
            "created": "recreating the table",
        }.get(self.action, self.action)
        return (
            f"repaired: {count(self.count, 'difference')} by {how}, read back and verified ({duration(self.seconds)})"
        )


@dataclass(frozen=True, slots=True)
class DriftGone(Event):
    """What was reported as differing is as configured again, and it was not this service that changed it."""

    MESSAGE_ID: ClassVar[str] = "fa0792e455924eb3a481a42b31f730c6"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int

    def __str__(self) -> str:
        return f"in sync again: {count(self.count, 'reported difference')} reverted by somebody else"


@dataclass(frozen=True, slots=True)
class FightDetected(Attributed, Event):
    """Someone changes the labels again as soon as they are repaired."""

    MESSAGE_ID: ClassVar[str] = "245e1f78ad5044ce8d7985a41bda324f"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    count: int
    seconds: float
    longest_seconds: float

    def __str__(self) -> str:
        return (
            f"contention: {self.by or 'another program'} keeps modifying the table ({count(self.count, 'repair')} in "
            f"{duration(self.seconds)}); backing off, up to {duration(self.longest_seconds)} between repairs"
        )


@dataclass(frozen=True, slots=True)
class FightEnded(Attributed, Event):
    """Whoever kept changing the labels has left them alone for a while."""

    MESSAGE_ID: ClassVar[str] = "2807fa319e9e44d8afc580e8874b21d1"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int
    seconds: float
    quiet_seconds: float
    left: int
    """Differences that are reported and left."""

    def __str__(self) -> str:
        how = f"{count(self.left, 'difference')} left" if self.left else "in sync"
        return (
            f"contention over, {how}: no change by {self.by or 'the other program'} for {duration(self.quiet_seconds)}, "
            f"after {count(self.count, 'repair')} in {duration(self.seconds)}"
        )
