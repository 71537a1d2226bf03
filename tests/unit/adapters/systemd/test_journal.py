# SPDX-License-Identifier: GPL-2.0-or-later
"""Events on their way to the journal: what is sent, and what becomes of them while nobody takes any."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from secmarkd.adapters.systemd.journal import LONGEST_VALUE, Lines, Outbox, SystemdJournal, is_journal, open_journal
from secmarkd.events import CgroupAbsent, DriftDetected, Event, RepairFailed, Stopped
from tests.fakes.service import FakeClock
from tests.support.journald import Journald

pytestmark = pytest.mark.fault(43)

DRIFT = DriftDetected("element", "missing", "server_port { tcp . 80 }", "s_http", "", "repaired")


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    journald = Journald(tmp_path / "socket")
    yield journald
    journald.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def numbered(count: int) -> list[Event]:
    return [CgroupAbsent(str(number)) for number in range(count)]


def names(messages: list[str]) -> list[str]:
    """`3` for `cgroup 3 does not …`; other messages whole."""
    return [each.split()[1] if each.startswith("cgroup ") else each for each in messages]


# --- what is sent ---


def test_the_journal_gets_sentence_id_priority_and_fields(journald: Journald, clock: FakeClock) -> None:
    Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock).write(DRIFT)
    assert journald.read() == [
        {
            "MESSAGE": "drift: element missing: server_port { tcp . 80 }; expected s_http",
            "MESSAGE_ID": DRIFT.MESSAGE_ID, "PRIORITY": "4", "SYSLOG_IDENTIFIER": "secmarkd",
            "SECMARKD_THING": "element", "SECMARKD_CHANGE": "missing", "SECMARKD_EXPECTED": "s_http",
            "SECMARKD_OBJECT": "server_port { tcp . 80 }", "SECMARKD_ACTION": "repaired",
        }
    ]  # fmt: skip


def test_several_lines_odd_characters_and_endless_texts_arrive_as_one_entry(
    journald: Journald, clock: FakeClock
) -> None:
    outbox = Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock)
    outbox.write(RepairFailed(1, "one\nMESSAGE=two\n", "caf\udce9"))
    outbox.write(RepairFailed(1, "x" * 1_000_000, "y" * 1_000_000))
    first, second = journald.read()
    assert first["SECMARKD_ERROR"] == "one\nMESSAGE=two\n"
    assert first["MESSAGE"].startswith("repair of 1 difference failed: one\nMESSAGE=two")
    assert first["SECMARKD_HINT"] == "caf\\udce9"
    assert second["SECMARKD_ERROR"] == "x" * LONGEST_VALUE


def test_outside_systemd_events_are_lines(clock: FakeClock) -> None:
    stream = io.StringIO()
    open_journal({}, clock, stream).write(DRIFT)
    assert (
        stream.getvalue() == "secmarkd: warning: drift: element missing: server_port { tcp . 80 }; expected s_http\n"
    )


def test_stderr_is_the_journal_where_device_and_inode_say_so(tmp_path: Path) -> None:
    with open(tmp_path / "stderr", "w") as stream:
        status = os.fstat(stream.fileno())
        assert is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, stream)
        assert not is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"}, stream)
        assert not is_journal({}, stream)
    without_descriptor: TextIO = io.StringIO()
    assert not is_journal({"JOURNAL_STREAM": "1:2"}, without_descriptor)


# --- a journal that takes nothing ---


def test_what_a_full_queue_does_not_take_waits_in_order_and_says_how_late_it_is(
    journald: Journald, clock: FakeClock
) -> None:
    outbox = Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock, room=1000)
    every = numbered(900)  # more than any net.unix.max_dgram_qlen of a machine with systemd
    for event in every:
        outbox.write(event)
    queued = journald.messages()
    assert 0 < len(queued) < 900
    assert outbox.due() == clock.now + 1
    clock.sleep(5)
    while outbox.due() < float("inf"):
        clock.now = max(clock.now, outbox.due())
        outbox.flush()
        queued += journald.messages()
    assert names(queued) == [str(number) for number in range(900)]
    assert queued[0] == str(every[0])
    assert queued[-1].endswith(" s)")


def test_a_socket_that_is_gone_and_comes_back_costs_nothing(journald: Journald, clock: FakeClock) -> None:
    outbox = Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock)
    journald.close()
    outbox.write(DRIFT)
    assert outbox.due() == clock.now + 1
    clock.sleep(1)
    outbox.flush()
    assert outbox.due() == clock.now + 2
    journald.open()
    clock.sleep(2)
    outbox.flush()
    (entry,) = journald.read()
    assert entry["MESSAGE"] == f"{DRIFT} (delayed 3 s)"
    assert entry["SECMARKD_LATE_SECONDS"] == "3.000"
    assert outbox.due() == float("inf")


def test_the_next_event_takes_along_what_waits(journald: Journald, clock: FakeClock) -> None:
    outbox = Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock)
    journald.close()
    outbox.write(numbered(1)[0])
    journald.open()
    outbox.write(DRIFT)
    assert names(journald.messages()) == ["0", str(DRIFT)]
    assert outbox.due() == float("inf")


@pytest.mark.fault(43)
def test_what_has_no_room_is_counted_where_it_is_missing(journald: Journald, clock: FakeClock) -> None:
    outbox = Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock, room=2)
    journald.close()
    for event in numbered(5):
        outbox.write(event)
    journald.open()
    outbox.write(DRIFT)
    assert names(journald.messages()) == [
        "0", "1", "4 events dropped: journald did not accept them",
    ]  # fmt: skip
    outbox.write(DRIFT)
    assert journald.messages() == [str(DRIFT)]


def test_a_burst_while_the_journal_is_away_does_not_put_off_the_next_try(
    journald: Journald, clock: FakeClock
) -> None:
    outbox = Outbox(SystemdJournal(journald.sendv, str(journald.path)), clock)
    journald.close()
    for event in numbered(50):
        outbox.write(event)
    assert outbox.due() == clock.now + 1


def test_a_pipe_that_nobody_reads_is_not_waited_for(clock: FakeClock) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with open(reader, "rb", buffering=0) as reading, open(writer, "w") as stream:
        outbox = Outbox(Lines(stream), clock)
        for number in range(100):
            outbox.write(Stopped(f"kept {number} {'x' * 5000}"))
        assert outbox.due() < float("inf")
        said = b""
        while outbox.due() < float("inf"):
            said += reading.read(4096)
            clock.now = outbox.due()
            outbox.flush()
        said += reading.read(4096)
    assert said.count(b"\n") == 100


def test_a_closed_stderr_raises_nothing(clock: FakeClock) -> None:
    stream = io.StringIO()
    stream.close()
    Outbox(Lines(stream), clock).write(DRIFT)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        Outbox(Lines(pipe), clock).write(DRIFT)
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), writer)  # so that closing it raises nothing
