# SPDX-License-Identifier: GPL-2.0-or-later
"""What was read, or refused, and what of the machine it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Event, Priority
from secmarkd.events.words import count, duration, with_hint


@dataclass(frozen=True, slots=True)
class Reloaded(Event):
    """A new configuration is in the kernel, read back and verified."""

    MESSAGE_ID: ClassVar[str] = "cca9fe8e70f242db9e5c4781c2b33c79"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    mode: str
    labels: int
    elements: int
    seconds: float

    def __str__(self) -> str:
        size = f"{count(self.labels, 'label')}, {count(self.elements, 'element')}"
        return f"configuration reloaded, in sync: mode {self.mode}, {size} ({duration(self.seconds)})"


@dataclass(frozen=True, slots=True)
class ReloadRejected(Event):
    """A new configuration was refused as a whole; the old one stays in force, in the kernel and here."""

    MESSAGE_ID: ClassVar[str] = "9212a26103484a838d60305adceb09df"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    error: str
    hint: str

    def __str__(self) -> str:
        return f"reload rejected, the labels stay as they were: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class ConfigurationProblem(Event):
    """One mistake in one file."""

    MESSAGE_ID: ClassVar[str] = "350a57d216b44d0f8c2f6616cfb1bd4e"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    file: str
    line: int
    object: str
    """The key."""
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.object, self.problem) if part)


@dataclass(frozen=True, slots=True)
class ConfigurationWritable(Event):
    """Others than root may write a file or directory that the configuration is read from."""

    MESSAGE_ID: ClassVar[str] = "0745dbad8f954019acac13ab90f6286f"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    file: str
    problem: str
    """Who may, and the fix."""

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


@dataclass(frozen=True, slots=True)
class LabelRejected(Event):
    """The loaded policy refuses a context."""

    MESSAGE_ID: ClassVar[str] = "f9e02572e3c84d88858447be01b48d9d"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    object: str
    """The context."""
    origin: str
    """Where it is written, or empty."""
    error: str
    hint: str

    def __str__(self) -> str:
        return with_hint(f"{self.origin}: {self.error}" if self.origin else self.error, self.hint)


@dataclass(frozen=True, slots=True)
class ForwardingDenied(Event):
    """The loaded policy does not let packets with a label of the configuration be forwarded."""

    MESSAGE_ID: ClassVar[str] = "8cf92565c5ce4bce82f02441fa66820f"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    object: str
    """The context."""
    origin: str
    """Where it is written."""
    error: str
    hint: str
    """The rule that would allow it."""
    more: int = 0
    """Other such labels, of which nothing is said."""

    def __str__(self) -> str:
        others = f" ({count(self.more, 'more label')} likewise)" if self.more else ""
        return f"{self.origin}: {self.error}{others}"


@dataclass(frozen=True, slots=True)
class EnvironmentChanged(Event):
    """Something of the machine that labels depend on is not what it was: a cgroup came or went."""

    MESSAGE_ID: ClassVar[str] = "eb2eff47b35946d1a61fb9cd1db7a32d"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    object: str
    expected: str
    """What it was."""
    found: str

    def __str__(self) -> str:
        return f"{self.object}: was {self.expected}, now {self.found}; updating the labels"


@dataclass(frozen=True, slots=True)
class EnvironmentNotFollowed(Event):
    """The machine changed and the labels could not be compiled for it; those for what it was stay."""

    MESSAGE_ID: ClassVar[str] = "961a908d093b42b990c0f8d9214677f7"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    error: str
    hint: str

    def __str__(self) -> str:
        what = "cannot adapt the labels to a change of this machine; keeping the current ones"
        return f"{what}: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class CgroupsNotWatched(Event):
    """The kernel does not tell when cgroups come and go, so the labels that name one follow it late."""

    MESSAGE_ID: ClassVar[str] = "6f8d80746b0140e19c99c05b94f7b39c"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    error: str
    seconds: float
    """How late, at most."""

    def __str__(self) -> str:
        return (
            f"cannot watch cgroups ({self.error}): new cgroups may take up to {duration(self.seconds)} to be labelled"
        )


@dataclass(frozen=True, slots=True)
class CgroupAbsent(Event):
    """The label map names a cgroup that does not exist; nft cannot name it either."""

    MESSAGE_ID: ClassVar[str] = "46a2515b6e39460fa655a91f64d06c63"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    object: str

    def __str__(self) -> str:
        return f"cgroup {self.object} does not exist; its labels wait for it"


@dataclass(frozen=True, slots=True)
class NameWaits(Event):
    """The label map names a user, group or service that cannot be looked up: till then rules that need it match nothing."""

    MESSAGE_ID: ClassVar[str] = "cc517bf1882e49889a09e2b09d13a2f8"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    object: str
    """The name, such as `user "alice"`."""
    origin: str
    """Where the label map names it: the first few places."""
    reason: str
    """Why it has no number now, and the fix."""

    def __str__(self) -> str:
        return f"{self.origin}: waits for the {self.object}: {self.reason}"


@dataclass(frozen=True, slots=True)
class NameFound(Event):
    """A name that rules waited for has a number now."""

    MESSAGE_ID: ClassVar[str] = "b74f7de8e2b64d639f96eb2cb0914714"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    object: str
    origin: str
    found: int
    """The uid or the port."""

    def __str__(self) -> str:
        return f"{self.origin}: the {self.object} is {self.found} now: its labels take effect"


@dataclass(frozen=True, slots=True)
class NamesNotLookedUp(Event):
    """A lookup of names failed as a whole: those that had a number keep it, those that wait go on waiting."""

    MESSAGE_ID: ClassVar[str] = "50a5bf75e2c5439f85b7bd53fedaa5e2"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    error: str
    seconds: float
    """Until the next try."""

    def __str__(self) -> str:
        return (
            f"users, groups and services could not be looked up ({self.error}); next try in {duration(self.seconds)}"
        )
