# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the numbers of the names that labels need: when to look them up again, and what to log about them.

Nothing here waits: a lookup is begun, and its answer taken when it is there (`ports.Lookups`), for a directory may hang.
The kernel tells when local files change. Of a directory nothing is told, so names are looked up again at each `resync`,
and while one waits, as after a boot, after 1, 2, 4, … seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import WorkerFailed
from secmarkd.events import NameFound, NamesNotLookedUp, NameWaits
from secmarkd.model.names import Found, Name
from secmarkd.model.sources import Mention, Thing
from secmarkd.ports import LOOKUP_DEADLINE
from secmarkd.service.adapters import Adapters
from secmarkd.throttle import Throttle

SETTLES = 0.2
"""Seconds from a change of a file to the lookup: who adds a user writes several."""
FIRST = 1.0
"""Seconds to the first lookup while a name waits; the wait doubles up to `resync`."""
LATE = LOOKUP_DEADLINE + 10.0
"""Seconds after which a lookup that has not answered is given up."""
MOST_EVENTS = 20
"""Names that are logged one by one."""
MOST_PLACES = 3
_NEVER = float("inf")


class NameWatch:
    """Knows the numbers that names have now, as far as anybody could say."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._loaded: Loaded | None = None
        self._missing: Mapping[Name, str] = {}
        self._logged: frozenset[Name] = frozenset()
        """The names that were said to wait."""
        self.numbers: Mapping[Name, int] = {}
        self._due = self._late = _NEVER
        self._tries = 0
        """Lookups in a row after which a name still waited."""
        self._failed = False

    @property
    def waiting(self) -> tuple[str, ...]:
        """Each place of the label map that waits for a name, with the name, the reason and the fix."""
        mentions = self._mentions()
        return tuple(
            f"{mention.origin}: waits for the {name}: {why}"
            for name, why in sorted(self._missing.items())
            for mention in mentions.get(name, ())
        )

    def known(self, loaded: Loaded) -> Mapping[Name, int]:
        """The numbers of the names of these labels."""
        return self.numbers if loaded.names and loaded.names == self._names else loaded.environment.names

    def follow(self, loaded: Loaded) -> None:
        """The labels are these from now on."""
        self._loaded = loaded
        self.numbers = {
            name: loaded.environment.names[name] for name in loaded.names & loaded.environment.names.keys()
        }
        self._tries = 0
        self._missing = loaded.missing
        self._log()
        self._abandon()
        self._plan()

    def files_changed(self) -> None:
        """The kernel has told of the files that names are looked up in."""
        if self._adapters.name_events is not None and self._adapters.name_events.take() and self._names:
            self._tries = 0
            self._due = min(self._due, self._adapters.clock.monotonic() + SETTLES)

    def due(self) -> float:
        """When `tick` has work, in the clock's seconds."""
        return min(self._due, self._late)

    def tick(self) -> None:
        """Begin a lookup that is due, give up one that is late."""
        lookups, now = self._adapters.lookups, self._adapters.clock.monotonic()
        if lookups is None or self._loaded is None:
            return
        if now >= self._late:
            lookups.abandon()
            self._failure(f"no answer within {LATE:g} s")
        elif now >= self._due and self._late == _NEVER:
            self._due = _NEVER
            try:
                lookups.begin(self._names)
            except WorkerFailed as error:
                self._failure(str(error))
            else:
                self._late = now + LATE

    def answered(self) -> bool:
        """Take an answer, if there is one; whether some name has another number than before, or none."""
        lookups = self._adapters.lookups
        if lookups is None or self._late == _NEVER:
            return False
        try:
            found = lookups.take()
        except WorkerFailed as error:
            self._failure(str(error))
            return False
        if found is None:
            return False
        self._late, self._failed = _NEVER, False
        return self._learn(found)

    @property
    def _names(self) -> frozenset[Name]:
        return self._loaded.names if self._loaded is not None else frozenset()

    def _learn(self, found: Found) -> bool:
        before = self.numbers
        kept = {name: before[name] for name in found.unanswered & before.keys() if name not in found.numbers}
        self.numbers = {**found.numbers, **kept}
        self._missing = {name: why for name, why in found.missing.items() if name not in kept}
        self._log()
        self._tries = self._tries + 1 if self._missing else 0
        self._plan()
        return self.numbers != before

    def _log(self) -> None:
        """What waits now and was not logged, and what was and has been found."""
        mentions, journal = self._mentions(), self._adapters.journal
        new = sorted(self._missing.keys() - self._logged)
        for name in new[:MOST_EVENTS]:
            journal.write(NameWaits(str(name), _places(mentions.get(name, ())), self._missing[name]))
        if more := new[MOST_EVENTS:]:
            places = [mention for name in more for mention in mentions.get(name, ())]
            others = f"{more[0]} and {len(more) - 1} other names" if len(more) > 1 else str(more[0])
            journal.write(NameWaits(others, _places(places), self._missing[more[0]]))
        for name in sorted(self._logged - self._missing.keys()):
            if name in self.numbers:
                journal.write(NameFound(str(name), _places(mentions.get(name, ())), self.numbers[name]))
        self._logged = frozenset(self._missing)

    def _failure(self, error: str) -> None:
        self._late = _NEVER
        self._tries += 1
        self._plan(failed=True)
        if not self._failed:
            self._adapters.journal.write(NamesNotLookedUp(error, self._due - self._adapters.clock.monotonic()))
        self._failed = True

    def _plan(self, *, failed: bool = False) -> None:
        """When to look up next."""
        if self._loaded is None or not self._names or self._adapters.lookups is None:
            self._due = _NEVER
            return
        wait = self._loaded.settings.resync
        if self._missing or failed:
            wait = Throttle(FIRST, max(wait, FIRST)).wait_after(self._tries + 1)
        self._due = self._adapters.clock.monotonic() + wait

    def _abandon(self) -> None:
        """A lookup that is under way is for other labels."""
        if self._adapters.lookups is not None and self._late != _NEVER:
            self._adapters.lookups.abandon()
        self._late = _NEVER

    def _mentions(self) -> dict[Name, list[Mention]]:
        found: dict[Name, list[Mention]] = {}
        for mention in self._loaded.mentions if self._loaded is not None else ():
            if mention.thing is Thing.NAME and isinstance(mention.value, Name):
                found.setdefault(mention.value, []).append(mention)
        return found


def _places(mentions: list[Mention] | tuple[Mention, ...]) -> str:
    places = [str(mention.origin) for mention in mentions[:MOST_PLACES]]
    more = len(mentions) - len(places)
    return ", ".join(places) + (f" and {more} more" if more else "")
