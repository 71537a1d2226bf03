# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of the agent's port: requests out, replies matched to them by number. See guest/agent.py."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

LENGTHS = struct.Struct("!II")


class ChannelError(Exception):
    """The agent refused a request, or the channel closed (by a restore, or with the machine)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply's header and payload."""

    header: dict[str, Any]
    payload: bytes


class Channel:
    """Any number of requests at once, from any thread. A restore of the machine closes it and opens another."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Reply]] = {}
        self._closed = False
        self._reader = threading.Thread(target=self._receive, name="vm-channel", daemon=True)
        self._reader.start()

    def request(self, op: str, payload: bytes = b"", **fields: Any) -> tuple[int, Future[Reply]]:
        """Send a request; its number, and the reply to come. ChannelError when the channel is closed."""
        number = next(self._numbers)
        future: Future[Reply] = Future()
        header = json.dumps({"id": number, "op": op, **fields}).encode()
        with self._writing:
            if self._closed:
                raise ChannelError("the channel to the machine is closed")
            self._waiting[number] = future
            try:
                self._socket.sendall(LENGTHS.pack(len(header), len(payload)) + header + payload)
            except OSError as error:
                raise ChannelError("the channel to the machine closed while sending") from error
        return number, future

    def ask(self, op: str, payload: bytes = b"", *, timeout: float, **fields: Any) -> Reply:
        """Send a request and wait `timeout` seconds for the reply: TimeoutError, or ChannelError."""
        return self.request(op, payload, **fields)[1].result(timeout)

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self._socket.recv(min(count - len(data), 1 << 20))
            if not part:
                raise ConnectionResetError
            data += part
        return bytes(data)

    def _receive(self) -> None:
        try:
            while True:
                header_length, payload_length = LENGTHS.unpack(self._exactly(LENGTHS.size))
                header = json.loads(self._exactly(header_length))
                self._settle(Reply(header, self._exactly(payload_length)))
        except (OSError, ValueError):
            self._fail()

    def _settle(self, reply: Reply) -> None:
        future = self._waiting.pop(reply.header["id"], None)
        if future is None:
            return
        if error := reply.header.get("error"):
            future.set_exception(ChannelError(f"the agent in the machine: {error}"))
        else:
            future.set_result(reply)

    def _fail(self) -> None:
        with self._writing:
            self._closed = True
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(ChannelError("the machine was restored or closed meanwhile"))

    def close(self) -> None:
        """Void every request under way: those who wait for one get ChannelError."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()
