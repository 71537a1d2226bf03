# SPDX-License-Identifier: GPL-2.0-or-later
"""Three hosts on one machine (a peer, the host under test, a host behind it) and real connections between them.

peer 10.0.0.2 --- eth0 10.0.0.1 host 10.1.0.1 wg0 --- inner 10.1.0.2      and the same with fd00:0:: and fd00:1::
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from secmarkd.model.address import Address, parse_address
from tests.support.namespace import Namespace

HOST4, PEER4, WG4, INNER4 = "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"
HOST6, PEER6, WG6, INNER6 = "fd00::1", "fd00::2", "fd00:1::1", "fd00:1::2"
_SYSCTLS = (
    "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_ra=0",
    "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.dad_transmits=0",
    "net.ipv6.conf.default.mldv2_unsolicited_report_interval=1",
    "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0", "net.ipv4.conf.all.rp_filter=0",
)  # fmt: skip
_WAIT = 10.0
"""Seconds that a packet may take before a test fails; they take microseconds."""


@dataclass(frozen=True)
class Network:
    """The three hosts."""

    host: Namespace
    peer: Namespace
    inner: Namespace

    def ends(self, family: int) -> list[tuple[Namespace, str]]:
        """Every address of every host, with its host; loopback is the host's alone."""
        if family == 4:
            own, others = (HOST4, WG4, "127.0.0.1"), ((self.peer, PEER4), (self.inner, INNER4))
        else:
            own, others = (HOST6, WG6, "::1"), ((self.peer, PEER6), (self.inner, INNER6))
        return [*((self.host, address) for address in own), *others]

    @property
    def own(self) -> frozenset[Address]:
        """The addresses of the host under test."""
        listed = self.host.run(["ip", "-o", "addr", "show"]).stdout.split()
        texts = [word.split("/")[0] for before, word in pairwise(listed) if before in ("inet", "inet6")]
        return frozenset(map(parse_address, texts))


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Make the three hosts, routed through the middle one."""
    with Namespace() as host, Namespace() as peer, Namespace() as inner:
        for each in (host, peer, inner):
            each.run(["sysctl", "-qw", *_SYSCTLS])
        host.veth(
            peer, [f"{HOST4}/24", f"{HOST6}/64"], [f"{PEER4}/24", f"{PEER6}/64"], name="eth0", other_name="eth0"
        )
        host.veth(inner, [f"{WG4}/24", f"{WG6}/64"], [f"{INNER4}/24", f"{INNER6}/64"], name="wg0", other_name="eth0")
        for each, gateways in ((peer, (HOST4, HOST6)), (inner, (WG4, WG6))):
            each.ip(f"route add default via {gateways[0]}")
            each.ip(f"-6 route add default via {gateways[1]}")
        yield Network(host, peer, inner)


@contextlib.contextmanager
def as_user(uid: int, gid: int = 0) -> Iterator[None]:
    """Sockets made inside belong to `uid` and `gid`: the kernel takes the effective ones (meta skuid, skgid)."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def bound(where: Namespace, kind: int, address: str, port: int, uid: int = 0, gid: int = 0) -> socket.socket:
    """A socket of a host, bound to its address and port, owned by `uid` and `gid`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with where.enter(), as_user(uid, gid):
        result = socket.socket(family, kind)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    result.settimeout(_WAIT)
    try:
        result.bind((address, port))
    except OSError:
        result.close()
        raise
    return result


@dataclass
class TcpFlow:
    """An open TCP connection: both its ends, each with data to send."""

    client: socket.socket
    server: socket.socket

    def exchange(self, first: str = "client") -> None:
        """Send data one way and back."""
        one, other = (self.client, self.server) if first == "client" else (self.server, self.client)
        for sender, receiver in ((one, other), (other, one)):
            sender.sendall(b"x" * 10)
            assert receiver.recv(100) == b"x" * 10

    def say(self, text: bytes) -> None:
        """The client says something that the server reads."""
        self.client.sendall(text)
        assert self.server.recv(1000) == text

    def close(self) -> None:
        """Close in order: each end has the other's FIN, and its acknowledgement, before a socket goes away."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.shutdown(socket.SHUT_WR)
            assert receiver.recv(100) == b""
        self.client.close()
        self.server.close()


