# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out a compiled table on a packet as the kernel would, from what nft(8) says of each statement.

A second reading of the ruleset, for property tests that need thousands of packets; the network-namespace lane shows that
the kernel reads it the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from secmarkd.model.address import Address
from secmarkd.model.host import interface_matches
from secmarkd.model.packet import Direction, Packet
from secmarkd.model.protocols import DCCP, SCTP, TCP, UDP, WITH_PORTS
from secmarkd.table.elements import unpack_value
from secmarkd.table.table import (
    CgroupId,
    Chain,
    Foreign,
    InSet,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    Remember,
    Restore,
    Rule,
    Save,
    Span,
    Table,
    Verdict,
)  # fmt: skip

Operand = int | str | Address | None
_SAVED = "the saved label"


@dataclass
class Interpreter:
    """Runs the packets of one table. `run` gives the context of the label, or of the object's name in rehearsal."""

    table: Table
    _maps: dict[str, list[tuple[tuple[tuple[int | str, int | str], ...], str]]] = field(default_factory=dict)

    def run(self, packet: Packet) -> str | None:
        """The label (context, or object name where objects are counters) that the packet has after its hook."""
        base = next((each for each in self.table.chains if each.base and each.base.hook == packet.hook), None)
        if base is None:
            return None
        label = _Run(self, packet).chain(base)
        if label is None:
            return str(packet.label) if packet.label else None
        if label == _SAVED:
            return str(packet.saved)
        contexts = {each.name: each.context or each.name for each in self.table.objects}
        return contexts[label]

    def find(self, name: str) -> Chain:
        return next(each for each in self.table.chains if each.name == name)

    def lookup(self, name: str, values: tuple[Operand, ...]) -> str | None:
        each = next(each for each in self.table.maps if each.name == name)
        if name not in self._maps:
            self._maps[name] = [(tuple(_bounds(each, key)), target) for key, target in each.elements.items()]
        plain = tuple(value.value if isinstance(value, Address) else value for value in values)
        for bounds, target in self._maps[name]:
            if all(low <= value <= high for value, (low, high) in zip(plain, bounds, strict=True)):  # type: ignore[operator]
                return target
        return None


def _bounds(each: Map, key: bytes) -> Iterator[tuple[int | str, int | str]]:
    width = sum(kind.width for kind in each.key)
    place = 0
    for kind in each.key:
        low = key[place : place + kind.width]
        high = key[width + place : width + place + kind.width] if each.interval else low
        yield unpack_value(kind, low), unpack_value(kind, high)
        place += kind.width


class _Accepted(Exception):
    pass


