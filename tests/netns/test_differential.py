# SPDX-License-Identifier: GPL-2.0-or-later
"""Random label maps against random real packets: the kernel's counters equal the reference evaluator's answers.

Each round loads a random label map in rehearse mode on a host between two others, sends TCP, UDP, ICMP and other packets
over loopback and both cables, in both directions and through the host, captures every packet, and compares. Connections
are opened from ports that labels name, conntrack is flushed in the middle of them, servers answer what it has forgotten,
and its FTP helper announces connections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from secmarkd.compiler.compile import compile_table
from secmarkd.compiler.names import Namer
from secmarkd.evaluate import evaluate
from secmarkd.model.address import parse_address, parse_prefix
from secmarkd.model.label_map import Environment, LabelMap, Mode, Role
from secmarkd.model.packet import Hook, Packet
from secmarkd.model.protocols import ICMP_PROTOCOLS, OPENED_PROTOCOLS, TCP, UDP
from secmarkd.nft.text import encode
from secmarkd.table.table import ObjectKind
from secmarkd.table.transaction import Replace
from tests.support import traffic
from tests.support.capture import Capture
from tests.support.label_maps import PORTS, random_label_map, without_contradictions
from tests.support.namespace import Namespace
from tests.support.traffic import Network, TcpFlow

ENVIRONMENT = Environment()
PLACES = [parse_prefix(each) for each in (
    "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/31", "10.0.0.1", "10.0.0.2", "10.1.0.2", "127.0.0.0/8", "0.0.0.0/0",
    "fd00::/16", "fd00::/64", "fd00::2", "fd00:1::2", "::1", "::/0",
)]  # fmt: skip
ROUNDS = 100
FLOWS = 25
SOURCE_PORTS = [*PORTS, 40001, 51000, 1023]
FTP_PORT = 8000
FTP_HELPER = f"""table inet helpers {{
  ct helper ftp {{
    type "ftp" protocol tcp;
  }}
  chain in {{ type filter hook prerouting priority -150; tcp dport {FTP_PORT} ct helper set "ftp"; }}
  chain out {{ type filter hook output priority -150; tcp dport {FTP_PORT} ct helper set "ftp"; }}
}}"""

End = tuple[Namespace, str, int]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Network]:
    with traffic.network() as made:
        made.host.nft(FTP_HELPER)
        yield made


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_counters_equal_the_evaluator(hosts: Network, seed: int) -> None:
    random = Random(seed)
    label_map = without_contradictions(with_real_addresses(random_label_map(random, size=24), random), ENVIRONMENT)
    Round(hosts, label_map, random).play(FLOWS)


def with_real_addresses(label_map: LabelMap, random: Random) -> LabelMap:
    """The rules with addresses of the three hosts, and without cgroups, which this lane cannot make."""
    rules = []
    for rule in label_map.rules:
        remote = random.choice(PLACES) if rule.remote else None
        places = [each for each in PLACES if not remote or each.family == remote.family]
        local = random.choice(places) if rule.local else None
        user = rule.user if rule.role is Role.CLIENT else None
        rules.append(replace(rule, remote=remote, local=local, cgroup=None, user=user))
    return replace(label_map, rules=tuple(rules))


def own_role(packet: Packet) -> Role:
    """The role that conntrack's direction says, of a packet of the original direction."""
    return {Hook.INPUT: Role.SERVER, Hook.OUTPUT: Role.CLIENT, Hook.FORWARD: Role.FORWARD}[packet.hook]


