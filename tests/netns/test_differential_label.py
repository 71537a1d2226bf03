# SPDX-License-Identifier: GPL-2.0-or-later
"""As test_differential, in mode label: what is saved on connections, and what a packet carries to output again.

This machine has no SELinux, so packet marks take the place of labels: the kernel saves, restores, copies (to announced
connections) and carries (through a tunnel) both alike. Another table counts the mark that each packet has behind ours.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from secmarkd.compiler.compile import compile_table
from secmarkd.compiler.names import Namer
from secmarkd.evaluate import ANNOUNCED, evaluate
from secmarkd.model.context import Context
from secmarkd.model.label_map import LabelMap, Mode, Role
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import TCP, UDP
from secmarkd.nft.text import encode
from secmarkd.table.table import ObjectKind
from secmarkd.table.transaction import Replace
from tests.netns.test_differential import ENVIRONMENT, Round, own_role, with_real_addresses
from tests.support import traffic
from tests.support.label_maps import random_label_map, without_contradictions
from tests.support.traffic import HOST4, PEER4, Network

ROUNDS = 40
FLOWS = 20
VXLAN_PORT = 4789
TUNNEL, INNER, FAR = "vxlan0", "10.7.0.1", "10.7.0.2"
SEEN_AT = {"input": 60, "output": 60, "forward": -220}
"""Priorities behind ours."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[Network]:
    with traffic.network() as made:
        _tunnel(made)
        yield made


def _tunnel(hosts: Network) -> None:
    """VXLAN between host and peer, for IPv4 alone, and without a packet that nobody sent."""
    ends = ((hosts.host, HOST4, PEER4, INNER, FAR, 1), (hosts.peer, PEER4, HOST4, FAR, INNER, 2))
    for namespace, here, there, inner, far, number in ends:
        namespace.ip(f"link add {TUNNEL} type vxlan id 7 dstport {VXLAN_PORT} local {here} remote {there}")
        namespace.ip(f"link set {TUNNEL} address 02:00:00:00:00:0{number} addrgenmode none")
        namespace.run(["sysctl", "-qw", f"net.ipv6.conf.{TUNNEL}.disable_ipv6=1"])
        namespace.ip(f"address add {inner}/24 dev {TUNNEL}")
        namespace.ip(f"link set {TUNNEL} up")
        namespace.ip(f"neigh add {far} lladdr 02:00:00:00:00:0{3 - number} dev {TUNNEL} nud permanent")


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_packets_carry_equals_the_evaluator(hosts: Network, seed: int) -> None:
    random = Random(seed)
    label_map = without_contradictions(with_real_addresses(random_label_map(random, size=24), random), ENVIRONMENT)
    LabelRound(hosts, label_map, random).play(FLOWS)


def as_marks(text: str, numbers: dict[str, int]) -> str:
    """The commands, with marks for secmarks."""
    text = re.sub(r"add secmark .*\n", "", text).replace(": secmark;", ": mark;")
    text = re.sub(r'"(s_\w+)"', lambda found: str(numbers[found[1]]), text)
    text = text.replace("meta secmark", "meta mark").replace("ct secmark", "ct mark")
    return re.sub(r"((?:ct|meta) mark) and 0xffffffff ([!=]=)", r"\1 \2", text)


