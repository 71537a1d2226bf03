# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `Labellers`."""

from __future__ import annotations

from secmarkd.errors import SecmarkdError
from secmarkd.table.other_labels import Does, OtherLabel, OtherLabels, Position
from secmarkd.table.table import NAME

EVIL = OtherLabel("inet", "other", "evil", "input", 60, Does.PACKETS, Position.AFTER)


class FakeLabellers:
    """Other programs that label nothing until a test says so."""

    def __init__(self) -> None:
        self.others: OtherLabels | SecmarkdError = OtherLabels()
        self.looks = 0

    def look(self) -> OtherLabels:
        """As ports.Labellers."""
        self.looks += 1
        if isinstance(self.others, SecmarkdError):
            raise self.others
        found = sorted(each for each in self.others.found if (each.family, each.table) != ("inet", NAME))
        return OtherLabels(tuple(found), self.others.whole)

    def add(self, label: OtherLabel) -> None:
        """Someone begins to label."""
        assert isinstance(self.others, OtherLabels)
        self.others = OtherLabels((*self.others.found, label), self.others.whole)

    def remove(self, label: OtherLabel) -> None:
        """They stop."""
        assert isinstance(self.others, OtherLabels)
        rest = tuple(each for each in self.others.found if each != label)
        self.others = OtherLabels(rest, self.others.whole)