@dataclass
class _Run:
    interpreter: Interpreter
    packet: Packet
    label: str | None = None

    def chain(self, chain: Chain) -> str | None:
        with contextlib.suppress(_Accepted):
            self._rules(chain.rules)
        return self.label

    def _rules(self, rules: tuple[Rule, ...]) -> None:
        for rule in rules:
            action = self._rule(rule)
            if action is None:
                continue
            match action.action:
                case "accept":
                    raise _Accepted
                case "return":
                    return
                case "jump":
                    self._rules(self.interpreter.find(action.chain).rules)
                case "goto":
                    self._rules(self.interpreter.find(action.chain).rules)
                    return

    def _rule(self, rule: Rule) -> Verdict | None:
        """The rule's verdict, or None where it has none or one of its statements ends it."""
        for statement in rule:
            match statement:
                case Match():
                    if not self._match(statement):
                        return None
                case Mark():
                    self.label = statement.object
                case Lookup():
                    values = tuple(self._read(key) for key in statement.keys)
                    found = None if None in values else self.interpreter.lookup(statement.map, values)
                    if found is None:
                        return None
                    self.label = found
                case Restore():
                    self.label = _SAVED
                case InSet():
                    if self._holds(statement) is statement.negated:
                        return None
                case Save() | Remember():
                    pass
                case Verdict():
                    return statement
                case Foreign():
                    raise AssertionError(statement)
        return None

    def _holds(self, asked: InSet) -> bool:
        """Whether the set has the connection; of those for VRFs, under the end that sends this packet or the other one."""
        if asked.keys == (Key.CT_ID,):
            return self.packet.remembered
        _, first, *_ = asked.keys
        own = first in (Key.IP_SADDR, Key.IP6_SADDR)
        if (self._read(first) is None) or not self.packet.leaves_vrf:
            return False
        return self.packet.direction is (Direction.ORIGINAL if own else Direction.REPLY)

    def _match(self, match: Match) -> bool:
        found = self._read(match.key)
        if found is None:
            return False
        if match.key is Key.CGROUP:
            assert isinstance(match.value, CgroupId)
            return found == match.value.path or str(found).startswith(f"{match.value.path}/")
        if match.key is Key.CT_STATE:
            equal = found in str(match.value).split(",")
        elif isinstance(match.value, Span):
            equal = match.value.low <= found <= match.value.high  # type: ignore[operator]
        elif isinstance(match.value, tuple):
            equal = found in match.value
        elif match.key in (Key.IIFNAME, Key.OIFNAME):
            equal = interface_matches(str(match.value), str(found))
        else:
            equal = found == match.value
        return equal is not match.negated

    def _read(self, key: Key) -> Operand:
        """What the kernel reads; None where the expression breaks off the rule."""
        packet = self.packet
        tracked = packet.direction is not Direction.UNKNOWN and not packet.leaves_vrf
        ports = packet.protocol in WITH_PORTS.values()
        version = packet.source.family
        match key:
            case Key.L4PROTO:
                return packet.protocol
            case Key.IIFNAME:
                return packet.input_interface
            case Key.OIFNAME:
                return packet.output_interface
            case Key.IIFKIND:
                return ""
            case Key.OIFKIND:
                return "vrf" if packet.leaves_vrf else ""
            case Key.SKUID:
                return packet.user
            case Key.SKGID:
                return packet.group
            case Key.CGROUP:
                return packet.cgroup
            case Key.IP_SADDR:
                return packet.source if version == 4 else None
            case Key.IP6_SADDR:
                return packet.source if version == 6 else None
            case Key.IP_DADDR:
                return packet.destination if version == 4 else None
            case Key.IP6_DADDR:
                return packet.destination if version == 6 else None
            case Key.TH_SPORT:
                return packet.source_port if ports else 0x0800
            case Key.TH_DPORT:
                return packet.destination_port if ports else 0x0800
            case Key.TCP_SPORT:
                return packet.source_port if packet.protocol == TCP else None
            case Key.TCP_DPORT:
                return packet.destination_port if packet.protocol == TCP else None
            case Key.UDP_SPORT:
                return packet.source_port if packet.protocol == UDP else None
            case Key.UDP_DPORT:
                return packet.destination_port if packet.protocol == UDP else None
            case Key.TCP_SYN_ACK:
                return None if packet.protocol != TCP else "syn" if packet.opens else "ack"
            case Key.CT_DIRECTION:
                return packet.direction.value if tracked else None
            case Key.CT_STATE:
                return _state(packet)
            case Key.CT_STATUS:
                return ("expected" if packet.expected else "confirmed") if tracked else None
            case Key.CT_SECMARK:
                return (1 if packet.saved else 0) if tracked else None
            case Key.CT_ID:
                return 1 if tracked else None
            case Key.META_SECMARK:
                return 1 if packet.label else 0
            case Key.SCTP_INIT:
                return "exists" if packet.protocol == SCTP and packet.opens else "missing"
            case Key.DCCP_TYPE:
                return None if packet.protocol != DCCP else "request" if packet.opens else "data"


def _state(packet: Packet) -> str:
    if packet.direction is Direction.UNKNOWN or packet.leaves_vrf:
        return "untracked"
    if not packet.new:
        return "established"
    return "related" if packet.expected else "new"
