# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the service manager and the status file up to date, and the watchdog fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from secmarkd.ports import Clock, Notifier
from secmarkd.service.status import Status

NOTHING: Mapping[str, str] = MappingProxyType({})
MARGIN = 30.0
"""Seconds beside a deadline: for ending who missed it, and for what is done before the next request (a table of 100,000
elements is compared, planned and written down in a few)."""


class Announcer:
    """Sends what is new of the status; what is sent with an assignment is always sent."""

    def __init__(
        self,
        status_of: Callable[[], Status],
        notifier: Notifier,
        clock: Clock,
        publish: Callable[[Status], None],
        watchdog: float | None,
    ) -> None:
        """`status_of` gives the status as it is now."""
        self._status_of = status_of
        self._notifier = notifier
        self._clock = clock
        self._publish = publish
        self._watchdog = watchdog
        self._watchdog_due = clock.monotonic()
        self._patient_until = 0.0
        """Until when the service manager waits for the work that is under way."""
        self._published: Status | None = None
        self._line = ""

    def tell(self, assignments: Mapping[str, str] = NOTHING, *, doing: str = "") -> None:
        """STATUS= where its line has changed, with the assignments; then the status file where the status has.

        `doing` is the line instead, while there is something under way that the status does not say.
        """
        status = self._status_of()
        line = assignments.get("STATUS") or doing or status.line(self._clock.monotonic())
        if line != self._line or assignments:
            self._line = line
            self._notifier.notify(**{**assignments, "STATUS": line})
        if status != self._published:
            self._published = status
            self._publish(status)

    def repeat(self) -> None:
        """Have `tell` write the status file, whether anything is new or not."""
        self._published = None

    def due(self) -> float:
        """When the watchdog wants to be fed; infinity where there is none."""
        return self._watchdog_due if self._watchdog else float("inf")

    def feed_watchdog(self) -> None:
        """WATCHDOG=1, twice in each interval."""
        now = self._clock.monotonic()
        if self._watchdog and now >= self._watchdog_due:
            self._notifier.notify(WATCHDOG="1")
            self._watchdog_due = now + self._watchdog / 2

    def allow(self, seconds: float) -> None:
        """Have the service manager wait for a start or a reload that may take so long, while the loop runs."""
        self._notifier.notify(EXTEND_TIMEOUT_USEC=_usec(seconds + MARGIN))

    @contextmanager
    def extended_timeout(self, seconds: float) -> Iterator[None]:
        """Have the service manager wait for work that may take so long, and that has deadlines of its own; `extend` within
        it where it may take longer."""
        self.extend(seconds)
        try:
            yield
        finally:
            self._patient_until = 0.0
            if self._watchdog:
                self._notifier.notify(WATCHDOG_USEC=_usec(self._watchdog))

    def extend(self, seconds: float) -> None:
        """Have it wait so long from now on, unless it waits as long already."""
        until = self._clock.monotonic() + seconds + MARGIN
        if until <= self._patient_until:
            return
        self._patient_until = until
        usec = _usec(seconds + MARGIN)
        watchdog = {"WATCHDOG_USEC": usec} if self._watchdog else {}
        self._notifier.notify(EXTEND_TIMEOUT_USEC=usec, **watchdog)


def _usec(seconds: float) -> str:
    return str(int(seconds * 1e6))
