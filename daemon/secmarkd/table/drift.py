# SPDX-License-Identifier: GPL-2.0-or-later
"""A difference between the desired table and the live one, in the administrator's terms: drift, which somebody else
made, or a planned change, which a pass makes because other labels are desired now."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    UNEXPECTED = "unexpected"
    CHANGED = "changed"
    """Same name, other content: an edited rule, another context, another policy or priority."""
    RETARGETED = "retargeted"
    """A map element that leads to another object."""
    MOVED = "moved"
    """The same rules in another order."""


def kind_of(thing: str, change: str) -> str:
    """What differs and how, in words."""
    if change != Change.UNEXPECTED:
        return f"{thing} {change}"
    return f"{thing}" if thing == Thing.FOREIGN else f"unexpected {thing}"


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
    names_cgroup: bool = field(default=False, compare=False)
    """Whether a rule that differs names a cgroup, which it holds by a number."""

    def __post_init__(self) -> None:
        # Names in the kernel are bytes of anyone's choice.
        for each in ("name", "expected", "found"):
            object.__setattr__(self, each, one_line(getattr(self, each)))

    @property
    def kind(self) -> str:
        """`element missing`, `unexpected rule`, `foreign`."""
        return kind_of(self.thing, self.change)

    def __str__(self) -> str:
        parts = [f"{self.kind}: {self.name}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return "; ".join(parts)


class Planned(StrEnum):
    """What a pass does to something because the desired labels are others."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


_PLANNED = {Change.MISSING: Planned.ADDED, Change.UNEXPECTED: Planned.REMOVED}


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One thing that a pass changes as desired; never worded as drift."""

    change: Planned
    thing: Thing
    name: str
    count: int = 1

    @classmethod
    def of(cls, difference: Drift) -> PlannedChange:
        """What removes the difference between the labels desired before and those desired now."""
        change = _PLANNED.get(difference.change, Planned.CHANGED)
        return cls(change, difference.thing, difference.name, difference.count)

    def __str__(self) -> str:
        thing = "" if self.thing is Thing.ELEMENT or self.name.startswith(self.thing) else f"{self.thing} "
        return f"{self.change} {thing}{self.name}"
