# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.Writers, for /proc and for the fake."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from secmarkd.adapters.host.processes import Processes
from secmarkd.ports import Committed, Writer, Writers
from tests.fakes.writers import FakeWriters


def committed_by_one_that_ended() -> Committed:
    """A transaction of a process that is gone."""
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    return Committed(generation=7, thread=process.pid, comm="true")


class WritersContract:
    """To be inherited, with a fixture `writers`."""

    def test_the_event_says_the_name_of_one_that_has_ended_and_nothing_says_more(self, writers: Writers) -> None:
        writer = writers.glimpse(committed_by_one_that_ended())()
        assert replace(writer, pid=None) == Writer("true")

    def test_an_answer_stays_the_same(self, writers: Writers) -> None:
        understood = writers.glimpse(committed_by_one_that_ended())
        assert understood() == understood()

    def test_a_thread_without_a_number_is_no_process(self, writers: Writers) -> None:
        assert writers.glimpse(Committed(generation=7, thread=0, comm="nft"))() == Writer("nft")

    @pytest.mark.parametrize("comm", ["a\nb", "\x1b[2J", "caf\udce9", "\u202e"])
    def test_whatever_name_a_process_chooses_is_printable_and_on_one_line(self, writers: Writers, comm: str) -> None:
        writer = writers.glimpse(replace(committed_by_one_that_ended(), comm=comm))()
        assert writer.comm.isprintable()


class TestProcesses(WritersContract):
    @pytest.fixture
    def writers(self) -> Writers:
        return Processes()


class TestFakeWriters(WritersContract):
    @pytest.fixture
    def writers(self) -> Writers:
        return FakeWriters()
