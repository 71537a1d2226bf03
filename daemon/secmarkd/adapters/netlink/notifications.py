# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's events about nf_tables: who committed a transaction, and whether it touched our table. Never a listing.

Both come over the multicast group NFNLGRP_NFTABLES. For each commit the kernel sends one message for everything that was
changed, several of them packed into one datagram (linux 67cc570edaa0, 5.10), and then, in a datagram of its own, NEWGEN
with the new generation, the thread that committed, and its name (nft_commit_notify, nf_tables_gen_notify).
The transaction is in force before the first of these messages is sent.

So there are two sockets. One lets only NEWGEN through, by a classic BPF filter: 44 bytes a commit, so that a transaction of
100,000 elements cannot make it overflow (without a filter, 1,446 do). The other one takes the rest and is looked at only
after a NEWGEN: a message about our table, or its overflow, means that our table may have changed; silence means that it has
not, at the cost of one system call instead of a listing. Each message has the last 16 bits of its transaction's generation
(nfgenmsg.res_id, nft_base_seq), and one about an element all of it, as in a dump; one that retargets an element comes as a
deletion and an addition.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator

from secmarkd.adapters.netlink.socket import open_link, receive
from secmarkd.change.early_repair import MOST, ElementChange
from secmarkd.netlink.codec import NFGENMSG, Message, as_number, attributes, messages, nft
from secmarkd.netlink.numbers import OF_TABLE, Gen, Netlink, Nfnlgrp, Nfproto, NftMsg, SetElemList
from secmarkd.ports import Committed, News, Touched
from secmarkd.table.table import NAME

_ADDED, _DELETED = nft(NftMsg.NEWSETELEM), nft(NftMsg.DELSETELEM)
_SOL_NETLINK = 270
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_BPF_LDH_ABS, _BPF_JEQ, _BPF_RET = 0x28, 0x15, 0x06
_WHOLE, _NOTHING = 0xFFFFFFFF, 0
_TYPE_OFFSET = 4
"""Of nlmsg_type in struct nlmsghdr."""
_DATAGRAM_BYTES = 65536
_MOST_TOUCHES = 2 * MOST
"""Changes of elements that are told one by one: more would be no hint, and another transaction may come before."""
RECEIVE_BUFFER = 16 << 20
"""Bytes asked for, for each socket; the kernel doubles it (sock_setsockopt). A datagram takes 832 of them or more with what
the kernel needs around it (measured on 6.18); the number of a commit is one, and so is what a small transaction changed. So
there is room for 40,000 commits: 50 s of 800 in each, 6 s of the 6,000 that one program can make with libnftables, and the
service takes them several times a second. 100,000 elements changed at once are some 6 MB. The default has room for 256
commits. Memory is taken only by what waits."""
_MOST = 1 << 16
"""Datagrams taken at once, more than there is room for: so many come only of a writer that would keep us here for ever."""


class NetlinkEvents:
    """Implements ports.ChangeEvents for the network namespace in which it was opened. OSError where that is refused."""

    def __init__(self, *, receive_buffer: int | None = None) -> None:
        """`receive_buffer` in bytes; None for as much as is worth having."""
        self._commits = _listen(only_commits=True, receive_buffer=receive_buffer)
        self._things = _listen(only_commits=False, receive_buffer=receive_buffer)

    def fileno(self) -> int:
        """See ports.ChangeEvents."""
        return self._commits.fileno()

    def take(self) -> News:
        """See ports.ChangeEvents."""
        # The numbers first: what a commit has changed is sent before its number, so it is there when that is.
        lost = False
        committed: list[Committed] = []
        for datagram in _datagrams(self._commits):
            if datagram is None:
                lost = True
            else:
                commits, whole = commits_of(datagram)
                committed += commits
                lost = lost or not whole
        touched = _Touches()
        for datagram in _datagrams(self._things):
            if datagram is None:
                touched.add(Touched())
                continue
            for each in touches_of(datagram):
                touched.add(each)
        return News(tuple(committed), tuple(touched.told), lost)

    def close(self) -> None:
        """See ports.ChangeEvents."""
        self._commits.close()
        self._things.close()


