# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of the ruleset without reading it: the generation verified last, and who has committed since.

A commit whose generation is not newer than the verified one has been seen by the pass that verified, whoever made it: that
is how the service's own commits are recognised, and nothing else is needed for it. A commit that did not touch our table is
no reason to do anything now, and its author is not named; but it moves the generation, so that the next periodic
verification reads the table and need not trust the kernel's events to be complete. Everything else is a reason to verify,
and its author is looked up at once.

Where the kernel had to drop events, nobody can say who touched our table. Then those are named whose touch was heard, and
the rest is unknown: never whoever happened to commit something at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial, reduce

from secmarkd.change.early_repair import MOST, Hints
from secmarkd.errors import KernelError
from secmarkd.ports import ChangeEvents, Committed, News, Nft, Touched, Writer, Writers
from secmarkd.reconcile import Action, Outcome
from secmarkd.service.attribution import UNATTRIBUTED, Attribution, Commotion
from secmarkd.service.tally import Tally
from secmarkd.table.generation import newer
from secmarkd.table.transaction import WRITER_PROCESS

MOST_SUSPECTS = 32
"""Threads that are looked up between two passes, however often each commits; commits of others are counted."""
_OURS = (WRITER_PROCESS, "secmarkd")
"""Names under which this service commits. Whoever has such a name is looked at when it is to be named, and not before."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A thread that made commits which touched our table."""

    first: int
    """The generation of the first of them."""
    last: Committed
    writer: Callable[[], Writer]


