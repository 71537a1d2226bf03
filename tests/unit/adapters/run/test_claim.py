# SPDX-License-Identifier: GPL-2.0-or-later
"""The service's files below /run, removed while it runs: the lock holds all the same, and the status is true again."""

from __future__ import annotations

import os
import select
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from secmarkd.adapters.run.claim import RETRY, Claim
from secmarkd.adapters.run.lock import AlreadyRunning, Lock, holding
from secmarkd.events import LockLost, LockTakenAgain
from tests.fakes.service import FakeClock, FakeJournal

pytestmark = pytest.mark.fault(48)


class Claimed:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = Lock(folder, 7)
        self.lock.acquire()
        self.status()
        self.journal, self.clock = FakeJournal(), FakeClock()
        self.claim = Claim(self.lock, self.journal, self.clock)

    def status(self) -> None:
        (self.lock.folder / "status.json").write_text("{}")

    @property
    def heard(self) -> bool:
        return bool(select.select([self.claim.fileno()], [], [], 0)[0])


def remove_lock(folder: Path) -> None:
    (folder / "lock").unlink()


def replace_lock(folder: Path) -> None:
    (folder / "new").write_text("")
    (folder / "new").rename(folder / "lock")


def move_away(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def empty(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()


REMOVALS = [shutil.rmtree, remove_lock, move_away, empty, replace_lock]


@pytest.fixture
def claimed(tmp_path: Path) -> Claimed:
    return Claimed(tmp_path / "run")


def test_nothing_is_done_while_nothing_happens(claimed: Claimed) -> None:
    assert claimed.claim.kept()
    assert not claimed.heard
    assert claimed.claim.due() == float("inf")
    claimed.status()
    assert not claimed.heard


@pytest.mark.parametrize("remove", REMOVALS)
def test_what_was_removed_is_locked_again_and_said_once(claimed: Claimed, remove: Callable[[Path], None]) -> None:
    for _ in range(2):
        remove(claimed.folder)
        assert claimed.heard or remove is replace_lock
        claimed.claim.take()
        assert not claimed.claim.kept()
        claimed.status()
        assert claimed.claim.kept()
        with pytest.raises(AlreadyRunning):
            Lock(claimed.folder, 7).acquire()
        found = holding(claimed.folder)
        assert found is not None
        assert (found.pid, found.netns) == (os.getpid(), 7)
        assert claimed.journal.take() == [LockTakenAgain(str(claimed.folder / "lock"))]
        shutil.rmtree(claimed.folder.with_name("elsewhere"), ignore_errors=True)
        claimed.claim.take()


def test_a_status_that_was_removed_is_to_be_written_again(claimed: Claimed) -> None:
    (claimed.folder / "status.json").unlink()
    assert claimed.heard
    assert not claimed.claim.kept()
    assert claimed.claim.kept()  # there may be no room for it: not again and again
    claimed.clock.now += RETRY
    assert not claimed.claim.kept()
    assert claimed.journal.take() == []


def test_while_another_holds_the_new_file_it_is_tried_again_and_said_once(claimed: Claimed) -> None:
    shutil.rmtree(claimed.folder)
    other = Lock(claimed.folder, 7)
    other.acquire()
    for _ in range(5):
        assert claimed.claim.kept()
        assert claimed.claim.due() == claimed.clock.now + RETRY
        claimed.clock.now = claimed.claim.due()
    (lost,) = claimed.journal.take()
    assert isinstance(lost, LockLost)
    assert "holds" in lost.error
    other.release()
    assert not claimed.claim.kept()
    assert claimed.journal.take() == [LockTakenAgain(str(claimed.folder / "lock"))]
    assert claimed.claim.due() == float("inf")
