# SPDX-License-Identifier: GPL-2.0-or-later
"""Every packet that a namespace's hooks see, as the reference evaluator takes it: captured at the device, with conntrack's
answer worked out from the order of the packets.

A packet socket sees each packet once where it enters and once where it leaves; a packet over loopback so appears twice, for
the output hook and for the input hook, and a forwarded one twice for one hook.
"""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass, replace
from itertools import pairwise

from secmarkd.model.address import Address, parse_address
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMP, ICMPV6, TCP, WITH_PORTS
from tests.support.namespace import Namespace

_ETH_P_ALL = 3
_ETH_IPV4, _ETH_IPV6 = 0x0800, 0x86DD
_OUTGOING = 4
_SYN, _ACK = 0x02, 0x10
_ICMP_ERRORS = {ICMP: {3, 11, 12}, ICMPV6: {1, 2, 3, 4}}
_ICMPV6_ECHO = {128, 129}
_HOP_BY_HOP = 0
_Flow = tuple[int, Address, int, Address, int]
"""Protocol, and address and port (or zero, or the echo identifier) of the sender and of the receiver."""


@dataclass(frozen=True)
class _Header:
    protocol: int
    source: Address
    destination: Address
    payload: bytes

    @property
    def flow(self) -> _Flow | None:
        """What conntrack knows the connection by; None for what it does not track."""
        if self.protocol in WITH_PORTS.values():
            sport, dport = struct.unpack("!HH", self.payload[:4])
            return (self.protocol, self.source, sport, self.destination, dport)
        if self.protocol == ICMP or (self.protocol == ICMPV6 and self.payload[0] in _ICMPV6_ECHO):
            identifier = int.from_bytes(self.payload[4:6], "big")
            return (self.protocol, self.source, identifier, self.destination, identifier)
        if self.protocol == ICMPV6:
            return None
        return (self.protocol, self.source, 0, self.destination, 0)


def _parse(ethertype: int, data: bytes) -> _Header:
    """The transport header of an IP packet without its options; IPv6 hop-by-hop options are passed over."""
    if ethertype == _ETH_IPV4:
        start = (data[0] & 15) * 4
        source, destination = (Address(4, int.from_bytes(data[at : at + 4], "big")) for at in (12, 16))
        return _Header(data[9], source, destination, data[start:])
    source, destination = (Address(6, int.from_bytes(data[at : at + 16], "big")) for at in (8, 24))
    following, start = data[6], 40
    while following == _HOP_BY_HOP:
        following, start = data[start], start + (data[start + 1] + 1) * 8
    return _Header(following, source, destination, data[start:])


class Capture:
    """The packets of one namespace from now on. `own` are the addresses that the namespace has, besides multicast."""

    def __init__(self, namespace: Namespace, own: frozenset[Address]) -> None:
        self._own = own
        listed = namespace.run(["ip", "maddr", "show"]).stdout.split()
        self._groups = {parse_address(word) for before, word in pairwise(listed) if before in ("inet", "inet6")}
        self._originals: set[_Flow] = set()
        self._answered: set[_Flow] = set()
        """Of those, the ones of which a packet of the other direction has come."""
        self.owners: dict[_Flow, tuple[int, int] | None] = {}
        """Uid and gid of sockets by protocol, own address and port, and those they speak with; None is as root's."""
        with namespace.enter():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def forget(self) -> None:
        """Know nothing of connections any more (the caller has flushed conntrack's memory of them)."""
        self._originals.clear()
        self._answered.clear()

    def pending(self, seconds: float) -> bool:
        """Whether a packet waits to be drained, or comes within that time."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def drain(self, seconds: float) -> list[Packet]:
        """The packets captured so far; waits up to `seconds` for a first one."""
        packets: list[Packet] = []
        if seconds and not self.pending(seconds):
            return packets
        while True:
            try:
                data, (interface, ethertype, kind, *_) = self._socket.recvfrom(65536)
            except BlockingIOError:
                return packets
            if ethertype in (_ETH_IPV4, _ETH_IPV6):
                packet = self._packet(_parse(ethertype, data), interface, outgoing=kind == _OUTGOING)
                if packet is not None:
                    packets.append(packet)

    def _packet(self, header: _Header, interface: str, outgoing: bool) -> Packet | None:
        local_source = header.source in self._own or header.source.value == 0
        local_target = header.destination in self._own or header.destination in self._groups
        hook = Hook.OUTPUT if outgoing else Hook.INPUT
        if _multicast(header.destination) and not outgoing and not local_target:
            return None
        if not local_source and not local_target and not _multicast(header.destination):
            if not outgoing:
                self._entered = interface
                return None
            hook = Hook.FORWARD
        direction = self._direction(header)
        packet = Packet(
            hook=hook, direction=direction, protocol=header.protocol,
            new=direction is Direction.ORIGINAL and header.flow not in self._answered,
            source=header.source, destination=header.destination,
            input_interface="" if hook is Hook.OUTPUT else interface,
            output_interface=interface if hook is Hook.OUTPUT else "",
        )  # fmt: skip
        if hook is Hook.FORWARD:
            packet = replace(packet, input_interface=self._entered, output_interface=interface)
        if header.protocol in WITH_PORTS.values():
            sport, dport = struct.unpack("!HH", header.payload[:4])
            source, destination = (header.source, sport), (header.destination, dport)
            ends = (*source, *destination) if hook is Hook.OUTPUT else (*destination, *source)
            owner = None if _socket_hidden(hook, interface) else self.owners.get((header.protocol, *ends))
            user, group = owner or (None, None)
            packet = replace(
                packet, source_port=sport, destination_port=dport, opens=_opens(header), user=user, group=group
            )
        return packet

    def _direction(self, header: _Header) -> Direction:
        if header.payload[0] in _ICMP_ERRORS.get(header.protocol, ()):
            inner = _parse(_ETH_IPV4 if header.protocol == ICMP else _ETH_IPV6, header.payload[8:])
            if inner.flow is None:
                return Direction.UNKNOWN
            return Direction.REPLY if inner.flow in self._originals else Direction.ORIGINAL
        flow = header.flow
        if flow is None:
            return Direction.UNKNOWN
        protocol, source, sport, destination, dport = flow
        if flow in self._originals:
            if _opens(header):
                self._answered.discard(flow)
            return Direction.ORIGINAL
        reverse = (protocol, destination, dport, source, sport)
        if reverse in self._originals:
            if not _opens(header):
                self._answered.add(reverse)
                return Direction.REPLY
            self._originals.remove(reverse)  # a SYN against a closed connection makes conntrack begin again
            self._answered.discard(reverse)
        self._originals.add(flow)
        return Direction.ORIGINAL


def _opens(header: _Header) -> bool:
    return header.protocol == TCP and header.payload[13] & (_SYN | _ACK) == _SYN


def _socket_hidden(hook: Hook, interface: str) -> bool:
    """Packets that enter over loopback have a route already, so the kernel does not look for their socket early
    (ip_rcv_finish_core: only without skb_dst); seen on Linux 6.18."""
    return hook is Hook.FORWARD or (hook is Hook.INPUT and interface == "lo")


def _multicast(address: Address) -> bool:
    return address.value >> 28 == 0xE if address.family == 4 else address.value >> 120 == 0xFF
