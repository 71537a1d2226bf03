"""Everything that the service says to the journal: one frozen dataclass for each kind of event.

Each kind has a MESSAGE_ID of its own (made once with uuid4, never changed: people's filters name it), a priority, and a
sentence, which is its `str`. Its dataclass fields are its journal fields: `found` is SECMARKD_FOUND; empty values are left
out. The texts of `journalctl -x` are in service/catalog.py.

Nothing above INFO is said while nothing happens.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Priority(IntEnum):
    """Syslog's priorities, the lower the graver."""

    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


@dataclass(frozen=True, slots=True)
class Event:
    """What all kinds share."""

    MESSAGE_ID: ClassVar[str]
    PRIORITY: ClassVar[Priority]

    def __str__(self) -> str:
        """What a person reads: one line without a full stop."""
        raise NotImplementedError

    def fields(self) -> dict[str, str]:
        """The journal fields, upper-case, apart from MESSAGE, MESSAGE_ID and PRIORITY."""
        values = {
            f"SECMARKD_{each.name.upper()}": _text(getattr(self, each.name)) for each in dataclasses.fields(self)
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """What events about others' doings share: who it was, as far as is known; several values with commas between."""

    by: str = ""
    """For the sentence; all are empty where the change was not seen as it happened."""
    by_pid: str = ""
    by_comm: str = ""
    by_exe: str = ""
    by_command: str = ""
    by_unit: str = ""
    by_uid: str = ""
    by_loginuid: str = ""


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)


# --- the service's life ---


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The service runs; it has not touched the kernel yet."""

    MESSAGE_ID: ClassVar[str] = "689f6bd8b1ab4327a598b1df6efbf8a7"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    folders: str

    def __str__(self) -> str:
        return f"starting with the configuration in {self.folders}"


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """The first verified pass is done: the kernel was read back and is as configured."""

    MESSAGE_ID: ClassVar[str] = "5c0e4fc46e5d4bc1971f2bb02c040ba0"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    mode: str
    labels: int
    elements: int
    seconds: float

    def __str__(self) -> str:
        doing = "" if self.mode == "label" else ", rehearsing (packets are counted, none is labelled)"
        size = f"{count(self.labels, 'label')}, {count(self.elements, 'element')}"
        return f"in sync: {size}{doing}; ready after {duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class StartFailed(Event):
    """The service cannot begin its work and ends. What is in the kernel is as before."""

    MESSAGE_ID: ClassVar[str] = "0e7845b68bc648bd9e836b3775f84bae"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    error: str
    hint: str
    exit_status: int

    def __str__(self) -> str:
        return f"cannot start: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The service ends as asked."""

    MESSAGE_ID: ClassVar[str] = "bd4d88aaa2464b318519e8e8be82fd3c"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    labels: str
    """`kept` or `removed`."""

    def __str__(self) -> str:
        if self.labels == "removed":
            return "stopped: labels removed from the kernel"
        return "stopped: labels kept in the kernel; nobody watches over them now"


@dataclass(frozen=True, slots=True)
class RemovalFailed(Event):
    """The labels should go with the service, and could not be taken out."""

    MESSAGE_ID: ClassVar[str] = "86cdc23a50eb4bfda48e5c3af29ce665"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    error: str
    hint: str

    def __str__(self) -> str:
        return f"stopped, but the labels could not be removed: {with_hint(self.error, self.hint)}"


# --- labels ---


@dataclass(frozen=True, slots=True)
class LabelsCreated(Event):
    """There was no table of ours; now there is."""

    MESSAGE_ID: ClassVar[str] = "9392df08b3ed4c1780da90652f797e74"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    labels: int
    elements: int

    def __str__(self) -> str:
        return (
            f"labels created: {count(self.labels, 'label')}, {count(self.elements, 'element')} in table inet secmarkd"
        )


@dataclass(frozen=True, slots=True)
class LabelsReplaced(Event):
    """The kernel's labels were brought from one wanted state to another, without a moment in between."""

    MESSAGE_ID: ClassVar[str] = "09ea1fd0ca324b2d8087965a8f967df4"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    reason: str
    """`start`, `reload` or `environment`."""
    count: int
    sample: str

    def __str__(self) -> str:
        why = {
            "start": "those in the kernel were not as configured",
            "reload": "the configuration changed",
            "environment": "this machine changed",
        }
        return (
            f"labels replaced, {why.get(self.reason, self.reason)}: {count(self.count, 'difference')}: {self.sample}"
        )


