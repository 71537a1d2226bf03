# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that this machine turns into numbers: of users, groups and services. A name without a number is waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from secmarkd.model.protocols import protocol_name


class NameKind(StrEnum):
    """What is named; the database of nsswitch.conf(5) is in `DATABASES`."""

    USER = "user"
    GROUP = "group"
    SERVICE = "service"


DATABASES = {NameKind.USER: "passwd", NameKind.GROUP: "group", NameKind.SERVICE: "services"}


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One name as the label map has it."""

    kind: NameKind
    text: str
    protocol: int = 0
    """Of a service: the protocol's number."""

    def __str__(self) -> str:
        of = f"{protocol_name(self.protocol)} " if self.kind is NameKind.SERVICE else ""
        return f'{of}{self.kind} "{self.text}"'


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a lookup of names."""

    numbers: Mapping[Name, int] = field(default_factory=dict)
    """Uids, gids and ports."""
    missing: Mapping[Name, str] = field(default_factory=dict)
    """For every other name, why it has no number now and the fix, as a phrase."""
    unanswered: frozenset[Name] = frozenset()
    """Those of the missing of which nobody could say that they do not exist: a directory that is away, a deadline."""
