# SPDX-License-Identifier: GPL-2.0-or-later
"""The loaded SELinux policy under the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Catalog, Event, Priority
from secmarkd.events.words import count, duration


@dataclass(frozen=True, slots=True)
class ContextsUnknown(Event):
    """A policy was loaded that does not know contexts which labels in the kernel have."""

    MESSAGE_ID: ClassVar[str] = "98645e67a88944bab556d063999d1b95"
    PRIORITY: ClassVar[Priority] = Priority.ERR
    CATALOG: ClassVar[Catalog] = Catalog(
        "The loaded SELinux policy does not know contexts of packet labels",
        "@SECMARKD_COUNT@ contexts are in the kernel's labels and not in the policy that was loaded since: "
        "@SECMARKD_SAMPLE@\n\n"
        "Nothing was removed. Packets with these labels count as unlabeled_t; all others are checked as before. But if "
        "table inet secmarkd is emptied or must be recreated meanwhile, the kernel refuses all of it, because of these "
        "contexts. Load a policy module that has them (`semodule -l`; `seinfo -t`), and they count again by themselves, or "
        "take the labels out and `systemctl reload secmarkd`.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "The loaded SELinux policy knows the contexts again",
        "@SECMARKD_COUNT@ contexts of packet labels are in the policy again: @SECMARKD_SAMPLE@. Nothing had to be changed.",
    )
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
    CATALOG: ClassVar[Catalog] = Catalog(
        "SELinux was switched to another mode",
        "It is @SECMARKD_FOUND@ now. Packet labels are the same in both modes; in permissive mode the kernel only logs "
        "what it would refuse.",
    )
    found: str
    """`enforcing` or `permissive`."""

    def __str__(self) -> str:
        means = "what the policy does not allow is refused" if self.found == "enforcing" else "nothing is refused"
        return f"SELinux is now {self.found}; packets are labelled as before, and {means}"
