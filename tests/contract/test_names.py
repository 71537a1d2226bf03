# SPDX-License-Identifier: GPL-2.0-or-later
"""The contracts of ports.Lookups and ports.NameEvents, for the adapters and for the fakes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from secmarkd.adapters.host import name_watch
from secmarkd.adapters.loading.lookups import ChildLookups
from secmarkd.model.names import Found, Name, NameKind
from secmarkd.ports import Lookups, NameEvents
from tests.fakes.names import FakeLookups, FakeNameEvents

PATIENCE = 60.0
"""Seconds."""
ROOT = Name(NameKind.USER, "root")
GHOST = Name(NameKind.USER, "no-such-user-of-secmarkd")


class Directory(Protocol):
    """A machine that has the user root, with uid 0, and no other of these names."""

    @property
    def lookups(self) -> Lookups:
        """The adapter."""

    def reply(self) -> None:
        """What was begun is answered from now on. The caller still waits for it."""


def answer(directory: Directory) -> Found:
    """The answer to what was begun."""
    directory.reply()
    end = time.monotonic() + PATIENCE
    while (found := directory.lookups.take()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


class LookupsContract:
    """To be inherited, with a fixture `directory`."""

    def test_nothing_is_taken_that_was_not_begun(self, directory: Directory) -> None:
        directory.reply()
        assert directory.lookups.take() is None

    def test_each_name_has_a_number_or_a_reason_why_it_has_none(self, directory: Directory) -> None:
        directory.lookups.begin([ROOT, GHOST])
        found = answer(directory)
        assert found.numbers == {ROOT: 0}
        assert set(found.missing) == {GHOST}
        assert found.unanswered == frozenset()

    def test_an_answer_is_taken_once(self, directory: Directory) -> None:
        directory.lookups.begin([ROOT])
        answer(directory)
        assert directory.lookups.take() is None

    def test_a_lookup_takes_the_place_of_the_one_begun_before(self, directory: Directory) -> None:
        directory.lookups.begin([GHOST])
        directory.reply()
        directory.lookups.begin([ROOT])
        found = answer(directory)
        assert (found.numbers, found.missing) == ({ROOT: 0}, {})
        assert directory.lookups.take() is None

    def test_an_abandoned_lookup_is_never_answered_and_another_can_be_begun(self, directory: Directory) -> None:
        directory.lookups.begin([GHOST])
        directory.lookups.abandon()
        directory.reply()
        time.sleep(0.05)
        assert directory.lookups.take() is None
        directory.lookups.begin([ROOT])
        assert answer(directory).numbers == {ROOT: 0}

    def test_an_answer_that_has_come_is_given_up_with_its_lookup(self, directory: Directory) -> None:
        directory.lookups.begin([GHOST])
        directory.reply()
        directory.lookups.abandon()
        assert directory.lookups.take() is None


class RealDirectory:
    """This machine."""

    def __init__(self) -> None:
        self.lookups = ChildLookups()

    def reply(self) -> None:
        pass


class FakeDirectory:
    def __init__(self) -> None:
        self.lookups = FakeLookups()

    def reply(self) -> None:
        names = self.lookups.begun[-1] if self.lookups.begun else frozenset[Name]()
        numbers = dict.fromkeys(names & {ROOT}, 0)
        self.lookups.reply(Found(numbers, dict.fromkeys(names - {ROOT}, "there is no such user")))


class TestChildLookups(LookupsContract):
    @pytest.fixture
    def directory(self) -> Iterator[Directory]:
        directory = RealDirectory()
        yield directory
        directory.lookups.close()


class TestFakeLookups(LookupsContract):
    @pytest.fixture
    def directory(self) -> Directory:
        return FakeDirectory()


class Etc(Protocol):
    """The files that names are looked up in, and others."""

    @property
    def events(self) -> NameEvents:
        """The adapter."""

    def change_users(self) -> None:
        """The file of users is replaced, as useradd does."""

    def change_another_file(self) -> None:
        """A file in the same directory that has no names."""


class NameEventsContract:
    """To be inherited, with a fixture `etc`."""

    def test_nothing_has_changed_at_first(self, etc: Etc) -> None:
        assert not etc.events.take()

    def test_a_change_is_told_once(self, etc: Etc) -> None:
        etc.change_users()
        assert etc.events.take()
        assert not etc.events.take()

    def test_changes_before_a_take_are_told_together(self, etc: Etc) -> None:
        etc.change_users()
        etc.change_users()
        assert etc.events.take()
        assert not etc.events.take()

    def test_a_later_change_is_told_again(self, etc: Etc) -> None:
        etc.change_users()
        etc.events.take()
        etc.change_users()
        assert etc.events.take()

    def test_other_files_are_not_told_of(self, etc: Etc) -> None:
        etc.change_another_file()
        assert not etc.events.take()


class RealEtc:
    """A directory."""

    def __init__(self, root: Path) -> None:
        self._etc = root / "etc"
        self._etc.mkdir()
        self._replace("passwd")
        self.events = name_watch.NameEvents(root)

    def _replace(self, name: str) -> None:
        (self._etc / f"{name}+").write_text("root:x:0:0::/root:/bin/sh\n")
        (self._etc / f"{name}+").rename(self._etc / name)

    def change_users(self) -> None:
        self._replace("passwd")

    def change_another_file(self) -> None:
        self._replace("motd")


class FakeEtc:
    def __init__(self) -> None:
        self.events = FakeNameEvents()

    def change_users(self) -> None:
        self.events.changed = True

    def change_another_file(self) -> None:
        pass


class TestNameWatch(NameEventsContract):
    @pytest.fixture
    def etc(self, tmp_path: Path) -> Iterator[Etc]:
        etc = RealEtc(tmp_path)
        yield etc
        etc.events.close()


class TestFakeNameEvents(NameEventsContract):
    @pytest.fixture
    def etc(self) -> Etc:
        return FakeEtc()