class Watch:
    """Listens between and during passes, and knows afterwards whom to name for what a pass found."""

    def __init__(self, events: ChangeEvents, writers: Writers) -> None:
        self._events = events
        self._writers = writers
        self._tally = Tally(writers)
        self._verified: int | None = None
        self._touching: frozenset[int] = frozenset()
        """The commits that touched our table and whose numbers have yet to come: the last 16 bits of these."""
        self._anyone = False
        """Whether it was dropped who touched our table, so that it may have been any commit that no pass has seen. What was
        heard before a pass began is seen by it."""
        self._lost = False
        self._dropped = False
        """Whether something was dropped since the last pass began, so that nobody knows who touched our table."""
        self._unsure = False
        """Whether something was before that, the effect of which the pass sees."""
        self._told: list[Touched] = []
        """What was changed of our table since the last pass saw it; the first few."""
        self._untold: Touched | None = None
        """The last of those for which there was no room."""
        self._in_sync = False
        """Whether the last pass found the table equal to the desired one."""
        self._heard: int | None = None
        """The last transaction that was heard of."""
        self._heard_before: int | None = None
        """The same, when the last pass began."""
        self._suspects: dict[tuple[int, str], _Suspect] = {}
        """By thread and name, in the order of their last commits."""
        self._rest: int | None = None
        """The last commit that touched our table and for which there was no room among the suspects."""
        self._doubtful: int | None = None
        """The last commit that may have touched our table: nobody knows, for events were dropped."""
        self._uncounted = 0
        self._touched = 0
        self.touches = 0
        """Commits that touched our table, or may have, between the pass that has just begun and the one before."""
        self.losses = 0
        """How often events were lost."""
        self._stirred = False

    @property
    def pending(self) -> bool:
        """Whether something happened that no pass has seen."""
        return bool(self._suspects) or self._lost or self._rest is not None or self._doubtful is not None

    def stirred(self) -> bool:
        """Whether others have committed anything, to whatever table, since this was last asked. Who goes by our name is not
        among them, which is good enough for what only hastens a look."""
        stirred, self._stirred = self._stirred, False
        return stirred

    def notice(self) -> bool:
        """Take the news; whether there is a reason to verify."""

        def seen(each: Committed) -> bool:
            return self._verified is not None and not newer(each.generation, self._verified)

        self._hear(self._events.take(), but_for=seen)
        return self.pending

    def listen(self) -> None:
        """In the middle of a pass: take the news, so that the kernel has room for more, and who it was while they live."""
        self._hear(self._events.take(), but_for=lambda _: False)

    def unchanged(self, nft: Nft, flags: tuple[str, ...]) -> bool:
        """Whether the table is as it was verified, with these flags; in microseconds. False too when nobody can say."""
        self.notice()
        if self._verified is None or self.pending:
            return False
        try:
            return nft.generation() == self._verified and nft.flags() == flags
        except KernelError:
            return False

    def begin(self) -> Hints | None:
        """A pass begins: it will see whatever has been told up to now. That itself, where it is no more than a few elements
        since the table was last in sync."""
        self.notice()
        hints = self._hints()
        self.touches = self._touched + self._lost + (self._doubtful is not None)
        self._touched = 0
        self._unsure = self._unsure or self._dropped
        self._anyone = self._lost = self._dropped = False
        self._heard_before = self._heard
        self._forget_told()
        self._tally.begin()
        return hints

    def attend(self, *, closely: bool) -> None:
        """Whether to look at all authors as soon as they are heard of, because one of them is in the way."""
        self._tally.attentive = closely

    def commotion(self, seconds: float) -> Commotion | None:
        """What others have committed during the pass that has just ended and took so long; None where that was little."""
        return self._tally.commotion(seconds)

    def _hints(self) -> Hints | None:
        changes = [each.change for each in self._told if each.change is not None]
        few = 0 < len(changes) <= MOST and len(changes) == len(self._told) and self._untold is None
        if not few or not self._in_sync or self._lost or self._doubtful is not None or self._heard is None:
            return None
        return Hints(self._heard, tuple(changes))

    def concluded(self, outcome: Outcome, nft: Nft) -> Attribution:
        """A pass has ended; those who may have caused what it found."""
        seen = outcome.generation
        self._verified = seen if outcome.in_sync or outcome.action is Action.REPORTED else None
        self._in_sync = outcome.in_sync

        def is_us(each: _Suspect) -> bool:
            # Those of our commits that fell together with another's are known by name only: good enough not to name
            # ourselves for what the pass has seen anyway, and for nothing else.
            late = seen is not None and newer(each.last.generation, seen)
            early = self._heard_before is not None and not newer(each.first, self._heard_before)
            ours = each.last.comm == WRITER_PROCESS and not late and not early
            return each.last.generation in outcome.written or ours

        self.listen()
        us = [each for each in self._suspects.values() if is_us(each)]
        self._suspects = {key: each for key, each in self._suspects.items() if each not in us}
        if seen is None:
            return self._attribution([*self._suspects.values()])
        self._forget_told(seen)
        if (self._told or self._anyone) and _is_at(nft, seen):
            self._anyone = self._lost = False  # all that was told, or dropped, was of commits that the pass has seen
            self._forget_told()
        named = {generation for each in us for generation in (each.first, each.last.generation)}
        return self._conclude(named | outcome.written if outcome.remaining else set(), seen)

    def _conclude(self, ours: Iterable[int], seen: int) -> Attribution:
        """Those whose doing a pass has found; forgets them, but for those whose doing it has left.

        `ours` are the commits of a pass that has left something: what it found was done before the last of them, and what
        it left was done after the first.
        """
        found = reduce(_newest, ours, None) or seen
        left = reduce(_oldest, ours, None) or seen
        attribution = self._attribution([each for each in self._suspects.values() if not newer(each.first, found)])
        self._suspects = {key: each for key, each in self._suspects.items() if newer(each.last.generation, left)}
        self._rest = self._rest if self._rest is not None and newer(self._rest, left) else None
        self._doubtful = self._doubtful if self._doubtful is not None and newer(self._doubtful, left) else None
        self._uncounted, self._unsure, self._dropped = 0, False, self._dropped and self.pending
        return attribution

    def _hear(self, news: News, *, but_for: Callable[[Committed], bool]) -> None:
        """Note the news, and who touched our table, but for some."""
        self._lost = self._lost or news.lost
        self._stirred = self._stirred or news.lost
        self.losses += news.lost
        self._anyone = self._anyone or news.lost or any(each.generation is None for each in news.touched)
        self._touching |= {each.generation for each in news.touched if each.generation is not None}
        self._dropped = self._dropped or news.lost
        self._tally.note(news.committed)
        for commit in news.committed:
            self._stirred = self._stirred or commit.comm not in _OURS
            if commit.generation & 0xFFFF in self._touching:
                if not but_for(commit):
                    self._suspect(commit)
            elif self._anyone and not but_for(commit):
                self._doubtful = commit.generation
                self._dropped = self._dropped or commit.comm not in _OURS
        if news.committed:
            last = self._heard = news.committed[-1].generation
            # What a commit has touched is told before its number.
            self._touching = frozenset(each for each in self._touching if _after(each, last))
        for each in news.touched:
            if len(self._told) <= MOST:
                self._told.append(each)
            else:
                self._untold = each

    def _forget_told(self, seen: int | None = None) -> None:
        """What is told up to that commit, or all of it, is no news any more."""
        self._told = [each for each in self._told if seen is not None and _may_be_newer(each, seen)]
        if self._untold is not None and (seen is None or not _may_be_newer(self._untold, seen)):
            self._untold = None

    def _suspect(self, committed: Committed) -> None:
        key = committed.thread, committed.comm
        known = self._suspects.pop(key, None)
        if known is not None:
            self._suspects[key] = replace(known, last=committed)
        elif len(self._suspects) >= MOST_SUSPECTS:
            self._rest = committed.generation
        else:
            ours = committed.comm in _OURS
            writer = partial(self._look, committed) if ours else self._writers.glimpse(committed)
            self._suspects[key] = _Suspect(committed.generation, committed, writer)
        self._uncounted += known is None and key not in self._suspects
        self._touched += 1

    def _look(self, committed: Committed) -> Writer:
        return self._writers.glimpse(committed)()

    def _attribution(self, suspects: list[_Suspect]) -> Attribution:
        attribution = UNATTRIBUTED
        for each in suspects:
            attribution = replace(attribution.with_writer(each.writer()), generation=each.last.generation)
        lost = self._unsure or (self._dropped and not suspects)
        return replace(attribution.limited(self._uncounted), lost=lost)


def _newest(one: int | None, other: int) -> int:
    return other if one is None or newer(other, one) else one


def _oldest(one: int | None, other: int) -> int:
    return other if one is None or newer(one, other) else one


def _is_at(nft: Nft, generation: int | None) -> bool:
    """Whether the ruleset is still that one."""
    try:
        return nft.generation() == generation
    except KernelError:
        return False


def _may_be_newer(each: Touched, generation: int) -> bool:
    """Whether the transaction may have come after this one."""
    return each.generation is None or _after(each.generation, generation)


def _after(short: int, generation: int) -> bool:
    """Whether the number with these last 16 bits is a later one; the half that lies ahead is later."""
    return 0 < (short - generation) & 0xFFFF <= 0x7FFF
