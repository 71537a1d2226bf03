# SPDX-License-Identifier: GPL-2.0-or-later
"""Who commits most while a pass runs, on whatever table: counted, for whoever is in the way of reading is to be named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secmarkd.ports import Committed, Writer, Writers
from secmarkd.service.attribution import Attribution, Commotion
from secmarkd.table.transaction import WRITER_PROCESS

FEW = 5
"""Commits by others during one pass below which nobody is said to be in its way. A read is given up after eight."""
OURS = 16
"""Commits by our own worker's name in one pass that may be our own: a reload makes five, a refused one some more."""
NAMES = 32
"""Different names that are counted; any program can give itself a new one for each commit."""
MOST_GLIMPSES = 8
"""Authors that are looked at in one pass, where somebody has been in the way of the last one."""
_LARGE_SHARE = 4
"""One who made at least this part of the most frequent one's commits is named too."""


@dataclass(slots=True)
class _Named:
    """The commits of threads of one name."""

    last: Committed
    commits: int = 0
    processes: int = 0
    writer: Writer | None = None
    """Who it is, as well as could be seen."""


class Tally:
    """Counts from `begin` on."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._named: dict[str, _Named] = {}
        self._first: int | None = None
        self._last: int | None = None
        self._glimpses = 0
        self.attentive = False
        """Whether to look at authors as soon as they are heard of: most processes end within a millisecond."""

    def begin(self) -> None:
        """Count from here."""
        self._named.clear()
        self._first, self._glimpses = self._last, 0

    def note(self, committed: Sequence[Committed]) -> None:
        """More commits, in their order."""
        for each in committed:
            named = self._named.get(each.comm)
            if named is None:
                if len(self._named) >= NAMES:
                    continue
                named = self._named[each.comm] = _Named(each)
            named.processes += named.commits == 0 or named.last.thread != each.thread
            named.commits += 1
            named.last = each
        if committed:
            self._first = committed[0].generation - 1 if self._first is None else self._first
            self._last = committed[-1].generation
            if self.attentive:
                self._glimpse(committed[-1].comm)

    def commotion(self, seconds: float) -> Commotion | None:
        """What others did in these seconds; None where that was little."""
        own = self._named.get(WRITER_PROCESS)
        spared = min(own.commits, OURS) if own else 0
        total = 0 if self._first is None or self._last is None else (self._last - self._first) % 2**32
        theirs = [each for name, each in self._named.items() if name != WRITER_PROCESS or each.commits > OURS]
        if total - spared < FEW or not theirs:
            return None
        most = max(each.commits for each in theirs)
        leading = [each for each in theirs if each.commits * _LARGE_SHARE >= most]
        leading.sort(key=lambda each: each.commits)
        writers = tuple((self._who(each), each.processes) for each in leading[-2:])
        return Commotion(total - spared, seconds, Attribution(writers, generation=self._last))

    def _who(self, named: _Named) -> Writer:
        if named.writer is None or not named.writer.exe:
            named.writer = self._writers.glimpse(named.last)()
        return named.writer

    def _glimpse(self, name: str) -> None:
        named = self._named.get(name)
        if named is not None and self._glimpses < MOST_GLIMPSES:
            self._glimpses += 1
            self._who(named)
