# SPDX-License-Identifier: GPL-2.0-or-later
"""Another process with CAP_NET_ADMIN sends to every netlink socket of ours what the kernel would: nobody believes it."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from secmarkd.adapters.netlink.batch import NetlinkBatch
from secmarkd.adapters.netlink.dump import NetlinkDump
from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.change.early_repair import ElementChange
from secmarkd.netlink.codec import NLMSGHDR, nfgenmsg, nft
from secmarkd.netlink.numbers import NftMsg
from tests.support.capability import require_namespaces
from tests.support.namespace import Namespace
from tests.support.raw_netlink import KEY, attribute, element, key, objref

_NETFILTER, _NFTABLES_GROUP = 12, 7
_ERROR, _DONE = 2, 3
T = "inet secmarkd"


@pytest.fixture
def netns(netns: Namespace) -> Iterator[Namespace]:
    require_namespaces()
    netns.nft(
        f"add table {T}; add counter {T} s; add map {T} m {{ type inet_service : counter; }}; "
        f'add element {T} m {{ 80 : "s" }}'
    )
    with netns.enter():
        yield netns


def ports() -> list[int]:
    """Of our own process's netlink sockets in this namespace; netfilter's ports are given by the kernel."""
    found = []
    for line in Path("/proc/thread-self/net/netlink").read_text().splitlines()[1:]:
        _, protocol, port, *_ = line.split()
        if int(protocol) == _NETFILTER and int(port):
            found.append(int(port))
    return found


def message(kind: int, sequence: int, body: bytes) -> bytes:
    return NLMSGHDR.pack(NLMSGHDR.size + len(body), kind, 2, sequence, 0) + body


def forge(netns: Namespace, port: int, groups: int, datagram: bytes) -> str:
    """Send as another process; what that got for it: nothing, or an errno."""
    code = (
        "import socket, sys\n"
        f"s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, {_NETFILTER})\n"
        "try:\n"
        f"    s.sendto(bytes.fromhex(sys.stdin.read()), ({port}, {groups}))\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    return netns.run(["python3", "-c", code], input=datagram.hex()).stdout.strip()


def at_every_sequence(kind: int, body: bytes) -> bytes:
    """As an attacker would who knows that numbers are counted from 1."""
    return b"".join(message(kind, sequence, body) for sequence in range(1, 200))


def forge_to_all(netns: Namespace, kind: int, body: bytes) -> None:
    found = ports()
    assert found
    for port in found:
        assert forge(netns, port, 0, at_every_sequence(kind, body)) == str(errno.ECONNREFUSED)


def test_a_generation_is_not_forged(netns: Namespace) -> None:
    with Netlink() as netlink:
        before = netlink.generation()
        forged = nfgenmsg(0) + attribute(1, (4711).to_bytes(4, "big"))
        forge_to_all(netns, nft(NftMsg.NEWGEN), forged)
        assert netlink.generation() == before
        forge_to_all(netns, _ERROR, struct.pack("=i", -errno.ENOENT))
        assert netlink.table_flags("secmarkd") == ()


def test_an_empty_list_is_not_forged(netns: Namespace) -> None:
    with closing(NetlinkDump()) as lists:
        lists.elements("secmarkd", "m")
        forge_to_all(netns, _DONE, bytes(4))
        assert any(lists.elements("secmarkd", "m"))


def test_an_acknowledgement_is_not_forged(netns: Namespace) -> None:
    added = ElementChange("m", True, element(key(KEY, b"\0\x51"), objref("s")))
    with closing(NetlinkBatch()) as batch, Netlink() as netlink:
        batch.commit("secmarkd", (added,), netlink.generation())
        forge_to_all(netns, _ERROR, bytes(4))
        with pytest.raises(OSError, match=os.strerror(errno.ERESTART)):
            batch.commit("secmarkd", (added,), netlink.generation() - 1)


@pytest.mark.parametrize("groups", [0, 1 << (_NFTABLES_GROUP - 1)], ids=["to the socket", "to the group"])
def test_an_event_is_not_forged(netns: Namespace, groups: int) -> None:
    commit = nfgenmsg(0) + attribute(1, (4711).to_bytes(4, "big")) + attribute(2, bytes(4))
    touch = nfgenmsg(1) + attribute(1, b"secmarkd\0")
    with closing(NetlinkEvents()) as events:
        for port in ports() if not groups else [0]:
            for kind, body in ((nft(NftMsg.NEWGEN), commit), (nft(0), touch)):
                forge(netns, port, groups, message(kind, 0, body))
        assert events.take().committed == ()
        netns.nft(f"add counter {T} another")
        news = events.take()
        assert [each.comm for each in news.committed] == ["nft"]
        assert len(news.touched) == 1
