# SPDX-License-Identifier: GPL-2.0-or-later
"""A contradiction, told with both places and one packet that both rules match, in the words of `secmarkctl explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from secmarkd.compiler.grouping import Group
from secmarkd.compiler.overlap import Clash, Range
from secmarkd.errors import Problem
from secmarkd.evaluate import Contradiction, evaluate
from secmarkd.model.address import Address, format_address, parse_address
from secmarkd.model.label_map import Environment, LabelMap, Role
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMPV6, OPENED_PROTOCOLS, TCP, WITH_PORTS, protocol_name
from secmarkd.selectors.every import BY_PROCESS
from secmarkd.selectors.interface import INTERFACE
from secmarkd.selectors.local import LOCAL
from secmarkd.selectors.ports import PORTS
from secmarkd.selectors.protocol import PROTOCOL
from secmarkd.selectors.remote import REMOTE

_REMOTES = {4: ("192.0.2.1", "203.0.113.77", "100.64.7.7"), 6: ("2001:db8::1", "3fff:77::7", "fd77:7::7")}
_LOCALS = {4: ("198.51.100.1", "198.18.7.7"), 6: ("2001:db8:ffff::1", "fd99:9::9")}
"""Examples where the rules name no address: more than one, for a more selective rule may decide for the first."""
_PORT = 40000
_HOOKS = {Role.SERVER: Hook.INPUT, Role.CLIENT: Hook.OUTPUT, Role.FORWARD: Hook.FORWARD}
_WORDS = {Hook.INPUT: "in", Hook.OUTPUT: "out", Hook.FORWARD: "forward"}


def describe_clash(clash: Clash, group: Group, label_map: LabelMap, environment: Environment) -> Problem:
    """The problem at the first place, naming the second."""
    first, second = sorted((clash.first, clash.second), key=lambda rule: rule.origin)
    if group.waits:
        names = " and ".join(map(str, group.waits))
        message = (
            f"conflicts with {second.origin}: once {names} can be looked up, the same packet would get {first.context} "
            f"here and {second.context} there; make one of them narrower, or remove it"
        )
        return Problem(first.origin.file, first.origin.line, first.origin.key, message)
    examples = list(_packets(clash, group))
    packet = next((each for each in examples if _contradicts(each, label_map, environment)), examples[0])
    message = (
        f"conflicts with {second.origin}: the same packet would get {first.context} here and {second.context} there, "
        f"for example `{in_words(packet)}`; make one of them narrower, or remove it"
    )
    return Problem(first.origin.file, first.origin.line, first.origin.key, message)


def _contradicts(packet: Packet, label_map: LabelMap, environment: Environment) -> bool:
    try:
        evaluate(label_map, packet, environment)
    except Contradiction:
        return True
    return False


def _packets(clash: Clash, group: Group) -> Iterator[Packet]:
    """Packets of the contradiction's cell that open a connection."""
    ranges = dict(zip(group.ranged, clash.ranges, strict=True))
    exact = dict(zip(group.exact, clash.exact, strict=True))
    hook = _HOOKS[clash.first.role]
    outgoing = hook is Hook.OUTPUT
    protocol = int(exact.get(PROTOCOL, TCP))
    has_ports = PORTS in ranges or protocol in WITH_PORTS.values()
    service = ranges[PORTS][0] if PORTS in ranges else _PORT
    process: dict[str, Any] = {each.name: exact[each] for each in BY_PROCESS if each in exact}
    interface = str(exact.get(INTERFACE) or (group.pattern or "").replace("*", "0"))
    families = (6, 4) if protocol == ICMPV6 else (4, 6)  # the first is what people are shown
    for family in (group.family,) if group.family else families:
        remotes = _addresses(ranges.get(REMOTE), family, _REMOTES)
        locals_ = _addresses(ranges.get(LOCAL), family, _LOCALS)
        for remote, local in product(remotes, locals_):
            yield Packet(
                hook=hook, direction=Direction.ORIGINAL, protocol=protocol, opens=protocol in OPENED_PROTOCOLS, new=True,
                source=local if outgoing else remote, destination=remote if outgoing else local,
                source_port=_PORT if has_ports else None, destination_port=service if has_ports else None,
                input_interface="" if outgoing else interface, output_interface=interface if outgoing else "",
                cgroup=group.cgroup, **process,
            )  # fmt: skip


def _addresses(range_: Range | None, family: int, examples: Mapping[int, tuple[str, ...]]) -> list[Address]:
    return [Address(family, range_[0])] if range_ else [parse_address(text) for text in examples[family]]


def in_words(packet: Packet) -> str:
    """The packet as `secmarkctl explain` takes it."""
    words = [_WORDS[packet.hook], protocol_name(packet.protocol)]
    words += [
        "from",
        _end(packet.source, packet.source_port),
        "to",
        _end(packet.destination, packet.destination_port),
    ]
    interface = packet.input_interface or packet.output_interface
    words += ["on", interface] if interface else []
    for each in BY_PROCESS:
        value = getattr(packet, each.name)
        words += [each.name, str(value)] if value is not None else []
    return " ".join(words)


def _end(address: Address, port: int | None) -> str:
    text = format_address(address.family, address.value)
    if port is None:
        return text
    return f"[{text}]:{port}" if address.family == 6 else f"{text}:{port}"