# --- configuration ---


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
class ContextsUnknown(Event):
    """A policy was loaded that does not know contexts which labels in the kernel have."""

    MESSAGE_ID: ClassVar[str] = "98645e67a88944bab556d063999d1b95"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    count: int
    sample: str
    """Contexts, and where each is written."""

    def __str__(self) -> str:
        missing = f"the loaded policy does not know {count(self.count, 'context')} of the labels: {self.sample}"
        return f"{missing}; until it does, packets with them count as unlabeled, and other labels are not affected"


@dataclass(frozen=True, slots=True)
class ContextsKnown(Event):
    """A policy was loaded that knows contexts again: what they label counts as labelled from now on."""

    MESSAGE_ID: ClassVar[str] = "d34f2c95ef4c4d86949b4c9f4cd4c894"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int
    sample: str
    seconds: float

    def __str__(self) -> str:
        known = f"the loaded policy knows {count(self.count, 'context')} of the labels again"
        return f"{known}, after {duration(self.seconds)}: {self.sample}"


@dataclass(frozen=True, slots=True)
class EnforcementChanged(Event):
    """SELinux was switched between enforcing and permissive."""

    MESSAGE_ID: ClassVar[str] = "51e558c5d6de4d3ab5815abbec4c51ef"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    found: str
    """`enforcing` or `permissive`."""

    def __str__(self) -> str:
        means = "what the policy does not allow is refused" if self.found == "enforcing" else "nothing is refused"
        return f"SELinux is {self.found} now: packets are labelled as before, and {means}"


@dataclass(frozen=True, slots=True)
class EnvironmentChanged(Event):
    """Something of the machine that labels depend on is not what it was: ephemeral ports, or a cgroup that came or went."""

    MESSAGE_ID: ClassVar[str] = "eb2eff47b35946d1a61fb9cd1db7a32d"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    object: str
    expected: str
    """What it was."""
    found: str

    def __str__(self) -> str:
        return f"{self.object}: was {self.expected}, is {self.found}; the labels are made anew for it"


@dataclass(frozen=True, slots=True)
class EnvironmentNotFollowed(Event):
    """The machine changed and the labels could not be compiled for it; those for what it was stay."""

    MESSAGE_ID: ClassVar[str] = "961a908d093b42b990c0f8d9214677f7"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    error: str
    hint: str

    def __str__(self) -> str:
        return f"this machine changed, and the labels stay as they were: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class CgroupAbsent(Event):
    """The label map names a cgroup that does not exist; nft cannot name it either."""

    MESSAGE_ID: ClassVar[str] = "46a2515b6e39460fa655a91f64d06c63"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    object: str

    def __str__(self) -> str:
        return f"cgroup {self.object} does not exist now: its labels wait for it"


# --- drift ---


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
    """`created`, `repaired`, `replaced`, `reported`, `contested` or `failed`."""

    def __str__(self) -> str:
        parts = [f"drift: {self.thing} {self.change}: {self.object}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return with_author("; ".join(parts), self.by)


@dataclass(frozen=True, slots=True)
class DriftFlood(Attributed, Event):
    """Many things at once are not as configured: told once, with a sample."""

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
    """Drift keeps coming faster than it is worth reading: this is the sum of what was not told one by one."""

    MESSAGE_ID: ClassVar[str] = "247b7889351c443aaa5073d99ff1014f"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    count: int
    passes: int
    seconds: float
    sample: str

    def __str__(self) -> str:
        said = (
            f"drift: and {self.count} more in {count(self.passes, 'pass', 'passes')} within {duration(self.seconds)}"
        )
        return with_author(f"{said}, the last: {self.sample}", self.by)


@dataclass(frozen=True, slots=True)
class DriftRepaired(Event):
    """What differed was put right, read back and found equal."""

    MESSAGE_ID: ClassVar[str] = "931f6bb253624be28988d50e914e5ed7"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int
    action: str
    seconds: float

    def __str__(self) -> str:
        how = {
            "repaired": "single changes",
            "replaced": "the table replaced in one transaction",
            "created": "the table made anew",
        }.get(self.action, self.action)
        return f"repaired: {count(self.count, 'difference')}, by {how}, read back and verified ({duration(self.seconds)})"


@dataclass(frozen=True, slots=True)
class DriftGone(Event):
    """What was reported as differing is as configured again, and it was not this service that changed it."""

    MESSAGE_ID: ClassVar[str] = "fa0792e455924eb3a481a42b31f730c6"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int

    def __str__(self) -> str:
        return (
            f"in sync again: {count(self.count, 'difference')} reported before went away without this service's doing"
        )


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
            f"fight: {self.by or 'another program'} keeps changing the labels, which were repaired "
            f"{count(self.count, 'time')} in {duration(self.seconds)}; from now on repairs wait longer and longer, "
            f"up to {duration(self.longest_seconds)}"
        )