def tcp(
    client: tuple[Namespace, str, int], server: tuple[Namespace, str, int], uid: int = 0, gid: int = 0
) -> TcpFlow | None:
    """Open a TCP connection; None where its ports are still in use by an earlier one."""
    with contextlib.ExitStack() as closing:
        try:
            listener = closing.enter_context(bound(server[0], socket.SOCK_STREAM, server[1], server[2]))
            listener.listen(1)
            outgoing = closing.enter_context(bound(client[0], socket.SOCK_STREAM, client[1], client[2], uid, gid))
            outgoing.connect((server[1], server[2]))
        except OSError:
            return None
        accepted, _ = listener.accept()
        accepted.settimeout(_WAIT)
        closing.pop_all()
    listener.close()
    return TcpFlow(outgoing, accepted)


def refused(client: tuple[Namespace, str, int], server: tuple[Namespace, str, int]) -> None:
    """A TCP connection to a port where nobody listens."""
    with contextlib.suppress(OSError), bound(client[0], socket.SOCK_STREAM, client[1], client[2]) as outgoing:
        outgoing.connect((server[1], server[2]))


def udp(
    client: tuple[Namespace, str, int], server: tuple[Namespace, str, int], answer: bool, uid: int = 0, gid: int = 0
) -> None:
    """A datagram to a server and one back; without `answer`, to a port where nobody listens, and an ICMP error back."""
    with contextlib.ExitStack() as stack:
        try:
            outgoing = stack.enter_context(bound(client[0], socket.SOCK_DGRAM, client[1], client[2], uid, gid))
            serving = (
                stack.enter_context(bound(server[0], socket.SOCK_DGRAM, server[1], server[2])) if answer else None
            )
        except OSError:
            return
        outgoing.connect((server[1], server[2]))
        outgoing.send(b"question")
        if serving is None:
            select.select([outgoing], [], [], _WAIT)
            with contextlib.suppress(ConnectionRefusedError):
                outgoing.recv(100)
            return
        _, sender = serving.recvfrom(100)
        serving.sendto(b"answer", sender)
        assert outgoing.recv(100) == b"answer"


def late_answer(server: tuple[Namespace, str, int], client: tuple[Namespace, str, int]) -> None:
    """A datagram of a server that conntrack knows nothing of, another one from it, and a question to it."""
    with contextlib.ExitStack() as stack:
        try:
            serving = stack.enter_context(bound(server[0], socket.SOCK_DGRAM, server[1], server[2]))
            asking = stack.enter_context(bound(client[0], socket.SOCK_DGRAM, client[1], client[2]))
        except OSError:
            return
        for _ in range(2):
            serving.sendto(b"answer", (client[1], client[2]))
            assert asking.recv(100) == b"answer"
        asking.sendto(b"question", (server[1], server[2]))
        assert serving.recv(100) == b"question"


def ping(sender: tuple[Namespace, str], target: str, random: Random) -> None:
    """An ICMP or ICMPv6 echo and its reply."""
    version6 = ":" in target
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if version6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    with sender[0].enter():
        raw = socket.socket(family, socket.SOCK_RAW, protocol)
    with raw:
        raw.settimeout(_WAIT)
        raw.bind((sender[1], 0))
        identifier = random.randrange(1, 65535)
        body = struct.pack("!BBHHH", 128 if version6 else 8, 0, 0, identifier, 1)
        if not version6:
            body = struct.pack("!BBHHH", 8, 0, _checksum(body), identifier, 1)
        raw.sendto(body, (target, 0))
        while True:
            data = raw.recv(1000)
            reply = data if version6 else data[(data[0] & 15) * 4 :]
            if reply[0] == (129 if version6 else 0) and reply[4:6] == body[4:6]:
                return


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def raw_protocol(sender: tuple[Namespace, str], target: str, protocol: int) -> None:
    """One packet of a protocol that nobody speaks; an IPv4 or IPv6 host answers that it does not."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with sender[0].enter():
        raw = socket.socket(family, socket.SOCK_RAW, protocol)
    with raw:
        raw.bind((sender[1], 0))
        raw.sendto(b"\0" * 32, (target, 0))
