# SPDX-License-Identifier: GPL-2.0-or-later
"""What was read, or refused, and what of the machine it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Catalog, Event, Priority
from secmarkd.events.words import count, duration, with_hint


@dataclass(frozen=True, slots=True)
class Reloaded(Event):
    """A new configuration is in the kernel, read back and verified."""

    MESSAGE_ID: ClassVar[str] = "cca9fe8e70f242db9e5c4781c2b33c79"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    CATALOG: ClassVar[Catalog] = Catalog(
        "The label map was reloaded",
        "The new configuration is in the kernel, was read back and is equal. It counts for open connections "
        "too, from their next packet.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "A new label map was rejected",
        "@SECMARKD_ERROR@\n\n"
        "No part of the new configuration was used. The labels stay as they were and are still watched "
        "over. What is wrong is in the messages just before this one; `secmarkctl check` repeats it. Mend "
        "it, then `systemctl reload secmarkd`.",
    )
    error: str
    hint: str

    def __str__(self) -> str:
        return f"reload rejected, the labels stay as they were: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class ConfigurationProblem(Event):
    """One mistake in one file."""

    MESSAGE_ID: ClassVar[str] = "350a57d216b44d0f8c2f6616cfb1bd4e"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "A mistake in the label map",
        "In @SECMARKD_FILE@, line @SECMARKD_LINE@: @SECMARKD_PROBLEM@\n\n"
        "A file with a mistake makes the whole configuration be rejected, never a part of it.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Others may write the configuration of the packet labels",
        "@SECMARKD_FILE@: @SECMARKD_PROBLEM@\n\n"
        "The configuration is in force all the same. Whoever may write the file, or a directory on the way to it, can "
        "give any packet any label at the next reload. secmarkd.toml, labels.d, its files, the targets of links and all "
        "directories that they are in should belong to root and be writable by no other user.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "The SELinux policy refuses a label",
        "The context is @SECMARKD_OBJECT@. Either the loaded policy does not know it (`seinfo -t TYPE`; a "
        "policy module may not be installed), or it does not let this service use it: packet { relabelto }, "
        "see `ausearch -m AVC -c secmarkd`. The labels that were in the kernel stay.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "The policy does not let packets with this label be forwarded",
        "@SECMARKD_ERROR@\n\n"
        "As soon as SELinux is enforcing and this machine forwards packets (net.ipv4.ip_forward, which docker, podman "
        "and libvirt switch on), those with the label @SECMARKD_OBJECT@ are refused, in silence for whoever sent them. "
        "Such a default.forward is rejected when it is loaded in that state; now it was not. Change @SECMARKD_ORIGIN@, or "
        "load a policy module with this rule: @SECMARKD_HINT@",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "The machine changed under the labels",
        "@SECMARKD_OBJECT@ was @SECMARKD_EXPECTED@ and is @SECMARKD_FOUND@. The ruleset depends on it and "
        "was compiled again from the configuration loaded last; the files were not read again.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "The labels could not follow a change of the machine",
        "@SECMARKD_ERROR@\n\n"
        "The cgroups of this machine are not what the labels were compiled for. The labels "
        "stay as they were; the service tries again at the next verification.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Cgroups cannot be watched",
        "@SECMARKD_ERROR@\n\n"
        "Labels of the label map name cgroups. When one appears or is recreated, as by a unit that restarts, the labels "
        "follow it only at the next verification, in up to @SECMARKD_SECONDS@ seconds, and its packets get what the label "
        "map says without the cgroup until then. Raise fs.inotify.max_user_instances or fs.inotify.max_user_watches, and "
        "`systemctl restart secmarkd`.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "A label waits for a cgroup",
        "The label map selects packets of the cgroup @SECMARKD_OBJECT@ below /sys/fs/cgroup, which does not "
        "exist now. The label comes into force after the cgroup appears, at the next verification or "
        "`systemctl reload secmarkd`.",
    )
    object: str

    def __str__(self) -> str:
        return f"cgroup {self.object} does not exist; its labels wait for it"


@dataclass(frozen=True, slots=True)
class NameWaits(Event):
    """The label map names a user, group or service that cannot be looked up: till then rules that need it match nothing."""

    MESSAGE_ID: ClassVar[str] = "cc517bf1882e49889a09e2b09d13a2f8"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "A label waits for a user, group or service that cannot be looked up",
        "@SECMARKD_ORIGIN@ names the @SECMARKD_OBJECT@: @SECMARKD_REASON@.\n\n"
        "The rules that need its number select nothing until then; all other labels are in force. The name is looked "
        "up again when /etc/passwd, /etc/group, /etc/services or /etc/nsswitch.conf changes, after 1, 2, 4, … "
        "seconds up to the setting resync, and by `systemctl reload secmarkd`. "
        "At boot a directory (LDAP, SSSD, winbind) answers later than "
        "the first label is needed: write the uid where users come from one. `secmarkctl status` lists what waits.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "A user, group or service that a label waited for can be looked up now",
        "The @SECMARKD_OBJECT@ is @SECMARKD_FOUND@. The labels at @SECMARKD_ORIGIN@ take effect.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "Users, groups and services could not be looked up",
        "@SECMARKD_ERROR@\n\n"
        "The label map names users, groups or services, and the process that looks them up failed or was given up because "
        "the directory that knows them did not answer. Names that have a number keep it; those that wait go on waiting. "
        "The "
        "next try is in @SECMARKD_SECONDS@ seconds. Compare `getent passwd NAME`.",
    )
    error: str
    seconds: float
    """Until the next try."""

    def __str__(self) -> str:
        return (
            f"users, groups and services could not be looked up ({self.error}); next try in {duration(self.seconds)}"
        )
