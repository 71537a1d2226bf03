# SPDX-License-Identifier: GPL-2.0-or-later
"""The service's own life: it starts, is ready, ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Event, Priority
from secmarkd.events.words import count, duration, with_hint


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
    """The service cannot begin its work and ends. What is in the kernel stays."""

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
            return "stopped; labels removed from the kernel"
        return "stopped; labels remain in the kernel but are no longer monitored"


@dataclass(frozen=True, slots=True)
class RemovalFailed(Event):
    """The labels should go with the service, and could not be taken out."""

    MESSAGE_ID: ClassVar[str] = "86cdc23a50eb4bfda48e5c3af29ce665"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    error: str
    hint: str

    def __str__(self) -> str:
        return f"stopped, but the labels could not be removed: {with_hint(self.error, self.hint)}"


@dataclass(frozen=True, slots=True)
class LockTakenAgain(Event):
    """Somebody had removed the file by which only one secmarkd writes the labels; it is there again, and the status too."""

    MESSAGE_ID: ClassVar[str] = "0b8451344d464f35bf155989919c9d59"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    file: str

    def __str__(self) -> str:
        return f"{self.file} was removed by somebody; recreated and locked, and the status written again"


@dataclass(frozen=True, slots=True)
class LockLost(Event):
    """Somebody has removed that file, and it could not be locked again: another secmarkd may write the labels, too."""

    MESSAGE_ID: ClassVar[str] = "3df46aa75795446b95e89f1333cca1c6"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    file: str
    error: str
    hint: str

    def __str__(self) -> str:
        return f"{self.file} was removed by somebody and cannot be locked again: {with_hint(self.error, self.hint)}"
