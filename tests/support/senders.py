# SPDX-License-Identifier: GPL-2.0-or-later
"""Senders with as little of their own cost as Python allows: sendmmsg by ctypes, and small TCP segments."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Sequence

from tests.support.namespace import Namespace

_libc = ctypes.CDLL(None, use_errno=True)
_SO_ATTACH_FILTER = 26
_TCP_INFO_BYTES, _DATA_SEGS_OUT = 192, 156  # struct tcp_info of linux/tcp.h
_PAYLOAD = 18


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
        ("vector", ctypes.c_void_p), ("vector_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint32), ("padding", ctypes.c_uint32),
    )  # fmt: skip


class UdpSender:
    """Datagrams from one socket to many addresses and ports, thousands a system call.

    The receiving sockets have a filter that drops everything: so a packet ends right behind the input hook, and nobody has
    to read it. With `answered`, each flow first has a datagram each way, which makes conntrack call it established.
    """

    def __init__(
        self, sender: Namespace, receiver: Namespace, ends: Sequence[tuple[str, int]], batch: int, answered: bool
    ) -> None:
        with sender.enter():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("0.0.0.0", 0))
        self._receivers = [_listener(receiver, address, port) for address, port in ends]
        if answered:
            for each, end in zip(self._receivers, ends, strict=True):
                self._socket.sendto(b"question", end)
                each.sendto(b"answer", each.recvfrom(100)[1])
                self._socket.recv(100)
        for each in self._receivers:
            _drop_all(each)
        self.batch = batch
        self.packets = len(ends) if answered else 0
        """Sent so far."""
        self._payload = ctypes.create_string_buffer(_PAYLOAD)
        self._vector = _IoVec(ctypes.addressof(self._payload), _PAYLOAD)
        self._names = [
            ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack("!H", port)
                                        + socket.inet_aton(address) + bytes(8), 16)
            for address, port in ends
        ]  # fmt: skip
        self._headers = (_Header * batch)()
        for number, header in enumerate(self._headers):
            header.name, header.name_length = ctypes.addressof(self._names[number % len(ends)]), 16
            header.vector, header.vector_length = ctypes.addressof(self._vector), 1

    def send(self, most: int = 0) -> float:
        """One batch, or so many packets of one; seconds per packet."""
        count = min(most or self.batch, self.batch)
        done, start = 0, time.perf_counter_ns()
        while done < count:
            sent = _libc.sendmmsg(self._socket.fileno(), ctypes.byref(self._headers, done * ctypes.sizeof(_Header)),
                                  count - done, 0)  # fmt: skip
            if sent < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            done += sent
        self.packets += done
        return (time.perf_counter_ns() - start) / count * 1e-9

    def close(self) -> None:
        """Close all sockets."""
        for each in (self._socket, *self._receivers):
            each.close()


class TcpSender:
    """Small segments on one open connection, one a write; the other end reads them all after each batch."""

    def __init__(self, sender: Namespace, receiver: Namespace, address: str, port: int, batch: int) -> None:
        with receiver.enter():
            listener = socket.create_server((address, port))
        with sender.enter():
            self._socket = socket.create_connection((address, port), timeout=10)
        self._accepted, _ = listener.accept()
        listener.close()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.batch = batch

    def send(self, most: int = 0) -> float:
        """One batch, or so many segments of one; seconds per segment that was sent."""
        count = min(most or self.batch, self.batch)
        write, before = self._socket.send, self._segments()
        start = time.perf_counter_ns()
        for _ in range(count):
            write(b"x")
        taken = time.perf_counter_ns() - start
        left = count
        while left:
            left -= len(self._accepted.recv(65536))
        return taken / max(1, self._segments() - before) * 1e-9

    def _segments(self) -> int:
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        number: int = struct.unpack_from("=I", info, _DATA_SEGS_OUT)[0]
        return number

    def close(self) -> None:
        """Close both ends."""
        self._socket.close()
        self._accepted.close()


def _listener(where: Namespace, address: str, port: int) -> socket.socket:
    with where.enter():
        result = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    result.settimeout(10)
    result.bind((address, port))
    return result


def _drop_all(receiver: socket.socket) -> None:
    """Attach the socket filter `ret 0`."""
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0), 8)
    receiver.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(code)))
