# SPDX-License-Identifier: GPL-2.0-or-later
"""What is not the kernel's answer to what was asked is passed over."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from secmarkd.adapters.netlink.socket import Link, receive
from secmarkd.netlink.codec import NLMSGHDR, Message, messages
from secmarkd.netlink.numbers import NlmF, Nlmsg
from tests.support.raw_netlink import FromKernel, kernel_pair

SIZE = 65536


class FromSomebody(FromKernel):
    """One end of a pair, at which all that arrives was sent by another process."""

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, tuple[int, int]]:
        return self.recv(size, flags), (4711, 0)


@pytest.fixture
def ends() -> Iterator[tuple[Link, socket.socket]]:
    ours, theirs = kernel_pair()
    with closing(theirs), closing(Link(ours, patience=1.0)) as link:
        yield link, theirs


def asked(kernel: socket.socket) -> list[int]:
    return [each.sequence for each in messages(kernel.recv(SIZE))]


def test_messages_are_numbered_one_after_another(ends: tuple[Link, socket.socket]) -> None:
    link, kernel = ends
    link.send([Message(1, 2, b"abcd"), Message(3, 4, b"")])
    first, second = asked(kernel)
    assert second == first + 1
    kernel.send(NLMSGHDR.pack(16, 9, 0, second, 0) + NLMSGHDR.pack(16, 9, 0, first - 1, 0))
    assert [place for place, _ in link.answers(link.datagram())] == [1], "an answer to something else is passed over"


def test_no_two_links_begin_alike() -> None:
    firsts = set()
    for _ in range(20):
        ours, theirs = kernel_pair()
        with closing(theirs), closing(Link(ours, patience=1.0)) as link:
            link.send([Message(1, 1, b"")])
            firsts |= set(asked(theirs))
    assert len(firsts) == 20
    assert max(firsts) > 1 << 20


def test_a_number_goes_on_after_the_greatest(
    ends: tuple[Link, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    link, kernel = ends
    monkeypatch.setattr(link, "_next", (1 << 32) - 1)
    link.send([Message(1, 1, b""), Message(1, 1, b"")])
    assert asked(kernel) == [(1 << 32) - 1, 0]
    kernel.send(NLMSGHDR.pack(16, 9, 0, 0, 0))
    assert [place for place, _ in link.answers(link.datagram())] == [1]


def test_what_another_process_sends_is_nothing() -> None:
    ours, theirs = kernel_pair()
    with closing(theirs), closing(FromSomebody(fileno=ours.detach())) as link:
        theirs.send(b"forged")
        assert receive(link, SIZE) is None


def test_who_sends_without_end_does_not_hold_us_up_without_end() -> None:
    ours, theirs = kernel_pair()
    with closing(theirs), closing(Link(FromSomebody(fileno=ours.detach()), patience=0.05)) as link:
        theirs.setblocking(False)
        for _ in range(50):
            theirs.send(b"forged")
        with pytest.raises(TimeoutError):
            link.datagram()


def test_an_answer_that_is_cut_off_is_an_error_and_no_answer(ends: tuple[Link, socket.socket]) -> None:
    link, kernel = ends
    link.send([Message(1, 1, b"")])
    (first,) = asked(kernel)
    kernel.send(Message(9, 0, b"whole", first).encoded()[:-4])
    with pytest.raises(OSError, match="cut off") as caught:
        list(link.answers(link.datagram()))
    assert caught.value.errno == errno.EPROTO


def test_a_list_ends_with_its_last_message_and_says_whether_it_was_interrupted(
    ends: tuple[Link, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    link, kernel = ends
    for flags, still in ((0, True), (NlmF.DUMP_INTR, False)):
        monkeypatch.setattr(link, "_next", 5)
        kernel.send(Message(9, 0, b"one!", 5).encoded() + Message(9, flags, b"two!", 5).encoded())
        kernel.send(Message(Nlmsg.DONE, 0, bytes(4), 5).encoded())
        listed, stayed = link.list_all(Message(8, NlmF.REQUEST, b""))
        assert ([each.body for each in listed], stayed) == ([b"one!", b"two!"], still)
