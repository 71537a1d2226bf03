# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.Claim, for the files below /run and for the fake."""

from __future__ import annotations

import select
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from secmarkd.adapters.run import claim as adapter
from secmarkd.adapters.run.lock import Lock
from secmarkd.events import LockLost, LockTakenAgain
from secmarkd.ports import Claim
from tests.fakes.claim import RETRY, FakeClaim
from tests.fakes.service import FakeClock, FakeJournal


class Files(Protocol):
    """A service's lock and status, and somebody who removes them."""

    clock: FakeClock
    journal: FakeJournal

    @property
    def claim(self) -> Claim:
        """The adapter; all is as it should be."""

    def remove(self) -> None:
        """Lock and status are removed."""

    def remove_status(self) -> None:
        """The status alone is removed."""

    def write_status(self) -> None:
        """The service writes its status."""

    def let_other_hold(self, held: bool) -> None:
        """Another program holds the lock that the service would take, or lets it go."""


def notified(claim: Claim) -> bool:
    return bool(select.select([claim.fileno()], [], [], 0)[0])


class ClaimContract:
    """To be inherited, with a fixture `files`."""

    def test_while_nothing_happens_all_is_kept_and_nothing_is_due(self, files: Files) -> None:
        assert files.claim.kept()
        assert not notified(files.claim)
        assert files.claim.due() == float("inf")
        assert files.journal.take() == []

    def test_a_removal_is_notified_until_it_is_taken(self, files: Files) -> None:
        files.remove()
        assert notified(files.claim)
        files.claim.take()
        assert not notified(files.claim)

    def test_a_removed_lock_is_taken_again_and_said_once(self, files: Files) -> None:
        for _ in range(2):
            files.remove()
            assert not files.claim.kept()
            files.write_status()
            assert files.claim.kept()
            (event,) = files.journal.take()
            assert isinstance(event, LockTakenAgain)

    def test_a_removal_is_seen_though_its_notification_was_taken(self, files: Files) -> None:
        files.remove()
        files.claim.take()
        assert not files.claim.kept()

    def test_a_removed_status_is_asked_for_once_a_second_and_no_event(self, files: Files) -> None:
        files.remove_status()
        assert [files.claim.kept() for _ in range(3)] == [False, True, True]
        files.clock.now += RETRY
        assert not files.claim.kept()
        files.write_status()
        files.clock.now += RETRY
        assert files.claim.kept()
        assert files.journal.take() == []

    def test_a_lock_that_another_holds_is_tried_again_when_due_and_said_once(self, files: Files) -> None:
        files.remove()
        files.let_other_hold(True)
        for _ in range(3):
            assert files.claim.kept()
            assert files.claim.due() == files.clock.now + RETRY
            files.clock.now = files.claim.due()
        (event,) = files.journal.take()
        assert isinstance(event, LockLost)
        files.let_other_hold(False)
        assert not files.claim.kept()
        assert files.claim.due() == float("inf")
        (event,) = files.journal.take()
        assert isinstance(event, LockTakenAgain)


class RealFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._other = Lock(folder, 7), Lock(folder, 7)
        self._lock.acquire()
        self.write_status()
        self.journal, self.clock = FakeJournal(), FakeClock()
        self.claim = adapter.Claim(self._lock, self.journal, self.clock)

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    def remove_status(self) -> None:
        (self._folder / "status.json").unlink()

    def write_status(self) -> None:
        (self._folder / "status.json").write_text("{}")

    def let_other_hold(self, held: bool) -> None:
        if held:
            self._other.acquire()
        else:
            self._other.release()


class FakeFiles:
    def __init__(self) -> None:
        self.journal, self.clock = FakeJournal(), FakeClock()
        self._fake = FakeClaim(self.journal, self.clock)
        self.remove, self.remove_status = self._fake.remove, self._fake.remove_status
        self.write_status, self.let_other_hold = self._fake.write_status, self._fake.let_other_hold

    @property
    def claim(self) -> Claim:
        return self._fake


class TestClaim(ClaimContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> Iterator[Files]:
        files = RealFiles(tmp_path / "run")
        yield files
        files.claim.close()


class TestFakeClaim(ClaimContract):
    @pytest.fixture
    def files(self) -> Iterator[Files]:
        files = FakeFiles()
        yield files
        files.claim.close()
