# SPDX-License-Identifier: GPL-2.0-or-later
"""The service's own life: it starts, is ready, ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Catalog, Event, Priority
from secmarkd.events.words import count, duration, with_hint


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The service runs; it has not touched the kernel yet."""

    MESSAGE_ID: ClassVar[str] = "689f6bd8b1ab4327a598b1df6efbf8a7"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    CATALOG: ClassVar[Catalog] = Catalog(
        "The packet labelling service is starting",
        "secmarkd reads the label map in @SECMARKD_FOLDERS@ and will bring the kernel's packet labels to "
        "it. Labels that an earlier run left in the kernel stay in force meanwhile.",
    )
    folders: str

    def __str__(self) -> str:
        return f"starting with the configuration in {self.folders}"


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """The first verified pass is done: the kernel was read back and is as configured."""

    MESSAGE_ID: ClassVar[str] = "5c0e4fc46e5d4bc1971f2bb02c040ba0"
    PRIORITY: ClassVar[Priority] = Priority.INFO
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels are in place and verified",
        "The kernel's table inet secmarkd was read back after the last change and equals the configuration: "
        "@SECMARKD_LABELS@ labels, @SECMARKD_ELEMENTS@ map elements, mode @SECMARKD_MODE@.",
    )
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
    """The service cannot begin its work and ends. What is in the kernel stays."""

    MESSAGE_ID: ClassVar[str] = "0e7845b68bc648bd9e836b3775f84bae"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "The packet labelling service could not start",
        "@SECMARKD_ERROR@\n\n"
        "Labels that are in the kernel, of an earlier run or of this one, stay in force, but are not "
        "monitored. Exit codes 69 (something is missing on this machine), 77 (a permission is "
        "missing) and 78 (the configuration is wrong) are not retried. Run `secmarkctl check`, fix what it "
        "names, then `systemctl start secmarkd`.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "The packet labelling service has stopped",
        "The labels were @SECMARKD_LABELS@, as on_stop in secmarkd.toml asks. Kept labels go on marking "
        "packets, and changes that others make to them are not noticed. `secmarkctl clear` takes them out.",
    )
    labels: str
    """`kept` or `removed`."""

    def __str__(self) -> str:
        if self.labels == "removed":
            return "stopped; labels removed from the kernel"
        return "stopped; labels remain in the kernel but are no longer monitored"


@dataclass(frozen=True, slots=True)
class RemovalFailed(Event):
    """The labels should go with the service, and could not be taken out."""

    MESSAGE_ID: ClassVar[str] = "86cdc23a50eb4bfda48e5c3af29ce665"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels could not be removed",
        'The service stopped with on_stop = "remove", and the kernel refused: @SECMARKD_ERROR@\n\n'
        "Run `secmarkctl clear` as root.",
    )
    error: str
    hint: str

    def __str__(self) -> str:
        return f"stopped, but the labels could not be removed: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class LockTakenAgain(Event):
    """Somebody had removed the file by which only one secmarkd writes the labels; it is there again, and the status too."""

    MESSAGE_ID: ClassVar[str] = "0b8451344d464f35bf155989919c9d59"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "The lock of the packet labelling service was removed and is there again",
        "Somebody removed @SECMARKD_FILE@, or the directory around it, while the service was running. By this file "
        "only one secmarkd at a time writes the labels. The service created and locked it again and wrote its status "
        "again. Nothing was missed. Leave the directory to the service.",
    )
    file: str

    def __str__(self) -> str:
        return f"{self.file} was removed by somebody; recreated and locked, and the status written again"


@dataclass(frozen=True, slots=True)
class LockLost(Event):
    """Somebody has removed that file, and it could not be locked again: another secmarkd may write the labels, too."""

    MESSAGE_ID: ClassVar[str] = "3df46aa75795446b95e89f1333cca1c6"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "The lock of the packet labelling service was removed and cannot be taken again",
        "Somebody removed @SECMARKD_FILE@, or the directory around it, while the service was running, and: "
        "@SECMARKD_ERROR@\n\n"
        "Until the service has the lock again, another secmarkd or secmarkctl may write the labels as well. The service "
        "tries again each second. Where another service is running, stop one of the two.",
    )
    file: str
    error: str
    hint: str

    def __str__(self) -> str:
        return f"{self.file} was removed by somebody and cannot be locked again: {with_hint(self.error, self.hint)}"
