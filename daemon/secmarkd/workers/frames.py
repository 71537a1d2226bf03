# SPDX-License-Identifier: GPL-2.0-or-later
"""Values between a process and its child: pickles, each after its length. Both ends are this program, of one version: the
first frame of a child says of which, and is no pickle."""

from __future__ import annotations

import contextlib
import pickle
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from secmarkd.errors import SecmarkdError

_LENGTH = struct.Struct("!Q")
_LARGEST = 1 << 30
"""Bytes of a frame. A million elements packed are some 40 MB; more than this is no frame of ours."""
_LONGEST_VERSION = 200
_CHUNK = 1 << 18
Meanwhile = Callable[[], None]
"""What is done a few times a second while the other end is waited for."""
_MEANWHILE_SECONDS = 0.2
"""From one to the next of what is done meanwhile."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the child's handler returned."""

    answer: object
    final: bool
    """Whether the child ends now."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An error of ours from the child's handler, in parts: those with keyword arguments cannot be pickled whole."""

    kind: type[SecmarkdError]
    arguments: tuple[object, ...]
    state: dict[str, object]


@dataclass(frozen=True, slots=True)
class Failed:
    """Any other exception of the child's handler: a lack of memory, or a mistake of this program."""

    summary: str
    """Such as `ValueError: what (decode.py:17)`."""
    trace: str
    out_of_memory: bool


class Ended(Exception):
    """The other end closed the socket."""


class Late(Exception):
    """The deadline passed."""


def to_frame(content: object) -> bytes:
    """The bytes that `receive` turns into the content again."""
    payload = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(payload)) + payload


def send(
    connection: socket.socket, frame: bytes, end: float | None = None, meanwhile: Meanwhile | None = None
) -> None:
    """Send a frame whole, on a socket that does not block and until `end` (time.monotonic() seconds; then Late), or on
    one that does and without."""
    left = memoryview(frame)
    while left:
        _wait(connection, select.POLLOUT, end, meanwhile)
        with contextlib.suppress(BlockingIOError):
            left = left[connection.send(left, socket.MSG_NOSIGNAL) :]


def receive(connection: socket.socket, end: float | None = None, meanwhile: Meanwhile | None = None) -> Any:
    """The content of the next frame; `end` as in `send`. Ended, Late, or whatever unpickling raises."""
    (length,) = _LENGTH.unpack(_bytes(connection, _LENGTH.size, end, meanwhile))
    if length > _LARGEST:
        raise ValueError(f"a frame of {length} bytes")
    return pickle.loads(_bytes(connection, length, end, meanwhile))


def send_version(connection: socket.socket, version: bytes) -> None:
    """The first frame of a child."""
    send(connection, _LENGTH.pack(len(version)) + version)


def receive_version(connection: socket.socket, end: float, meanwhile: Meanwhile | None = None) -> bytes:
    """What the first frame says, as far as it can be one; Ended, Late."""
    (length,) = _LENGTH.unpack(_bytes(connection, _LENGTH.size, end, meanwhile))
    return _bytes(connection, min(length, _LONGEST_VERSION), end, meanwhile)


def _wait(connection: socket.socket, event: int, end: float | None, meanwhile: Meanwhile | None) -> None:
    if end is None:
        return
    poll = select.poll()
    poll.register(connection, event)
    while (left := end - time.monotonic()) > 0:
        if poll.poll(1000 * (left if meanwhile is None else min(left, _MEANWHILE_SECONDS))):
            return
        if meanwhile is not None:
            meanwhile()
    raise Late


def _bytes(connection: socket.socket, size: int, end: float | None, meanwhile: Meanwhile | None) -> bytes:
    parts: list[bytes] = []
    while size:
        _wait(connection, select.POLLIN, end, meanwhile)
        with contextlib.suppress(BlockingIOError):
            part = connection.recv(min(size, _CHUNK))
            if not part:
                raise Ended
            parts.append(part)
            size -= len(part)
    return b"".join(parts)