def _listen(*, only_commits: bool, receive_buffer: int | None) -> socket.socket:
    link = open_link()
    try:
        link.setblocking(False)
        _make_room(link, receive_buffer)
        _attach(link, only_commits=only_commits)
        link.setsockopt(_SOL_NETLINK, Netlink.ADD_MEMBERSHIP, Nfnlgrp.NFTABLES)
    except BaseException:
        link.close()
        raise
    return link


def _make_room(link: socket.socket, receive_buffer: int | None) -> None:
    """Beyond net.core.rmem_max where this process may; CAP_NET_ADMIN in a user namespace of its own is not enough."""
    if receive_buffer is not None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return
    try:
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # cut down to rmem_max


def _attach(link: socket.socket, *, only_commits: bool) -> None:
    """Have the kernel drop, before it is queued, whatever is not NEWGEN; or only that."""
    # BPF loads in network byte order what netlink writes in the machine's.
    new_generation = socket.htons(nft(NftMsg.NEWGEN))
    equal, other = (_WHOLE, _NOTHING) if only_commits else (_NOTHING, _WHOLE)
    program = b"".join(
        struct.pack("=HBBI", *instruction)  # struct sock_filter
        for instruction in (
            (_BPF_LDH_ABS, 0, 0, _TYPE_OFFSET),
            (_BPF_JEQ, 0, 1, new_generation),
            (_BPF_RET, 0, 0, equal),
            (_BPF_RET, 0, 0, other),
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    link.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    )


def _datagrams(link: socket.socket) -> Iterator[bytes | None]:
    """What waits in a socket; None for each time that the kernel had to drop something."""
    for _ in range(_MOST):
        try:
            datagram = receive(link, _DATAGRAM_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.ENOMEM):
                raise
            yield None
            continue
        if datagram is not None:  # another process with CAP_NET_ADMIN can send to the group as well
            yield datagram
    # A socket that overflowed drops silently until it is empty (netlink_overrun), so what is left may have gaps.
    yield None


def commits_of(datagram: bytes) -> tuple[list[Committed], bool]:
    """The commits of a datagram, and whether it is whole."""
    found: list[Committed] = []
    try:
        found += (each for message in messages(datagram) if (each := _commit(message)))
    except ValueError:
        return found, False
    return found, True


def touches_of(datagram: bytes) -> Iterator[Touched]:
    """What a datagram says of our table; for one that is cut off also that anything may have been changed."""
    try:
        for message in messages(datagram):
            if _is_ours(message):
                yield _touch(message)
    except ValueError:
        yield Touched()


def _commit(message: Message) -> Committed | None:
    if message.kind != nft(NftMsg.NEWGEN):
        return None
    found = dict(attributes(message.attributes))
    if Gen.ID not in found:
        return None
    return Committed(
        generation=as_number(found[Gen.ID]),
        thread=as_number(found.get(Gen.PROC_PID, b"")),
        comm=os.fsdecode(found.get(Gen.PROC_NAME, b"").split(b"\0")[0]),
    )


class _Touches:
    """What is told of changes, in order: single elements as long as they are few, anything else once a transaction."""

    def __init__(self) -> None:
        self.told: list[Touched] = []

    def add(self, each: Touched) -> None:
        if len(self.told) >= _MOST_TOUCHES:
            each = Touched(each.generation)
        if not self.told or self.told[-1] != each or each.change is not None:
            self.told.append(each)


def _touch(message: Message) -> Touched:
    """What a message about our table says."""
    generation = as_number(message.body[2:4])
    if message.kind not in (_ADDED, _DELETED):
        return Touched(generation)
    found = dict(attributes(message.attributes))
    name = os.fsdecode(found.get(SetElemList.SET, b"").rstrip(b"\0"))
    elements = found.get(SetElemList.ELEMENTS, b"")
    return Touched(generation, ElementChange(name, message.kind == _ADDED, elements))


def _is_ours(message: Message) -> bool:
    if len(message.body) < NFGENMSG.size or message.body[0] != Nfproto.INET:
        return False
    kind, value = next(attributes(message.attributes), (0, b""))
    return kind != OF_TABLE or value.rstrip(b"\0") == NAME.encode()
