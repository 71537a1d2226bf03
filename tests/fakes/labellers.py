# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `Labellers`."""

from __future__ import annotations

from secmarkd.errors import SecmarkdError
from secmarkd.table.other_labels import Does, OtherLabel, OtherLabels, Position

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
        return self.others
