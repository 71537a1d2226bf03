# SPDX-License-Identifier: GPL-2.0-or-later
"""The contracts of ports.Journal, ports.Notifier and ports.Clock, for the adapters and for the fakes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from secmarkd.adapters.systemd.journal import Outbox, SystemdJournal
from secmarkd.adapters.systemd.notify import Manager
from secmarkd.events import LockTakenAgain
from secmarkd.ports import Clock, Journal, Notifier
from secmarkd.programs.wiring import RealClock
from tests.fakes.service import FakeClock, FakeJournal, FakeNotifier
from tests.support.journald import Journald

EVENTS = tuple(LockTakenAgain(f"/run/{name}") for name in "cab")


class Log(Protocol):
    """A journal that takes what it is given."""

    @property
    def journal(self) -> Journal:
        """The adapter."""

    def sentences(self) -> list[str]:
        """What has arrived since the last time."""


class JournalContract:
    """To be inherited, with a fixture `log`."""

    def test_events_arrive_in_order_and_once(self, log: Log) -> None:
        for event in (*EVENTS, EVENTS[0]):
            log.journal.write(event)
        assert log.sentences() == [str(event) for event in (*EVENTS, EVENTS[0])]
        log.journal.flush()
        assert log.sentences() == []

    def test_while_nothing_waits_nothing_is_due(self, log: Log) -> None:
        assert log.journal.due() == float("inf")
        log.journal.write(EVENTS[0])
        assert log.journal.due() == float("inf")

    def test_a_text_that_is_no_utf_8_raises_nothing(self, log: Log) -> None:
        log.journal.write(LockTakenAgain("/run/caf\udce9"))
        assert len(log.sentences()) == 1


class RealLog:
    def __init__(self, path: Path) -> None:
        self.journald = Journald(path)
        self.journal = Outbox(SystemdJournal(self.journald.sendv, str(path)), RealClock())

    def sentences(self) -> list[str]:
        return self.journald.messages()


class FakeLog:
    def __init__(self) -> None:
        self.journal = FakeJournal()

    def sentences(self) -> list[str]:
        return [str(event) for event in self.journal.take()]


class TestOutbox(JournalContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        log = RealLog(tmp_path / "socket")
        yield log
        log.journald.close()


class TestFakeJournal(JournalContract):
    @pytest.fixture
    def log(self) -> Log:
        return FakeLog()


class Received(Protocol):
    """A service manager."""

    @property
    def notifier(self) -> Notifier:
        """The adapter."""

    def datagrams(self) -> list[dict[str, str]]:
        """What has arrived since the last time, as assignments."""


class NotifierContract:
    """To be inherited, with a fixture `manager`."""

    def test_assignments_of_one_call_are_one_datagram(self, manager: Received) -> None:
        manager.notifier.notify(RELOADING="1", MONOTONIC_USEC="5")
        manager.notifier.notify(READY="1", STATUS="in sync")
        assert manager.datagrams() == [
            {"RELOADING": "1", "MONOTONIC_USEC": "5"},
            {"READY": "1", "STATUS": "in sync"},
        ]

    def test_without_assignments_nothing_is_sent(self, manager: Received) -> None:
        manager.notifier.notify()
        assert manager.datagrams() == []

    def test_no_text_becomes_an_assignment(self, manager: Received) -> None:
        manager.notifier.notify(STATUS="rejected: caf\udce9\nSTOPPING=1")
        assert manager.datagrams() == [{"STATUS": r"rejected: caf\udce9\nSTOPPING=1"}]


class RealManager:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.notifier = Manager(str(path))

    def datagrams(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while True:
            try:
                lines = self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in lines))


class FakeManager:
    def __init__(self) -> None:
        self.notifier = FakeNotifier()

    def datagrams(self) -> list[dict[str, str]]:
        return self.notifier.take()


class TestManager(NotifierContract):
    @pytest.fixture
    def manager(self, tmp_path: Path) -> Iterator[Received]:
        manager = RealManager(tmp_path / "notify")
        yield manager
        manager.socket.close()


class TestFakeNotifier(NotifierContract):
    @pytest.fixture
    def manager(self) -> Received:
        return FakeManager()


def _fake_time() -> tuple[Clock, Callable[[float], None]]:
    clock = FakeClock()
    return clock, clock.sleep


def _real_time() -> tuple[Clock, Callable[[float], None]]:
    return RealClock(), time.sleep


@pytest.mark.parametrize("made", [_fake_time, _real_time])
def test_a_clock_counts_seconds_and_never_goes_back(
    made: Callable[[], tuple[Clock, Callable[[float], None]]],
) -> None:
    clock, sleep = made()
    readings = [clock.monotonic(), clock.monotonic()]
    sleep(0.0625)
    readings.append(clock.monotonic())
    assert readings == sorted(readings)
    assert readings[2] - readings[1] >= 0.0625
