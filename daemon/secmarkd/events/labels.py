# SPDX-License-Identifier: GPL-2.0-or-later
"""Labels that were brought into the kernel because they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from secmarkd.events.event import Event, Priority
from secmarkd.events.words import count


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
    """The kernel's labels were changed as desired: `count` things, of which `sample` has the first."""

    MESSAGE_ID: ClassVar[str] = "09ea1fd0ca324b2d8087965a8f967df4"
    PRIORITY: ClassVar[Priority] = Priority.NOTICE
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
    count: int
    sample: str
    left: int
    """How many still do."""

    def __str__(self) -> str:
        left = f"; {count(self.left, 'other')} still {'does' if self.left == 1 else 'do'}" if self.left else ""
        return f"other tables no longer set labels: {self.sample}{left}"
