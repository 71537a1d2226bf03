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
