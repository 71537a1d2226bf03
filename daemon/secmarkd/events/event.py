# SPDX-License-Identifier: GPL-2.0-or-later
"""What all kinds of events are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, NamedTuple


class Priority(IntEnum):
    """Syslog's priorities, the lower the graver."""

    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


class Catalog(NamedTuple):
    """What `journalctl -x` shows below an event. systemd puts the fields of the event for `@FIELD@`."""

    subject: str
    text: str
    """Paragraphs, with empty lines between."""


KINDS: dict[str, type[Event]] = {}
"""Every kind of event by its name, in the order in which they are defined."""


@dataclass(frozen=True, slots=True)
class Event:
    """What all kinds share. A new one needs nothing but its class."""

    MESSAGE_ID: ClassVar[str]
    PRIORITY: ClassVar[Priority]
    CATALOG: ClassVar[Catalog]

    def __init_subclass__(cls) -> None:
        KINDS[cls.__name__] = cls  # once more for the class that dataclass makes with slots, which takes its place

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
    generation: str = ""
    """The number of their last transaction, as `nft monitor` shows it."""


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)
