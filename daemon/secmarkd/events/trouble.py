# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service could not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Attributed, Catalog, Event, Priority
from secmarkd.events.words import count, duration, with_hint, with_meanwhile


@dataclass(frozen=True, slots=True)
class RepairFailed(Attributed, Event):
    """Something differs and could not be repaired. Whoever committed so often meanwhile that it may be why is named."""

    MESSAGE_ID: ClassVar[str] = "259ef0d970a849e6afb53941c2dd3734"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels could not be repaired",
        "Something differs (@SECMARKD_COUNT@ in all), and: @SECMARKD_ERROR@\n\n"
        "The kernel took no part of the repair. The service tries again by itself.",
    )
    count: int
    error: str
    hint: str

    def __str__(self) -> str:
        why = with_hint(with_meanwhile(self.error, self.by), self.hint)
        return f"repair of {count(self.count, 'difference')} failed: {why}"


@dataclass(frozen=True, slots=True)
class VerificationFailed(Attributed, Event):
    """The kernel's labels could not be read: whether they are as configured is not known."""

    MESSAGE_ID: ClassVar[str] = "46f54a17051f476784aca217d8fc8255"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels could not be verified",
        "@SECMARKD_ERROR@\n\n"
        "Whether the labels are as configured is not known, so nothing is changed. The service tries again "
        "by itself.",
    )
    error: str
    hint: str

    def __str__(self) -> str:
        return f"cannot verify the labels: {with_hint(with_meanwhile(self.error, self.by), self.hint)}"


@dataclass(frozen=True, slots=True)
class WorkerCrashed(Attributed, Event):
    """A helper process of the service crashed, hung or answered nonsense. The service itself goes on."""

    MESSAGE_ID: ClassVar[str] = "24295fb614374b22a9533bcf2221fd14"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "A helper process failed",
        "@SECMARKD_ERROR@\n\n"
        "The helper that holds libnftables, or that loads the configuration, ended without an answer. The "
        "service goes on with a new one; labels are not affected. Where it happens again and again, another "
        "program may have written rules that this version of nftables cannot read: compare `nft --version` "
        "inside and outside of containers.",
    )
    error: str
    hint: str

    def __str__(self) -> str:
        return f"a helper process failed: {with_hint(with_meanwhile(self.error, self.by), self.hint)}"


@dataclass(frozen=True, slots=True)
class Degraded(Event):
    """The labels cannot be kept as configured for now; what is in the kernel stays, and the service tries again."""

    MESSAGE_ID: ClassVar[str] = "0e73660f869746deb918f16300b416d8"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels are not being kept for now",
        "A pass failed, see the messages before this one. The labels that are in the kernel stay, and the "
        "service tries again until it succeeds. `systemctl status secmarkd` says what it is waiting for.",
    )
    retry_seconds: float
    longest_seconds: float

    def __str__(self) -> str:
        return (
            f"degraded: keeping the current labels; next try in {duration(self.retry_seconds)}, backing off, up to "
            f"{duration(self.longest_seconds)} between tries"
        )


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """After trouble: read, and repaired where that is asked for."""

    MESSAGE_ID: ClassVar[str] = "105e98449cac44fcae2fc96fa99ee5f5"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels are being kept again",
        "After @SECMARKD_ATTEMPTS@ attempts the table was read. It is as configured but for @SECMARKD_LEFT@ differences, "
        'which are left where on_drift = "report" asks for that.',
    )
    attempts: int
    seconds: float
    left: int
    """Differences that are reported and left."""

    def __str__(self) -> str:
        how = f"{count(self.left, 'difference')} reported and left" if self.left else "in sync again"
        return f"recovered after {duration(self.seconds)} and {count(self.attempts, 'attempt')}: {how}"


@dataclass(frozen=True, slots=True)
class EventsLost(Event):
    """The journal was away for so long that there was no room for more events to wait for it. Stands where they would."""

    MESSAGE_ID: ClassVar[str] = "965f20caeae44ee7a895fad19a064db9"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "Events of the packet labelling service are missing here",
        "The journal took nothing for so long that @SECMARKD_COUNT@ events had no room to wait for it. The labels were "
        "kept all the same; `secmarkctl status` says how they are. Events that did wait say how late they are.",
    )
    count: int

    def __str__(self) -> str:
        return f"{count(self.count, 'event')} dropped: journald did not accept them"


@dataclass(frozen=True, slots=True)
class RulesetBusy(Attributed, Event):
    """Others commit so often that the labels cannot be read, or write our table again and again without changing it."""

    MESSAGE_ID: ClassVar[str] = "2a24ba5e3244419e932f066587a1ff03"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "Another program is in the way of reading the packet labels",
        "@SECMARKD_BY@ committed to nftables some @SECMARKD_COMMITS_PER_SECOND@ times a second. @SECMARKD_ERROR@\n\n"
        "Either no two looks at the ruleset found it the same, so that it is unknown whether the labels are as "
        "configured; or table inet secmarkd itself is written again and again, with nothing changed in the end. The "
        "labels in the kernel stay. The service looks again at least every @SECMARKD_LONGEST_SECONDS@ seconds, repairs "
        "what it finds, and logs one more message when this is over. SECMARKD_BY_PID, _BY_EXE, _BY_COMMAND "
        "and _BY_UNIT hold what is known of the other program (`journalctl -o verbose`); `nft monitor` shows what it "
        "does. Stop it or slow it down.",
    )
    error: str
    """Why the labels could not be read; empty where they could."""
    commits_per_second: int
    longest_seconds: float

    def __str__(self) -> str:
        often = f"some {count(self.commits_per_second, 'commit')} a second"
        by = self.by or "unknown programs"
        wait = f"the service looks again at least every {duration(self.longest_seconds)}"
        if self.error:
            return f"degraded: {self.error}: {often}, by {by}; keeping the current labels; {wait}"
        return (
            f"degraded: table inet secmarkd is rewritten again and again without a change, {often}, by {by}; {wait}"
        )


@dataclass(frozen=True, slots=True)
class RulesetCalm(Attributed, Event):
    """After RulesetBusy: for a while no program has been in the way, and the labels were read."""

    MESSAGE_ID: ClassVar[str] = "1cd11ba9ae7044e2a231a8269c8abe9b"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels can be read again",
        "For some seconds no program has been in the way of reading the labels. They were read, and are as configured but "
        'for @SECMARKD_LEFT@ differences, which are left where on_drift = "report" asks for that. @SECMARKD_GIVEN_UP@ of '
        "@SECMARKD_PASSES@ passes in @SECMARKD_SECONDS@ seconds had been given up.",
    )
    seconds: float
    """From the first to the last pass that somebody was in the way of."""
    passes: int
    given_up: int
    """How many of the passes could not read the labels."""
    left: int
    """Differences that are reported and left."""

    def __str__(self) -> str:
        how = f"{count(self.left, 'difference')} reported and left" if self.left else "in sync"
        tried = (
            f"{count(self.passes, 'pass', 'passes')} in {duration(self.seconds)}, {self.given_up} of them given up"
        )
        return f"the ruleset is calm again, {how}: {self.by or 'another program'} was in the way of {tried}"