class Round:
    """One label map on the host, and the packets that it sees."""

    def __init__(self, hosts: Network, label_map: LabelMap, random: Random) -> None:
        self.hosts, self.label_map, self.random = hosts, label_map, random
        self.namer = Namer(label_map, ObjectKind.COUNTER)
        self.capture = Capture(hosts.host, hosts.own)
        self.expected: Counter[str] = Counter()
        self.opened: set[object] = set()
        """Connections whose opening the table has seen since conntrack last forgot them."""
        self.flows: list[TcpFlow] = []
        """Open ones."""
        self.counted_before: Counter[str] = Counter()

    def early_connections(self) -> list[tuple[TcpFlow, str]]:
        """Connections opened before conntrack remembers anything; who sends first afterwards is left to chance."""
        opened = [(self._open_tcp(), self.random.choice(["client", "server"])) for _ in range(4)]
        return [(flow, first) for flow, first in opened if flow is not None]

    def begin(self) -> None:
        self.hosts.host.run(["conntrack", "-F"])
        self.load()
        while True:  # neighbour discovery goes on meanwhile; begin where nothing came between
            self.capture.drain(0)
            self.capture.forget()
            self.counted_before = self.counters()
            if not self.capture.drain(0):
                return

    def play(self, flows: int) -> None:
        """The whole round, with so many things sent."""
        try:
            early = self.early_connections()
            self.begin()
            for flow, first in early:
                flow.exchange(first)
                flow.close()
            for _ in range(flows):
                self.send_something()
            self.close()
            self.compare()
        finally:
            self.capture.close()

    def load(self) -> None:
        """Put the label map into the kernel."""
        self.hosts.host.nft(encode((Replace(compile_table(self.label_map, Mode.REHEARSE, ENVIRONMENT)),)))

    def send_something(self) -> None:
        self._send()
        self._see(0)

    def close(self) -> None:
        """End the connections that are still open."""
        for flow in self.flows:
            flow.close()

    def _see(self, seconds: float) -> None:
        """Evaluate what has been captured."""
        for packet in self.capture.drain(seconds):
            ends = {(packet.source, packet.source_port), (packet.destination, packet.destination_port)}
            label = self.label(packet, (packet.protocol, frozenset(ends)))
            if label is not None:
                self.expected[label] += 1

    def label(self, packet: Packet, connection: object) -> str | None:
        """The counter that counts the packet."""
        packet = replace(packet, remembered=connection in self.opened)
        decision = evaluate(self.label_map, packet, ENVIRONMENT)
        opening = packet.new and (packet.opens or packet.protocol not in {*OPENED_PROTOCOLS, *ICMP_PROTOCOLS})
        at_first_hook = packet.hook is not Hook.INPUT or not packet.loopback
        if opening and at_first_hook and decision.role is own_role(packet):
            self.opened.add(connection)
        return self.namer.object_name(str(decision.context)) if decision.context else None

    def _forget(self) -> None:
        """Conntrack forgets everything, between packets; open connections then go on, whoever speaks first."""
        while self.capture.pending(0.1):  # a delayed acknowledgement comes 40 ms later (TCP_DELACK_MIN)
            self._see(0)
        self.hosts.host.run(["conntrack", "-F"])
        # The same flow may get the same entry again, and with it the same `ct id`, which the table would remember.
        self.hosts.host.run(["nft", "flush", "set", "inet", "secmarkd", "opened"], check=False)
        self.forgotten()
        for flow in self.flows:
            flow.exchange(self.random.choice(["client", "server"]))

    def forgotten(self) -> None:
        """Conntrack has forgotten everything."""
        self.capture.forget()
        self.opened.clear()

    def _keep_open(self) -> None:
        flow = self._open_tcp()
        if flow is not None:
            flow.exchange()
            self.flows.append(flow)

    def _answer_late(self) -> None:
        """A server answers what conntrack has forgotten, or from another of its addresses, and is asked again."""
        sender, receiver = self._two_ends()
        client, server = self._two_ports(sender, receiver)
        self._sockets(UDP, client, server, (0, 0))
        traffic.late_answer(server, client)

    def _announced(self) -> None:
        """An FTP client names a port of its own, and the server opens a connection to it from a port that labels name."""
        sender, receiver = self._two_ends()
        if ":" in sender[1] or "127.0.0.1" in (sender[1], receiver[1]):
            return
        control = self._open_tcp_between((*sender, 40002), (*receiver, FTP_PORT))
        if control is None:
            return
        data_port, from_port = self.random.choice([40003, *PORTS]), self.random.choice([20, *PORTS])
        control.say(b"USER anonymous\r\n")  # only a line that follows a line is looked at (find_nl_seq)
        control.say(f"PORT {sender[1].replace('.', ',')},{data_port >> 8},{data_port & 255}\r\n".encode())
        if from_port != FTP_PORT:
            data = self._open_tcp_between((*receiver, from_port), (*sender, data_port))
            if data is not None:
                data.exchange()
                data.close()
        control.close()

    def _send(self) -> None:
        self.send(self.random.choice([
            "tcp", "tcp", "open", "refused", "udp", "udp", "late", "unreachable", "ping", "protocol", "ftp", "forget",
        ]))  # fmt: skip

    def send(self, kind: str) -> None:
        """Packets of a kind."""
        sender, receiver = self._two_ends()
        client, server = self._two_ports(sender, receiver)
        if kind == "tcp":
            flow = self._open_tcp()
            if flow is not None:
                flow.exchange()
                flow.close()
        elif kind == "open":
            self._keep_open()
        elif kind == "forget":
            self._forget()
        elif kind == "late":
            self._answer_late()
        elif kind == "ftp":
            self._announced()
        elif kind == "refused":
            self._sockets(TCP, client, server, (0, 0))
            traffic.refused(client, server)
        elif kind in ("udp", "unreachable"):
            owner = self._owner()
            self._sockets(UDP, client, server, owner)
            traffic.udp(client, server, answer=kind == "udp", uid=owner[0], gid=owner[1])
        elif kind == "ping":
            traffic.ping(sender, receiver[1], self.random)
        else:
            traffic.raw_protocol(sender, receiver[1], self.random.choice([50, 112]))

    def _open_tcp(self) -> TcpFlow | None:
        sender, receiver = self._two_ends()
        return self._open_tcp_between(*self._two_ports(sender, receiver))

    def _open_tcp_between(self, client: End, server: End) -> TcpFlow | None:
        owner = self._owner()
        flow = traffic.tcp(client, server, *owner)
        if flow is not None:
            self._sockets(TCP, client, server, owner)
        return flow

    def _owner(self) -> tuple[int, int]:
        return self.random.choice([0, 1000]), self.random.choice([0, 50])

    def _sockets(self, protocol: int, client: End, server: End, owner: tuple[int, int]) -> None:
        """Whose the two sockets of a connection are: the client's belongs to `owner`, the server's to root."""
        one, other = (parse_address(client[1]), client[2]), (parse_address(server[1]), server[2])
        self.capture.owners[(protocol, *one, *other)] = owner
        self.capture.owners[(protocol, *other, *one)] = None

    def _two_ends(self) -> tuple[tuple[Namespace, str], tuple[Namespace, str]]:
        """Any two addresses that reach each other: 127.0.0.1 only within the host, ::1 only itself."""
        ends = self.hosts.ends(self.random.choice([4, 6]))
        while True:
            sender, receiver = self.random.choice(ends), self.random.choice(ends)
            addresses = {sender[1], receiver[1]}
            if ("127.0.0.1" in addresses and sender[0] is not receiver[0]) or (
                "::1" in addresses and len(addresses) > 1
            ):
                continue
            return sender, receiver

    def _two_ports(self, sender: tuple[Namespace, str], receiver: tuple[Namespace, str]) -> tuple[End, End]:
        client, server = self.random.choice(SOURCE_PORTS), self.random.choice(PORTS)
        return (*sender, client if client != server else 1022), (*receiver, server)

    def compare(self) -> None:
        """Until the last packet has been captured and counted; different for long is different."""
        found: Counter[str] = Counter()
        for attempt in range(20):
            self._see(0.25 if attempt else 0)
            found = self.counters() - self.counted_before
            if self.expected == found:
                return
        assert found == self.expected

    def counters(self) -> Counter[str]:
        listed = self.hosts.host.nft_json("list counters table inet secmarkd")
        counters = [each["counter"] for each in listed if "counter" in each]
        return Counter(
            {each["name"]: each["packets"] for each in counters if each["packets"] and each["name"].startswith("s_")}
        )
