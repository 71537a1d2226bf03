# SPDX-License-Identifier: GPL-2.0-or-later
"""Netlink sockets that believe nobody but the kernel: the one place where netlink is sent, received and waited for.

Any process with CAP_NET_ADMIN can send to the port of any netlink socket, and the ports are in /proc/net/netlink. So a
socket here is connected to the kernel, which then refuses what others send to it (netlink_getsockbyportid; a multicast is
not refused), a datagram whose sender is not port 0 is passed over, and sequence numbers begin where nobody can guess.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterable, Iterator

from secmarkd.netlink.codec import Message, messages
from secmarkd.netlink.numbers import Netlink, NlmF

_SEQUENCES = 1 << 32
_FIRST_SEQUENCES = 1 << 31
_BUFFER = 1 << 16


def first_sequence() -> int:
    """A number that nobody can guess. (The module `secrets` would load all of OpenSSL for it.)"""
    return int.from_bytes(os.urandom(4), "big") % _FIRST_SEQUENCES


class Link:
    """A socket for requests to the kernel. Errors are OSError with the kernel's errno; TimeoutError where no answer comes;
    EPROTO for an answer that is not netlink's. After an error close it: answers to what was asked may still come."""

    def __init__(self, link: socket.socket | None = None, *, patience: float, buffer: int = _BUFFER) -> None:
        """`patience` in seconds; `buffer` in bytes, for one datagram; `link` takes the place of a socket to netfilter."""
        self._socket = link or open_link()
        self._socket.settimeout(patience)
        self._patience = patience
        self._buffer = buffer
        self._next = first_sequence()
        self._first = self._next

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def ask(self, request: Message) -> Message:
        """The one answer to a request."""
        self.send([request])
        return next(answer for _, answer in self._answers())

    def list_all(self, request: Message) -> tuple[list[Message], bool]:
        """All that the kernel lists, and whether it stayed as it was meanwhile (NLM_F_DUMP_INTR)."""
        self.send([request._replace(flags=request.flags | NlmF.DUMP)])
        listed: list[Message] = []
        still = True
        for _, answer in self._answers():
            still = still and not answer.flags & NlmF.DUMP_INTR
            if answer.error is not None:
                break
            listed.append(answer)
        return listed, still

    def transact(self, requests: list[Message], last: int) -> None:
        """Send requests in one datagram, and wait for the acknowledgement of the one at the place `last`. An error of any
        one is raised."""
        self.send(requests)
        next(answer for place, answer in self._answers() if place == last and answer.error is not None)

    def send(self, requests: Iterable[Message]) -> None:
        """Send requests in one datagram."""
        self._first = self._next
        self._socket.send(b"".join([self._numbered(each) for each in requests]))

    def datagram(self) -> bytes:
        """The kernel's next datagram."""
        end = time.monotonic() + self._patience
        while (data := receive(self._socket, self._buffer)) is None:
            if time.monotonic() > end:
                raise TimeoutError("others send, and the kernel does not answer")
        return data

    def answers(self, data: bytes) -> Iterator[tuple[int, Message]]:
        """Of a datagram the answers to what was sent last, with the request's place in that, from 0."""
        sent = (self._next - self._first) % _SEQUENCES
        try:
            for message in messages(data):
                place = (message.sequence - self._first) % _SEQUENCES
                if place < sent:
                    yield place, message
        except ValueError as error:
            raise OSError(errno.EPROTO, f"{error} in the kernel's answer") from error

    def _answers(self) -> Iterator[tuple[int, Message]]:
        """Answers without end, up to the first error."""
        while True:
            for place, answer in self.answers(self.datagram()):
                raise_error(answer)
                yield place, answer

    def _numbered(self, message: Message) -> bytes:
        data = message._replace(sequence=self._next).encoded()
        self._next = (self._next + 1) % _SEQUENCES
        return data


def raise_error(answer: Message) -> None:
    """OSError for an answer that is an error."""
    if answer.error:
        raise OSError(answer.error, os.strerror(answer.error))


def open_link(protocol: int = Netlink.NETFILTER) -> socket.socket:
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
