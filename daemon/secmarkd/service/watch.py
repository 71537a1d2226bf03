"""What is known of the ruleset without reading it: the generation verified last, and who has committed since.

A commit whose generation is not newer than the verified one has been seen by the pass that verified, whoever made it: that
is how the service's own commits are recognised, and nothing else is needed for it. A commit that did not touch our table is
no reason to do anything now, and its author is not named; but it moves the generation, so that the next periodic
verification reads the table and need not trust the kernel's events to be complete. Everything else is a reason to verify,
and its author is looked up at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from secmarkd.errors import KernelError
from secmarkd.kernel.nft_requests import PROCESS_NAME
from secmarkd.ports import ChangeEvents, Committed, News, Nft, Touched, Writer, Writers
from secmarkd.reconcile import Action, Outcome
from secmarkd.ruleset.generation import newer
from secmarkd.ruleset.hints import MOST, Hints
from secmarkd.service.blame import NOBODY, Blame

MOST_SUSPECTS = 32
"""Commits between two passes whose authors are looked up; under a storm of them, the rest is counted."""


class Watch:
    """Listens between passes, and knows afterwards whom to name for what a pass found."""

    def __init__(self, events: ChangeEvents, writers: Writers) -> None:
        self._events = events
        self._writers = writers
        self._verified: int | None = None
        self._touching: frozenset[int] = frozenset()
        """The commits that touched our table and whose numbers have yet to come: the last 16 bits of these."""
        self._anyone = False
        """Whether it was dropped who touched our table, so that it may have been any commit that no pass has seen. What was
        told before a pass began is seen by it."""
        self._lost = False
        self._told: list[Touched] = []
        """What was changed of our table since the last pass saw it."""
        self._in_sync = False
        """Whether the last pass found the table equal to the desired one."""
        self._heard: int | None = None
        """The last transaction that was told of."""
        self._suspects: list[tuple[int, Callable[[], Writer]]] = []
        self._uncounted = 0
        self.losses = 0
        """How often events were lost."""

    @property
    def pending(self) -> bool:
        """Whether something happened that no pass has seen."""
        return bool(self._suspects) or self._lost

    def notice(self) -> bool:
        """Take the news; whether there is a reason to verify."""

        def seen(each: Committed) -> bool:
            return self._verified is not None and not newer(each.generation, self._verified)

        self._hear(self._events.take(), but_for=seen)
        return self.pending

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
        self._anyone = self._lost = False
        self._told.clear()
        return hints

    def _hints(self) -> Hints | None:
        changes = [each.change for each in self._told if each.change is not None]
        few = 0 < len(changes) <= MOST and len(changes) == len(self._told)
        if not few or not self._in_sync or self._lost or self._heard is None:
            return None
        return Hints(self._heard, tuple(changes))

    def concluded(self, outcome: Outcome, nft: Nft) -> Blame:
        """A pass has ended; those who may have caused what it found."""
        seen = outcome.generation
        self._verified = seen if outcome.in_sync or outcome.action is Action.REPORTED else None
        self._in_sync = outcome.in_sync

        def made_by_us(each: Committed) -> bool:
            # Those of our commits that fell together with another's are known by name only: good enough not to name
            # ourselves for what the pass has seen anyway, and for nothing else.
            late = seen is not None and newer(each.generation, seen)
            return each.generation in outcome.written or (each.comm == PROCESS_NAME and not late)

        news = self._events.take()
        self._hear(news, but_for=made_by_us, seen=seen)
        if news.ours and _is_at(nft, seen):  # all that was told, or dropped, was of commits that the pass has seen
            self._anyone = False
            self._told.clear()
        if seen is None:
            return self._blame(self._suspects)
        ours = [each.generation for each in news.committed if made_by_us(each)]
        return self._conclude(ours if outcome.remaining else [], seen)

    def _conclude(self, ours: list[int], seen: int) -> Blame:
        """Those whose doing a pass has found; forgets them, but for those whose doing it has left.

        `ours` are the commits of a pass that has left something: what it found was done before the last of them, and what
        it left was done after the first.
        """
        found, left = (ours[-1], ours[0]) if ours else (seen, seen)
        blame = self._blame([each for each in self._suspects if not newer(each[0], found)])
        self._suspects = [each for each in self._suspects if newer(each[0], left)]
        self._uncounted = 0
        return blame

    def _hear(self, news: News, *, but_for: Callable[[Committed], bool], seen: int | None = None) -> None:
        """Note the news, and who may have touched our table, but for some. `seen` is what a pass has seen meanwhile."""
        self._lost = self._lost or news.lost
        self.losses += news.lost
        self._anyone = self._anyone or news.lost or any(each.generation is None for each in news.touched)
        self._touching |= {each.generation for each in news.touched if each.generation is not None}
        for commit in news.committed:
            if (self._anyone or commit.generation & 0xFFFF in self._touching) and not but_for(commit):
                self._suspect(commit)
        if news.committed:
            last = self._heard = news.committed[-1].generation
            # What a commit has touched is told before its number.
            self._touching = frozenset(each for each in self._touching if _after(each, last))
        told = [each for each in news.touched if seen is None or _may_be_newer(each, seen)]
        # One more than are worth a hint says that there were too many.
        self._told += told[: MOST + 1 - len(self._told)]

    def _suspect(self, committed: Committed) -> None:
        if len(self._suspects) < MOST_SUSPECTS:
            self._suspects.append((committed.generation, self._writers.glimpse(committed)))
        else:
            self._uncounted += 1
            # The last one stands for all that come after it: what is newer than a pass stays a reason for another.
            self._suspects[-1] = (committed.generation, self._suspects[-1][1])

    def _blame(self, suspects: list[tuple[int, Callable[[], Writer]]]) -> Blame:
        blame = NOBODY
        for generation, writer in suspects:
            blame = replace(blame.with_writer(writer()), generation=generation)
        return blame.limited(self._uncounted)


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
