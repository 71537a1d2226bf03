# SPDX-License-Identifier: GPL-2.0-or-later
"""What others changed, who it was, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Attributed, Catalog, Event, Priority
from secmarkd.events.words import count, duration, with_author
from secmarkd.table.drift import kind_of


@dataclass(frozen=True, slots=True)
class DriftDetected(Attributed, Event):
    """One thing in the kernel is not as configured."""

    MESSAGE_ID: ClassVar[str] = "f475b72de6f4478c8782a3837c769ec2"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "A packet label in the kernel is not as configured",
        "Something in table inet secmarkd was changed by another program.\n\n"
        "Thing: @SECMARKD_OBJECT@ (@SECMARKD_THING@ @SECMARKD_CHANGE@). Action: @SECMARKD_ACTION@.\n\n"
        "SECMARKD_EXPECTED and SECMARKD_FOUND hold what it should be and what it was (`journalctl -o "
        "verbose`). The table belongs to secmarkd alone; to change labels, edit labels.d and `systemctl "
        'reload secmarkd`. To leave such changes in place, set on_drift = "report".',
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Many packet labels in the kernel are not as configured",
        "@SECMARKD_COUNT@ things differed at once (@SECMARKD_KINDS@), as after `nft flush`. Action: "
        "@SECMARKD_ACTION@. To see all of them while they differ, run `secmarkctl plan`.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels in the kernel keep being changed",
        "@SECMARKD_COUNT@ more differences in @SECMARKD_PASSES@ passes were handled but not logged one by "
        "one. Another program changes table inet secmarkd again and again; `nft monitor` shows when.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels were repaired",
        "All that differed was repaired (@SECMARKD_COUNT@ in all), and the table was read back and found equal to the "
        "configuration.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels are as configured again",
        "What was reported before as differing (@SECMARKD_COUNT@ in all) is gone without this service having "
        "changed anything.",
    )
    count: int

    def __str__(self) -> str:
        return f"in sync again: {count(self.count, 'reported difference')} reverted by somebody else"


@dataclass(frozen=True, slots=True)
class FightDetected(Attributed, Event):
    """Someone changes the labels again as soon as they are repaired."""

    MESSAGE_ID: ClassVar[str] = "245e1f78ad5044ce8d7985a41bda324f"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "Another program keeps changing packet labels",
        "@SECMARKD_BY@ changed table inet secmarkd again each time after it was repaired, @SECMARKD_COUNT@ times in a "
        "row.\n\n"
        "The service goes on repairing, but waits longer and longer in between, so that the two do not keep the "
        "machine busy; in between the labels are not as configured. SECMARKD_BY_PID, _BY_EXE, _BY_COMMAND, _BY_UNIT and "
        "_BY_LOGINUID hold what is known of the other program (`journalctl -o verbose`). Stop it, or have it leave "
        "table inet secmarkd alone: `flush ruleset` in a script flushes everyone's tables; `flush table` and `delete "
        'table` name one. To give way instead, set on_drift = "report".',
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels are left alone again",
        "Nobody has changed table inet secmarkd for @SECMARKD_QUIET_SECONDS@ seconds. The table is as configured but "
        'for @SECMARKD_LEFT@ differences, which are left where on_drift = "report" asks for that. The next change will be '
        "dealt with at once again.",
    )
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
