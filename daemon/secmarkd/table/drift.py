# SPDX-License-Identifier: GPL-2.0-or-later
"""A difference between the table that should be and the table that is, in the administrator's terms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secmarkd.errors import one_line


class Thing(StrEnum):
    """What differs."""

    TABLE = "table"
    OBJECT = "object"
    SET = "set"
    MAP = "map"
    ELEMENT = "element"
    CHAIN = "chain"
    RULE = "rule"
    FOREIGN = "foreign"
    """Something in our table that secmarkd never writes."""


class Change(StrEnum):
    """How it differs from what it should be."""

    MISSING = "missing"
    ADDED = "added"
    CHANGED = "changed"
    """Same name, other content: an edited rule, another context, another policy or priority."""
    RETARGETED = "retargeted"
    """A map element that leads to another object."""
    MOVED = "moved"
    """The same rules in another order."""


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """One differing thing."""

    thing: Thing
    change: Change
    name: str
    """For people: `map server_port`, `server_port { tcp . 80 }`, `chain input`, `chain input rule 2`."""
    expected: str = ""
    """What should be there, in nft's words; empty for something that should not be there."""
    found: str = ""
    """What is there, in nft's words; empty for something missing."""
    count: int = 1
    """How many things this stands for: more than one only for the rest of a flood of elements, after the samples."""

    def __post_init__(self) -> None:
        # Names in the kernel are bytes of anyone's choice.
        for each in ("name", "expected", "found"):
            object.__setattr__(self, each, one_line(getattr(self, each)))

    def __str__(self) -> str:
        parts = [f"{self.thing} {self.change}: {self.name}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return "; ".join(parts)
