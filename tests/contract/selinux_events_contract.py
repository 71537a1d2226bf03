# SPDX-License-Identifier: GPL-2.0-or-later
"""What ports.SelinuxEvents promises, for the fake and for the kernel."""

from __future__ import annotations

import select
from typing import Protocol

from secmarkd.ports import SelinuxEvents

SOON = 5.0
"""Seconds within which a notification comes."""


class Notified(Protocol):
    """A machine whose SELinux changes."""

    def open(self) -> SelinuxEvents:
        """Begin to listen."""

    def change(self) -> None:
        """Something changes of which the kernel notifies."""


def waits(events: SelinuxEvents, seconds: float = 0) -> bool:
    return bool(select.select([events.fileno()], [], [], seconds)[0])


class SelinuxEventsContract:
    """To be inherited, with a fixture `notified`."""

    def test_while_nothing_changes_nothing_waits_and_taking_does_not_block(self, notified: Notified) -> None:
        events = notified.open()
        assert not waits(events)
        events.take()
        assert not waits(events)
        events.close()

    def test_what_changed_before_is_not_notified(self, notified: Notified) -> None:
        notified.change()
        events = notified.open()
        assert not waits(events)
        events.close()

    def test_a_change_waits_until_it_is_taken(self, notified: Notified) -> None:
        events = notified.open()
        for _ in range(2):
            notified.change()
            assert waits(events, SOON)
            events.take()
            assert not waits(events)
        events.close()

    def test_many_changes_are_taken_at_once(self, notified: Notified) -> None:
        events = notified.open()
        for _ in range(300):
            notified.change()
        assert waits(events, SOON)
        events.take()
        assert not waits(events)
        events.close()

    def test_each_listener_is_notified(self, notified: Notified) -> None:
        listeners = [notified.open() for _ in range(2)]
        notified.change()
        for events in listeners:
            assert waits(events, SOON)
            events.take()
            events.close()