@dataclass(frozen=True, slots=True)
class FightEnded(Attributed, Event):
    """Whoever kept changing the labels has left them alone for a while."""

    MESSAGE_ID: ClassVar[str] = "2807fa319e9e44d8afc580e8874b21d1"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    count: int
    seconds: float
    quiet_seconds: float

    def __str__(self) -> str:
        return (
            f"fight over, in sync: {self.by or 'the other program'} has left the labels alone for "
            f"{duration(self.quiet_seconds)}, after {count(self.count, 'repair')} in {duration(self.seconds)}"
        )


# --- trouble ---


@dataclass(frozen=True, slots=True)
class RepairFailed(Event):
    """Something differs and could not be put right."""

    MESSAGE_ID: ClassVar[str] = "259ef0d970a849e6afb53941c2dd3734"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    count: int
    error: str
    hint: str

    def __str__(self) -> str:
        return f"repair of {count(self.count, 'difference')} failed: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class VerificationFailed(Event):
    """The kernel's labels could not be read: whether they are as configured is not known."""

    MESSAGE_ID: ClassVar[str] = "46f54a17051f476784aca217d8fc8255"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    error: str
    hint: str

    def __str__(self) -> str:
        return f"cannot verify the labels: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class WorkerCrashed(Event):
    """A helper process of the service crashed, hung or answered nonsense. The service itself goes on."""

    MESSAGE_ID: ClassVar[str] = "24295fb614374b22a9533bcf2221fd14"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    error: str
    hint: str

    def __str__(self) -> str:
        return f"a helper process failed: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class Degraded(Event):
    """The labels cannot be kept as configured for now; what is in the kernel stays, and the service tries again."""

    MESSAGE_ID: ClassVar[str] = "0e73660f869746deb918f16300b416d8"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    retry_seconds: float
    longest_seconds: float

    def __str__(self) -> str:
        return (
            f"degraded: the labels in the kernel stay as they are; next try in {duration(self.retry_seconds)}, "
            f"then less and less often, at least every {duration(self.longest_seconds)}"
        )


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """After trouble: read, put right where needed, and verified."""

    MESSAGE_ID: ClassVar[str] = "105e98449cac44fcae2fc96fa99ee5f5"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    attempts: int
    seconds: float

    def __str__(self) -> str:
        return f"recovered after {duration(self.seconds)} and {count(self.attempts, 'attempt')}: in sync again"


@dataclass(frozen=True, slots=True)
class EventsLost(Event):
    """The journal was away for so long that there was no room for more events to wait for it. Stands where they would."""

    MESSAGE_ID: ClassVar[str] = "965f20caeae44ee7a895fad19a064db9"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    count: int

    def __str__(self) -> str:
        return f"{count(self.count, 'event')} could not be written here: the journal did not take them"


EVENTS: tuple[type[Event], ...] = (
    Started, Ready, StartFailed, Stopped, RemovalFailed,
    LabelsCreated, LabelsReplaced,
    Reloaded, ReloadRejected, ConfigurationProblem, LabelRejected,
    ContextsUnknown, ContextsKnown, EnforcementChanged,
    EnvironmentChanged, EnvironmentNotFollowed, CgroupAbsent,
    DriftDetected, DriftFlood, DriftHeldBack, DriftRepaired, DriftGone,
    FightDetected, FightEnded,
    RepairFailed, VerificationFailed, WorkerCrashed, Degraded, Recovered, EventsLost,
)  # fmt: skip
"""The catalogue."""


# --- words ---


def count(number: int, one: str, many: str = "") -> str:
    """`1 label`, `2 labels`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def with_author(said: str, by: str) -> str:
    """The sentence, and who did it."""
    return f"{said}; by {by}" if by else said


def with_hint(error: str, hint: str) -> str:
    """The error, and in brackets what would mend it."""
    return f"{error} ({hint})" if hint else error


def duration(seconds: float) -> str:
    """A length of time as people say it: `12 ms`, `1.5 s`, `5 min`, `3 h`, `2 d`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    for unit, size in (("min", 60), ("h", 3600)):
        if seconds < size * (120 if unit == "min" else 48):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
