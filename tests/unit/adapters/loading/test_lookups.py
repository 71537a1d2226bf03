# SPDX-License-Identifier: GPL-2.0-or-later
"""Lookups that nobody waits for, each in a process of its own."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from secmarkd.adapters.loading.lookups import ChildLookups
from secmarkd.errors import WorkerFailed
from secmarkd.model.names import Found, Name, NameKind

ROOT, GHOST = Name(NameKind.USER, "root"), Name(NameKind.USER, "no-user-has-this-name")


@pytest.fixture
def lookups() -> Iterator[ChildLookups]:
    lookups = ChildLookups()
    yield lookups
    lookups.close()


def readable(lookups: ChildLookups, seconds: float) -> bool:
    return bool(select.select([lookups.fileno()], [], [], seconds)[0])


def answer(lookups: ChildLookups) -> Found | None:
    """The descriptor may be readable before: the child says of which version it is first."""
    while readable(lookups, 30):
        if found := lookups.take():
            return found
    return None


def test_an_answer_is_told_by_the_descriptor_and_taken_once(lookups: ChildLookups) -> None:
    assert lookups.take() is None
    descriptor = lookups.fileno()
    for _ in range(2):
        lookups.begin([ROOT, GHOST])
        assert lookups.fileno() == descriptor
        found = answer(lookups)
        assert found is not None
        assert found.numbers == {ROOT: 0}
        assert list(found.missing) == [GHOST]
        assert lookups.take() is None
        assert not readable(lookups, 0)


def test_a_process_that_dies_has_no_answer(lookups: ChildLookups) -> None:
    lookups.begin([ROOT])
    pid = lookups.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerFailed, match="the lookup of names died of SIGKILL"):
        answer(lookups)
    lookups.begin([ROOT])
    assert answer(lookups) is not None


def test_what_is_given_up_is_gone_at_once_and_never_answers(lookups: ChildLookups) -> None:
    lookups.begin([ROOT])
    pid = lookups.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    lookups.abandon()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not readable(lookups, 0)
    assert lookups.take() is None
