# SPDX-License-Identifier: GPL-2.0-or-later
"""A batch has happened when its last change is acknowledged, has not after any error, and else nobody knows."""

from __future__ import annotations

import errno
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from secmarkd.adapters.netlink.batch import NetlinkBatch
from secmarkd.adapters.netlink.errors import refused_batch
from secmarkd.change.early_repair import ElementChange
from secmarkd.errors import Conflict, KernelError, PermissionMissing, WorkerFailed
from tests.support.raw_netlink import kernel_pair

ERROR = 2
BEGIN, END = 0x10, 0x11
CHANGES = (ElementChange("m", False, b"gone"), ElementChange("m", True, b"here"))
Ends = tuple[socket.socket, NetlinkBatch]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    monkeypatch.setattr("secmarkd.adapters.netlink.batch._PATIENCE", 0.001)
    monkeypatch.setattr("secmarkd.adapters.netlink.socket.first_sequence", lambda: 1)
    ours, theirs = kernel_pair()
    with closing(theirs), closing(NetlinkBatch(ours)) as batch:
        yield theirs, batch


def answer(sequence: int, number: int = 0) -> bytes:
    return struct.pack("=IHHIIi", 20, ERROR, 0, sequence, 0, -number)


def asked(data: bytes) -> list[tuple[int, int, int]]:
    """Kind, flags and sequence of each message."""
    found, place = [], 0
    while place < len(data):
        length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", data, place)
        found.append((kind, flags, sequence))
        place += length
    return found


def test_changes_go_in_one_piece_between_begin_and_end_with_the_generation(ends: Ends) -> None:
    kernel, batch = ends
    kernel.send(answer(3))
    batch.commit("secmarkd", CHANGES, 0x01020304)
    data = kernel.recv(65536)
    assert asked(data) == [(BEGIN, 1, 1), (10 << 8 | 14, 1, 2), (10 << 8 | 12, 0x405, 3), (END, 1, 4)]
    assert data[16:28] == b"\0\0\0\x0a" + struct.pack("=HH", 8, 1) + b"\1\2\3\4"


def test_no_change_is_nothing_to_ask(ends: Ends) -> None:
    kernel, batch = ends
    batch.commit("secmarkd", (), 7)
    kernel.setblocking(False)
    with pytest.raises(BlockingIOError):
        kernel.recv(1)


@pytest.mark.parametrize(
    "answers",
    [[answer(1, errno.ERESTART)], [answer(2, errno.ERESTART), answer(3)], [answer(3, errno.ERESTART)]],
    ids=["of all", "of one that is not the last", "of the last"],
)
def test_any_error_means_that_nothing_has_happened(ends: Ends, answers: list[bytes]) -> None:
    kernel, batch = ends
    for each in answers:
        kernel.send(each)
    with pytest.raises(OSError, match="restarted") as caught:
        batch.commit("secmarkd", CHANGES, 7)
    assert caught.value.errno == errno.ERESTART


def test_answers_to_an_earlier_batch_are_passed_over(ends: Ends) -> None:
    kernel, batch = ends
    kernel.send(answer(3))
    batch.commit("secmarkd", CHANGES, 7)
    for each in (answer(3, errno.ENOENT), answer(7)):
        kernel.send(each)
    batch.commit("secmarkd", CHANGES, 8)


def test_silence_is_a_timeout(ends: Ends) -> None:
    _, batch = ends
    with pytest.raises(TimeoutError):
        batch.commit("secmarkd", CHANGES, 7)


def test_too_much_for_a_message_is_refused_before_anything_is_sent(ends: Ends) -> None:
    _, batch = ends
    with pytest.raises(ValueError, match="65540 bytes"):
        batch.commit("secmarkd", (ElementChange("m", True, bytes(65536)),), 7)


@pytest.mark.parametrize(
    ("error", "typed"),
    [
        (OSError(errno.ERESTART, ""), Conflict),
        (OSError(errno.ENOENT, ""), Conflict),
        (OSError(errno.EEXIST, ""), Conflict),
        (OSError(errno.EBUSY, ""), Conflict),
        (OSError(errno.EPERM, ""), PermissionMissing),
        (TimeoutError(), WorkerFailed),
        (OSError(errno.ENOMEM, ""), KernelError),
    ],
    ids=str,
)
def test_errors_are_typed_by_what_is_known_afterwards(error: OSError, typed: type[KernelError]) -> None:
    assert type(refused_batch(error, ["m"])) is typed


def test_an_error_is_typed_without_a_descriptor_to_spare() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        refused = refused_batch(OSError(errno.EPERM, ""), ["m"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert type(refused) is PermissionMissing
