# SPDX-License-Identifier: GPL-2.0-or-later
"""Netlink sockets that believe nobody but the kernel: the one place where datagrams of netlink are sent and received.

Any process with CAP_NET_ADMIN can send to the port of any netlink socket, and the ports are in /proc/net/netlink. So a
socket here is connected to the kernel, which then refuses what others send to it (netlink_getsockbyportid; a multicast is
not refused), a datagram whose sender is not port 0 is passed over, and sequence numbers begin where nobody can guess.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
FAMILY = struct.Struct("=BBH")  # struct nfgenmsg; its last field is big-endian and 0 in requests
ATTRIBUTE = struct.Struct("=HH")

_NETLINK_NETFILTER = 12
_SEQUENCES = 1 << 32
_FIRST_SEQUENCES = 1 << 31


@dataclass(frozen=True, slots=True)
class Message:
    """A request: type, flags (NLM_F_*) and what follows the header."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the kernel."""

    kind: int
    flags: int
    number: int
    """Which of the messages that were sent last it answers, from 0; negative or too large for others."""
    body: bytes


def first_sequence() -> int:
    """A number that nobody can guess. (The module `secrets` would load all of OpenSSL for it.)"""
    return int.from_bytes(os.urandom(4), "big") % _FIRST_SEQUENCES


class Link:
    """A socket to netfilter's subsystems for requests. Errors are OSError; TimeoutError where no answer comes."""

    def __init__(self, link: socket.socket | None = None, *, patience: float) -> None:
        """`patience` in seconds. `link` takes the place of a netlink socket."""
        self._socket = link or open_link()
        self._socket.settimeout(patience)
        self._patience = patience
        self._next = first_sequence()
        self._first = self._next

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def send(self, messages: Iterable[Message]) -> None:
        """Send requests in one datagram."""
        self._first = self._next
        self._socket.send(b"".join([self._numbered(each) for each in messages]))

    def receive(self, size: int) -> Iterator[Answer]:
        """The messages of the kernel's next datagram, of at most `size` bytes."""
        return self.answers(self.datagram(size))

    def datagram(self, size: int) -> bytes:
        """The kernel's next datagram, of at most `size` bytes."""
        end = time.monotonic() + self._patience
        while (data := receive(self._socket, size)) is None:
            if time.monotonic() > end:
                raise TimeoutError("others send, and the kernel does not answer")
        return data

    def answers(self, data: bytes) -> Iterator[Answer]:
        """The messages of a datagram."""
        for kind, flags, sequence, body in messages(data):
            yield Answer(kind, flags, (sequence - self._first) % _SEQUENCES, body)

    def _numbered(self, message: Message) -> bytes:
        header = HEADER.pack(HEADER.size + len(message.body), message.kind, message.flags, self._next, 0)
        self._next = (self._next + 1) % _SEQUENCES
        return header + message.body


def open_link(protocol: int = _NETLINK_NETFILTER) -> socket.socket:
    """A netlink socket that is connected to the kernel. OSError where the kernel has none of this protocol."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        link.connect((0, 0))
    except BaseException:
        link.close()
        raise
    return link


def receive(link: socket.socket, size: int) -> bytes | None:
    """The next datagram; None for one that another process has sent."""
    datagram, sender = link.recvfrom(size)
    return datagram if sender[0] == 0 else None


def messages(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence and body of each message, up to the first that is cut off."""
    place = 0
    while place + HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = HEADER.unpack_from(datagram, place)
        if length < HEADER.size:
            return
        yield kind, flags, sequence, datagram[place + HEADER.size : place + length]
        place += aligned(length)


def aligned(length: int) -> int:
    """Where the next message or attribute begins: netlink keeps to multiples of four."""
    return (length + 3) & ~3
