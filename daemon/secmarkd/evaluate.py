# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference evaluator: from a label map and a packet to the label and to the rule that decided.

This is the specification. It is written to be read, not to be fast; the compiled ruleset has to agree with it packet by
packet (tests/netns/test_differential.py sends real packets to see that it does).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.errors import SecmarkdError
from secmarkd.model.context import Context
from secmarkd.model.label_map import Environment, LabelMap, Role, Rule, in_numbers
from secmarkd.model.packet import Direction, Hook, Packet, View
from secmarkd.model.protocols import DATAGRAM_PROTOCOLS, ICMP_PROTOCOLS, OPENED_PROTOCOLS, TCP
from secmarkd.selectors.every import BY_PROCESS, SELECTORS
from secmarkd.selectors.precedence import more_than_ports, rank

CARRIED = "the label that the packet carries already"
"""A packet comes to the output hook again inside every encapsulation, and with a VRF, still with its socket: SELinux then
asks again whether that socket's domain may send what has this label."""
ANNOUNCED = "the label of the connection that announced this one"


@dataclass(frozen=True, slots=True)
class Decision:
    """The label of a packet (None: the packet keeps whatever it has) and what decided."""

    context: Context | None
    rule: Rule | None
    """The rule, or None where a default or the label saved on the connection decided."""
    why: str
    """A phrase for people, such as `default.server` or `the label saved on the connection`."""
    role: Role
    """The role under which the label was found."""


class Contradiction(SecmarkdError):
    """Two rules that are equal in every respect give one packet different labels."""

    def __init__(self, first: Rule, second: Rule) -> None:
        super().__init__(f"{first.origin} and {second.origin} give the same packet different labels")
        self.rules = (first, second)


def evaluate(label_map: LabelMap, packet: Packet, environment: Environment) -> Decision:
    """The packet's label under the label map. Raises Contradiction where two equal rules disagree on it."""
    seen = views(label_map.rules, packet, environment)
    role = seen[0].role
    if packet.hook is Hook.OUTPUT and packet.label is not None:
        return Decision(packet.label, None, CARRIED, role)
    if packet.hook is Hook.FORWARD and not _says_anything_of_forwarded(label_map, environment):
        return _default(label_map, packet, Role.FORWARD)
    announced = _inherits(packet)
    for view in seen:
        decision = _decide(label_map.rules, packet, view, environment, announced=announced)
        if decision is not None:
            return decision
    if announced:
        return Decision(packet.saved, None, ANNOUNCED, role)
    return _default(label_map, packet, role)


def _says_anything_of_forwarded(label_map: LabelMap, environment: Environment) -> bool:
    of_role = (rule for rule in label_map.rules if rule.role is Role.FORWARD and exists(rule, environment))
    return label_map.defaults.forward is not None or any(of_role)


def views(rules: Iterable[Rule], packet: Packet, environment: Environment) -> tuple[View, ...]:
    """The roles under which the packet is looked up, in order: more than one only for a packet without a direction.

    Whoever opened a connection is its client, for as long as it lives. So conntrack's direction says the role where the
    opening was seen, or is this packet. Otherwise the connection is older than the table, or conntrack forgot it and saw it
    again in its middle, perhaps the wrong way round. Then a rule that names a port decides: where one matches under the
    other role, and none under its own, the packet has the other role. No port number changes a role that is known: whoever
    chooses a source port would choose a label.

    A packet that leaves by a VRF has its label before conntrack knows it: then the table's own memory says the role.
    """
    first = _assumed_original(packet) if packet.direction is not Direction.REPLY else _assumed_reply(packet)
    other = _assumed_reply(packet) if packet.direction is not Direction.REPLY else _assumed_original(packet)
    if packet.leaves_vrf:
        # Conntrack does not know it yet: it opens its connection, or that is remembered, or nobody can say.
        if _opens_by_itself(rules, packet):
            return (_assumed_original(packet),)
        return (first, other) if packet.direction is Direction.UNKNOWN else (first,)
    if packet.direction is Direction.UNKNOWN:
        return (first, other)
    if _is_in_doubt(packet):
        by_port = [rule for rule in in_numbers(rules, environment) if rule.ports is not None]
        by_port = [rule for rule in by_port if exists(rule, environment)]
        if not _any_matches(by_port, packet, first) and _any_matches(by_port, packet, other):
            return (other,)
    return (first,)


def _opens_by_itself(rules: Iterable[Rule], packet: Packet) -> bool:
    """Whether the packet says that it opens its connection. Into other protocols than TCP the table looks only where a rule
    names them, for not every kernel can."""
    return packet.opens and (packet.protocol == TCP or any(rule.protocol == packet.protocol for rule in rules))