class LabelRound(Round):
    """One label map on the host in mode label, and what TCP and UDP packets carry behind it."""

    def __init__(self, hosts: Network, label_map: LabelMap, random: Random) -> None:
        super().__init__(hosts, label_map, random)
        self.namer = Namer(label_map, ObjectKind.SECMARK)
        self.saved: dict[object, Context] = {}
        """The label saved on each connection."""
        self.inner: deque[Context | None] = deque()
        """Labels of the packets that are inside a tunnel's packets still to come to output."""

    def load(self) -> None:
        text = encode((Replace(compile_table(self.label_map, Mode.LABEL, ENVIRONMENT)),))
        numbers = {
            name: number for number, name in enumerate(re.findall(r"add secmark inet secmarkd (\S+)", text), 1)
        }
        seen = ["add table inet seen", "delete table inet seen", "add table inet seen"]
        for hook, priority in SEEN_AT.items():
            seen.append(f"add chain inet seen {hook} {{ type filter hook {hook} priority {priority}; }}")
            for name, number in numbers.items():
                seen.append(f"add counter inet seen {hook}_{name}")
                rule = f"meta l4proto {{ 6, 17 }} meta mark {number} counter name {hook}_{name}"
                seen.append(f"add rule inet seen {hook} {rule}")
        self.hosts.host.nft(as_marks(text, numbers))
        self.hosts.host.nft("\n".join(seen))

    def counters(self) -> Counter[str]:
        listed = self.hosts.host.nft_json("list counters table inet seen")
        counters = [each["counter"] for each in listed if "counter" in each]
        return Counter({each["name"]: each["packets"] for each in counters if each["packets"]})

    def forgotten(self) -> None:
        super().forgotten()
        self.saved.clear()

    def label(self, packet: Packet, connection: object) -> str | None:
        if packet.protocol not in (TCP, UDP):
            return None
        tunnelled = packet.hook is Hook.OUTPUT and packet.destination_port == VXLAN_PORT and packet.protocol == UDP
        packet = replace(
            self.with_socket(packet),
            saved=self.saved.get(connection),
            remembered=connection in self.opened,
            label=self.inner.popleft() if tunnelled and self.inner else None,
        )
        decision = evaluate(self.label_map, packet, ENVIRONMENT)
        if packet.hook is Hook.OUTPUT and packet.output_interface == TUNNEL:
            self.inner.append(decision.context)
        if packet.label is None and decision.why != ANNOUNCED:
            self.remember(packet, connection, decision.context, own=decision.role is own_role(packet))
        return f"{packet.hook}_{self.namer.object_name(str(decision.context))}" if decision.context else None

    def remember(self, packet: Packet, connection: object, label: Context | None, *, own: bool) -> None:
        """What the packet leaves on its connection."""
        if packet.direction is not Direction.ORIGINAL or (packet.hook is Hook.INPUT and packet.loopback):
            return
        if packet.new and own and (packet.opens or packet.protocol == UDP):
            if label is not None and (packet.hook is not Hook.INPUT or packet.saved is None):
                self.saved[connection] = label
            elif label is None:
                self.opened.add(connection)
        elif packet.hook is Hook.OUTPUT and packet.saved is not None and self.follows and label is not None:
            self.saved[connection] = label

    @property
    def follows(self) -> bool:
        """Whether a saved label follows what output finds: where labels ask for the process."""
        return any(rule.role is Role.CLIENT and rule.user is not None for rule in self.label_map.rules)

    def with_socket(self, packet: Packet) -> Packet:
        """Output sees every socket, and input those of TCP that are not on loopback: of user root where not said."""
        seen = packet.hook is Hook.OUTPUT or (
            packet.hook is Hook.INPUT and packet.protocol == TCP and not packet.loopback and not packet.opens
        )
        return replace(packet, user=0) if packet.user is None and seen else packet

    def _send(self) -> None:
        kind = self.random.choice(["tcp", "open", "udp", "udp", "late", "refused", "forget", "say", "tunnel"])
        if kind == "tunnel":
            self._through_the_tunnel()
        elif kind == "say":
            for flow in self.flows:
                flow.exchange(self.random.choice(["client", "server"]))
        else:
            self.send(kind)

    def _through_the_tunnel(self) -> None:
        ends = [(self.hosts.host, INNER), (self.hosts.peer, FAR)]
        self.random.shuffle(ends)
        flow = self._open_tcp_between(*self._two_ports(*ends))
        if flow is not None:
            flow.exchange(self.random.choice(["client", "server"]))
            flow.close()
