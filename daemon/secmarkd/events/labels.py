# SPDX-License-Identifier: GPL-2.0-or-later
"""Labels that were brought into the kernel because they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Catalog, Event, Priority
from secmarkd.events.words import count


@dataclass(frozen=True, slots=True)
class LabelsCreated(Event):
    """There was no table of ours; now there is."""

    MESSAGE_ID: ClassVar[str] = "9392df08b3ed4c1780da90652f797e74"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels were created",
        'There was no table inet secmarkd in this network namespace; now there is. In mode "label" the '
        "kernel checks from now on the label of every packet of this machine against the SELinux policy.",
    )
    labels: int
    elements: int

    def __str__(self) -> str:
        return (
            f"labels created: {count(self.labels, 'label')}, {count(self.elements, 'element')} in table inet secmarkd"
        )


@dataclass(frozen=True, slots=True)
class LabelsReplaced(Event):
    """The kernel's labels were changed as desired: `count` things, of which `sample` has the first."""

    MESSAGE_ID: ClassVar[str] = "09ea1fd0ca324b2d8087965a8f967df4"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    CATALOG: ClassVar[Catalog] = Catalog(
        "Packet labels were brought to another state",
        "The old labels gave way to the new ones, in up to five transactions where one would let a packet "
        "pass without either. The reason was @SECMARKD_REASON@; @SECMARKD_COUNT@ things differed. `secmarkctl show` "
        "lists what is in force.",
    )
    reason: str
    """`start`, `reload` or `environment`."""
    count: int
    sample: str

    def __str__(self) -> str:
        why = {
            "start": "those in the kernel were of another configuration",
            "reload": "configuration changed",
            "environment": "this machine changed",
        }
        return f"labels updated ({why.get(self.reason, self.reason)}): {self.sample}"


@dataclass(frozen=True, slots=True)
class OtherTablesLabel(Event):
    """Other programs' tables set labels of packets too, of which nothing was known before."""

    MESSAGE_ID: ClassVar[str] = "709665d937b0410480caff7375c91489"
    PRIORITY: ClassVar[Priority] = Priority.WARNING
    CATALOG: ClassVar[Catalog] = Catalog(
        "Other programs set packet labels too",
        "@SECMARKD_SAMPLE@\n\n"
        "secmarkd watches over its own table only: `in sync` says that table inet secmarkd is as configured, and not that "
        "packets have its labels when they are checked. What stands after it replaces its labels, what stands before "
        "it in output is kept. Where that is not intended, take these rules out; `nft list ruleset` shows them. A table "
        "that only declares labels turns SELinux's packet checks on for the whole machine all the same.",
    )
    count: int
    sample: str
    """Where, and what they do."""
    more: int = 0
    """How many are not in the sample."""

    def __str__(self) -> str:
        rest = f", and {self.more} more" if self.more else ""
        return f"other tables set labels as well, which `in sync` does not cover: {self.sample}{rest}"


@dataclass(frozen=True, slots=True)
class OtherTablesLabelNoMore(Event):
    """Other programs' tables, or some of them, no longer set labels of packets."""

    MESSAGE_ID: ClassVar[str] = "c63c275fab844db28e3a4b630089ce7d"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
    CATALOG: ClassVar[Catalog] = Catalog(
        "Other programs no longer set packet labels",
        "@SECMARKD_SAMPLE@\n\nThis was said of them before, and they are not there any more.",
    )
    count: int
    sample: str
    left: int
    """How many still do."""

    def __str__(self) -> str:
        left = f"; {count(self.left, 'other')} still {'does' if self.left == 1 else 'do'}" if self.left else ""
        return f"other tables no longer set labels: {self.sample}{left}"
