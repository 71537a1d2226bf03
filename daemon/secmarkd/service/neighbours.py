# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at what else sets labels on this machine: at the start, at verifications, and after other programs' commits.

"In sync" says that our table is as configured. It does not say that packets have its labels, where another table sets them
as well. That is nobody's mistake here, so it is said once, and again when it is another.
"""

from __future__ import annotations

from dataclasses import replace

from secmarkd.errors import SecmarkdError
from secmarkd.events import OtherTablesLabel, OtherTablesLabelNoMore
from secmarkd.ports import Clock, Journal, Labellers
from secmarkd.table.other_labels import OtherLabels

SETTLES = 10.0
"""Seconds from another program's commit to the look for it: a firewall that starts makes many."""
APART = 60.0
"""Seconds between looks that only commits ask for: most of these are of programs that never label."""
SHARE = 0.005
"""Of one processor's time, at most, for these looks: one that takes long is seldom repeated."""
SAMPLES = 5


class Neighbours:
    """What was found last, in `seen`; and when to look again."""

    def __init__(self, labellers: Labellers, journal: Journal, clock: Clock) -> None:
        self._labellers = labellers
        self._journal = journal
        self._clock = clock
        self._due = float("inf")
        self._earliest = 0.0
        """When commits may ask for the next look."""
        self.seen = OtherLabels()

    def due(self) -> float:
        """When to look; infinity while nothing asks for it."""
        return self._due

    def ask(self) -> None:
        """Look now."""
        self._due = self._clock.monotonic()

    def verified(self) -> None:
        """The table was verified: look, unless that was done a moment ago."""
        if self._clock.monotonic() >= self._earliest:
            self.ask()

    def committed(self) -> None:
        """Another program has committed something."""
        self._due = min(self._due, max(self._clock.monotonic() + SETTLES, self._earliest))

    def look(self) -> None:
        """Look, and tell what is new."""
        began = self._clock.monotonic()
        self._due = float("inf")
        try:
            found = self._labellers.look()
        except SecmarkdError:
            found = self.seen  # a pass that cannot ask the kernel either says so
        ended = self._clock.monotonic()
        self._earliest = ended + max(APART, (ended - began) / SHARE)
        self._take(found)

    def _take(self, found: OtherLabels) -> None:
        before = set(self.seen.found)
        if not found.whole:  # what is there still may be beyond what was looked at
            found = replace(found, found=tuple(sorted(before.union(found.found))))
        self.seen = found
        if new := sorted(set(found.found) - before):
            sample = "; ".join(map(str, new[:SAMPLES]))
            self._journal.write(OtherTablesLabel(len(new), sample, len(new) - SAMPLES if len(new) > SAMPLES else 0))
        if gone := sorted(before.difference(found.found)):
            self._journal.write(
                OtherTablesLabelNoMore(len(gone), "; ".join(map(str, gone[:SAMPLES])), len(found.found))
            )
