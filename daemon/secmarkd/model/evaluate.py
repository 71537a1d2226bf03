"""The reference evaluator: from a label map and a packet to the label and to the rule that decided.

This is the specification. It is written to be read, not to be fast; the compiled ruleset has to agree with it packet by
packet (tests/netns/test_differential.py sends real packets to see that it does).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.errors import SecmarkdError
from secmarkd.model.address import Address
from secmarkd.model.context import Context
from secmarkd.model.labels import Environment, LabelMap, Role, Rule, in_numbers
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.precedence import rank
from secmarkd.model.protocols import ICMP_PROTOCOLS, TCP, UDP


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


@dataclass(frozen=True, slots=True)
class View:
    """A packet seen under one role: which of its ends is remote, and which port is the service's."""

    role: Role
    service_port: int | None
    remote: Address
    local: Address
    interface: str


def evaluate(label_map: LabelMap, packet: Packet, environment: Environment) -> Decision:
    """The packet's label under the label map. Raises Contradiction where two equal rules disagree on it."""
    seen = views(packet, environment)
    if packet.hook is Hook.FORWARD and not _says_anything_of_forwarded(label_map, environment):
        return _default(label_map, packet, Role.FORWARD)
    for view in seen:
        decision = _decide(label_map.rules, packet, view, environment)
        if decision is not None:
            return decision
    if packet.expected and packet.saved and not packet.loopback:
        return Decision(packet.saved, None, "the label of the connection that announced this one", seen[0].role)
    return _default(label_map, packet, seen[0].role)


def _says_anything_of_forwarded(label_map: LabelMap, environment: Environment) -> bool:
    of_role = (rule for rule in label_map.rules if rule.role is Role.FORWARD and exists(rule, environment))
    return label_map.defaults.forward is not None or any(of_role)


def views(packet: Packet, environment: Environment) -> tuple[View, ...]:
    """The roles under which the packet is looked up, in order: more than one only where conntrack may be wrong."""
    first = _assumed_original(packet) if packet.direction is not Direction.REPLY else _assumed_reply(packet)
    other = _assumed_reply(packet) if packet.direction is not Direction.REPLY else _assumed_original(packet)
    if packet.direction is Direction.UNKNOWN:
        return (first, other)
    return (first, other) if _direction_doubtful(packet, other, environment) else (first,)


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


def _direction_doubtful(packet: Packet, other: View, environment: Environment) -> bool:
    """Whether conntrack may have seen this connection first in its middle, and so have its direction reversed.

    Never for a SYN, and never for a UDP packet that opens a connection to us: else whoever chooses a source port
    would choose a label. Never for a service port among the ephemeral ports either: else some connection that happens
    to be opened from such a port would change its label after its first packet.
    """
    low, high = environment.ephemeral
    if other.service_port is None or low <= other.service_port <= high:
        return False
    if packet.protocol == TCP:
        return not packet.opens
    if packet.protocol == UDP:
        return packet.direction is Direction.REPLY or packet.hook is Hook.OUTPUT
    return False


def _decide(rules: Iterable[Rule], packet: Packet, view: View, environment: Environment) -> Decision | None:
    present = (rule for rule in rules if rule.role is view.role and exists(rule, environment))
    of_role = in_numbers(present, environment)
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
    return (rule.cgroup is None or rule.cgroup in environment.cgroups) and all(
        name in environment.names for name in rule.names
    )


def _selects_process(rule: Rule) -> bool:
    return rule.user is not None or rule.cgroup is not None


def _process_hidden(packet: Packet, view: View) -> bool:
    """The hook sees no socket (an orphaned connection, a reply to an unconnected socket), but an earlier packet's label
    was saved. On loopback both ends share the saved label, which is then the client's."""
    return packet.user is None and packet.saved is not None and not (view.role is Role.SERVER and packet.loopback)


def matches(rule: Rule, packet: Packet, view: View) -> bool:
    """Whether all the selectors of a rule hold for the packet, seen in this way."""
    return (
        rule.role is view.role
        and (rule.protocol is None or rule.protocol == packet.protocol)
        and (
            rule.ports is None
            or (view.service_port is not None and rule.ports[0] <= view.service_port <= rule.ports[1])
        )
        and (rule.remote is None or view.remote in rule.remote)
        and (rule.local is None or view.local in rule.local)
        and (rule.interface is None or interface_matches(rule.interface, view.interface))
        and (rule.user is None or rule.user == packet.user)
        and (rule.cgroup is None or _below(packet.cgroup, rule.cgroup))
    )


def interface_matches(pattern: str, name: str) -> bool:
    """Whether an interface has the literal name, or begins as the pattern before its `*` does."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _below(cgroup: str | None, ancestor: str) -> bool:
    return cgroup is not None and (cgroup == ancestor or cgroup.startswith(ancestor + "/"))


def _default(label_map: LabelMap, packet: Packet, role: Role) -> Decision:
    defaults = label_map.defaults
    if role is Role.FORWARD:
        return Decision(defaults.forward, None, "default.forward", role)
    if packet.protocol in ICMP_PROTOCOLS:
        return Decision(defaults.icmp, None, "default.icmp", role)
    return Decision(defaults.server if role is Role.SERVER else defaults.client, None, f"default.{role}", role)