def _any_matches(rules: Iterable[Rule], packet: Packet, view: View) -> bool:
    return any(matches(rule, packet, view) for rule in rules)


def _inherits(packet: Packet) -> bool:
    """Whether it belongs to a connection that another one announced, whose label the kernel has copied. Not on loopback,
    where that label is the client's at both ends; and ICMP errors are the kernel's own."""
    return (
        packet.expected and packet.saved is not None and not packet.loopback and packet.protocol not in ICMP_PROTOCOLS
    )


def _is_in_doubt(packet: Packet) -> bool:
    """Whether the packet neither opens its connection nor belongs to one whose opening was seen.

    UDP has no opening packet. The first one that others send to this host is an opening, always. One that this host sends
    may be a service's answer, to what conntrack has forgotten or from another of the host's addresses; its source port
    tells. (Over loopback the output hook saw it first, and remembers an opening.)
    """
    if packet.opening_seen:
        return False
    if packet.protocol in OPENED_PROTOCOLS:
        return not packet.opens
    if packet.protocol in DATAGRAM_PROTOCOLS:
        return not packet.new or packet.hook is Hook.OUTPUT or packet.loopback
    return False


def _assumed_original(packet: Packet) -> View:
    """The packet as one from the side that opened the connection: the service is at its destination port."""
    source, destination, port = packet.source, packet.destination, packet.destination_port
    match packet.hook:
        case Hook.INPUT:
            return View(Role.SERVER, port, source, destination, packet.input_interface)
        case Hook.OUTPUT:
            return View(Role.CLIENT, port, destination, source, packet.output_interface)
        case Hook.FORWARD:
            return View(Role.FORWARD, port, source, destination, packet.input_interface)


def _assumed_reply(packet: Packet) -> View:
    """The packet as one from the side that offers the service: the service is at its source port."""
    source, destination, port = packet.source, packet.destination, packet.source_port
    match packet.hook:
        case Hook.INPUT:
            return View(Role.CLIENT, port, source, destination, packet.input_interface)
        case Hook.OUTPUT:
            return View(Role.SERVER, port, destination, source, packet.output_interface)
        case Hook.FORWARD:
            return View(Role.FORWARD, port, destination, source, packet.output_interface)


def _decide(
    rules: Iterable[Rule], packet: Packet, view: View, environment: Environment, *, announced: bool
) -> Decision | None:
    """The label by the rules of a role, of an announced connection by those that ask for more than ports."""
    present = (rule for rule in rules if rule.role is view.role and exists(rule, environment))
    of_role = in_numbers(present, environment)
    if announced:
        of_role = tuple(rule for rule in of_role if more_than_ports(rule))
    matching = [rule for rule in of_role if matches(rule, packet, view)]
    by_process = [rule for rule in matching if _selects_process(rule)]
    if not by_process and _process_hidden(packet, view) and any(map(_selects_process, of_role)):
        return Decision(packet.saved, None, "the label saved on the connection", view.role)
    if not matching:
        return None
    best = max(matching, key=rank)
    for rule in matching:
        if rank(rule) == rank(best) and rule.context != best.context:
            raise Contradiction(best, rule)
    return Decision(best.context, best, str(best.origin), view.role)


def exists(rule: Rule, environment: Environment) -> bool:
    """A rule for a cgroup that does not exist, or for a name without a number, selects nothing."""
    if rule.cgroup is not None and rule.cgroup not in environment.cgroups:
        return False
    return not rule.names or all(name in environment.names for name in rule.names)


def _selects_process(rule: Rule) -> bool:
    return any(selector.given(rule) for selector in BY_PROCESS)


def _process_hidden(packet: Packet, view: View) -> bool:
    """The hook sees no socket (an orphaned connection, a reply to an unconnected socket), but an earlier packet's label
    was saved. Not of an ICMP error, which the kernel sends. On loopback both ends share the saved label: the client's."""
    hidden = packet.user is None and packet.saved is not None and packet.protocol not in ICMP_PROTOCOLS
    return hidden and not (view.role is Role.SERVER and packet.loopback)


def matches(rule: Rule, packet: Packet, view: View) -> bool:
    """Whether all the selectors of a rule hold for the packet, seen in this way."""
    return rule.role is view.role and all(
        selector.matches(rule, packet, view) for selector in SELECTORS if selector.given(rule)
    )


def _default(label_map: LabelMap, packet: Packet, role: Role) -> Decision:
    defaults = label_map.defaults
    if role is Role.FORWARD:
        return Decision(defaults.forward, None, "default.forward", role)
    if packet.protocol in ICMP_PROTOCOLS:
        return Decision(defaults.icmp, None, "default.icmp", role)
    return Decision(defaults.server if role is Role.SERVER else defaults.client, None, f"default.{role}", role)
