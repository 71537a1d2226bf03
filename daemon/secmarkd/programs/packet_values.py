# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet in words, as people and tcpdump say it:

    in tcp from 192.0.2.7:51234 to 198.51.100.7:443 on eth0
    out udp from 198.51.100.7 to 192.0.2.53 port domain user alice
    forward icmp from 10.0.0.1 to 10.9.0.1 on eth0 via eth1

Order does not matter beyond that each word stands before its value. What is left out is filled in, and said; what cannot
be is answered with what would be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from secmarkd.adapters.host.names import look_up
from secmarkd.config.items import cgroup_item, interface_item, protocol_item, remote_item, user_item
from secmarkd.model.address import Address, parse_address, parse_prefix
from secmarkd.model.context import Context, parse_context
from secmarkd.model.names import Name, NameKind
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMP, ICMPV6, OPENED_PROTOCOLS, TCP, WITH_PORTS
from secmarkd.programs.packet_syntax import Said, Unclear, keep, sort_out

ASSUMED_PORT = 50000
"""For the end of a connection whose port does not matter."""

UNKNOWN_USER = 2**32 - 1
"""For a user whose name cannot be looked up: the uid that no process has."""
PATIENCE = 5.0
"""Seconds for the lookup of a user."""

_Meaning = TypeVar("_Meaning")

_LOOPBACK = parse_prefix("127.0.0.0/8")
_DIGITS = 10
"""More than any number here needs; int() refuses thousands of them in its own way."""


def parse_packet(words: Sequence[str], *, unknown_user: bool = False) -> tuple[Packet, tuple[str, ...]]:
    """The packet, and what was assumed because the words do not say it. Raises Unclear.

    `unknown_user`: a user whose name cannot be looked up is UNKNOWN_USER, and no reason to raise.
    """
    said = sort_out(words)
    if said.hook is None:
        raise Unclear("the packet's way is missing: in, out or forward")
    protocol = _protocol(said)
    assumed: list[str] = []
    source, destination = _address(said, "from"), _address(said, "to")
    _check_families(said, protocol, source, destination)
    direction = _direction(said)
    source_port, destination_port = _ports(said, protocol, direction, assumed)
    entering, leaving = _interfaces(said, source, destination, assumed)
    user, cgroup, saved = _process(said, unknown_user)
    new = direction is Direction.ORIGINAL and not said.flags.keys() & {"established", "unseen"}
    remembered = direction is not Direction.UNKNOWN and not new and "unseen" not in said.flags
    if remembered and saved is None:
        assumed.append("the opening of its connection was seen")
    packet = Packet(
        hook=said.hook, direction=direction, protocol=protocol, source=source, destination=destination,
        source_port=source_port, destination_port=destination_port, input_interface=entering, output_interface=leaving,
        opens=_opens(said, protocol, new=new), new=new, remembered=remembered, user=user, cgroup=cgroup,
        expected="expected" in said.flags, saved=saved, label=_label(said),
    )  # fmt: skip
    return packet, tuple(assumed)


def _number(text: str) -> int | None:
    """The number that ASCII digits write; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def _protocol(said: Said) -> int:
    if not said.protocol:
        raise Unclear("the protocol is missing: tcp, udp, icmp, … or its number")
    number = _number(said.protocol)
    return _item(protocol_item, said.protocol if number is None else number)


def _address(said: Said, end: str) -> Address:
    """The address after `from` or `to`; a port behind it goes to `said.ports`."""
    text = said.values.get(end, "")
    if not text:
        raise Unclear(f"an address after `{end}` is missing")
    address, colon, port = text, "", ""
    if text.startswith("["):
        address, bracket, behind = text[1:].partition("]")
        _, colon, port = behind.partition(":")
        if not bracket or (behind and not behind.startswith(":")):
            raise Unclear(f"{text!r} is not [ADDRESS]:PORT, as in [2001:db8::1]:443")
    elif text.count(":") == 1:
        address, colon, port = text.partition(":")
    if colon and not port:
        raise Unclear(f"{text!r} has no port after its colon")
    if port:
        keep(said.ports, end, port, "the port after the address that follows")
    if "%" in address:
        plain, _, zone = address.partition("%")
        raise Unclear(f"{text!r} has a zone; write {plain}, and the interface as `on {zone or 'IFACE'}`")
    try:
        parsed = parse_address(address)
    except ValueError:
        raise Unclear(f"{text!r} is not an address, nor ADDRESS:PORT (IPv6: [2001:db8::1]:443)") from None
    _item(remote_item, address)  # which knows addresses that no packet has
    return parsed


def _check_families(said: Said, protocol: int, source: Address, destination: Address) -> None:
    if source.family != destination.family:
        raise Unclear(f"{source} and {destination} are not of one address family")
    if (protocol, source.family) in ((ICMP, 6), (ICMPV6, 4)):
        other = "icmpv6" if protocol == ICMP else "icmp"
        raise Unclear(
            f"{said.protocol} does not go over IPv{source.family}, whose addresses these are; write {other}"
        )


def _direction(said: Said) -> Direction:
    if "untracked" in said.flags:
        return Direction.UNKNOWN
    return Direction.REPLY if "reply" in said.flags else Direction.ORIGINAL


def _opens(said: Said, protocol: int, *, new: bool) -> bool:
    if "syn" in said.flags and protocol != TCP:
        raise Unclear(f"{said.protocol} has no SYN, only tcp has; leave `syn` out")
    return protocol in OPENED_PROTOCOLS and new


def _label(said: Said) -> Context | None:
    """The label that the packet carries already."""
    text = said.values.get("labelled", "")
    if text and said.hook is not Hook.OUTPUT:
        raise Unclear("only at output does a packet keep the label that it carries; leave `labelled` out")
    return _item(parse_context, text) if text else None


def _ports(said: Said, protocol: int, direction: Direction, assumed: list[str]) -> tuple[int | None, int | None]:
    names = {number: name for name, number in WITH_PORTS.items()}
    if protocol not in names:
        if said.ports:
            raise Unclear(f"{said.protocol} has no ports")
        return None, None
    service, other = ("from", "to") if direction is Direction.REPLY else ("to", "from")
    if service not in said.ports:
        raise Unclear(f"the port of the service is missing, after the address that follows `{service}`")
    if other not in said.ports:
        said.ports[other] = str(ASSUMED_PORT)
        assumed.append(f"port {ASSUMED_PORT} after the address that follows `{other}`")
    return _port(said.ports["from"], names[protocol]), _port(said.ports["to"], names[protocol])


def _port(text: str, protocol: str) -> int:
    number = _number(text)
    if number is not None and number <= 65535:
        return number
    name = Name(NameKind.SERVICE, text, WITH_PORTS[protocol])
    found = look_up([name], PATIENCE).numbers.get(name) if text else None
    if found is None:
        raise Unclear(f"{text!r} is neither a port up to 65535 nor a name in /etc/services for {protocol}")
    return found


def _interfaces(said: Said, source: Address, destination: Address, assumed: list[str]) -> tuple[str, str]:
    """Where the packet enters and where it leaves; empty where it does not, or where an interface is not said."""
    entering, leaving = _interface(said, "on"), _interface(said, "via")
    if said.hook is Hook.FORWARD:
        ways = [way for way, name in (("in", entering), ("out", leaving)) if not name]
        assumed += [f"{way} by an interface that no label names" for way in ways]
        return entering, leaving
    if leaving:
        raise Unclear(f"`via` is the second interface of a forwarded packet; this one has one, write `on {leaving}`")
    name = entering
    if not name and (source == destination or (source in _LOOPBACK and destination in _LOOPBACK)):
        name = "lo"
        assumed.append("interface lo")
    if not name:
        assumed.append("an interface that no label names")
    return (name, "") if said.hook is Hook.INPUT else ("", name)


def _interface(said: Said, word: str) -> str:
    name = said.values.get(word, "")
    if name.endswith("*"):
        raise Unclear(f"{name!r}: a packet has one interface, without *")
    return _item(interface_item, name) if name else ""


def _process(said: Said, unknown_user: bool) -> tuple[int | None, str | None, Context | None]:
    """The local process's user and cgroup, and the label saved on the connection."""
    user, cgroup, saved = (said.values.get(word, "") for word in ("user", "cgroup", "saved"))
    if said.hook is Hook.FORWARD and (user or cgroup):
        raise Unclear(
            f"a forwarded packet belongs to no process of this host; leave `{'user' if user else 'cgroup'}` out"
        )
    if saved and "unseen" in said.flags:
        raise Unclear("a label is saved at the opening of a connection; leave `saved` or `unseen` out")
    if saved and "untracked" in said.flags:
        raise Unclear(
            f"a packet that is `{said.flags['untracked']}` has no connection, on which a label would be saved"
        )
    if saved and cgroup and not user:
        raise Unclear("beside `saved` and `cgroup` the `user` is missing: a hook sees both of a process or neither")
    return (
        _user(user, unknown_user) if user else None,
        _item(cgroup_item, cgroup) if cgroup else None,
        _item(parse_context, saved) if saved else None,
    )


def _user(text: str, may_be_unknown: bool) -> int:
    number = _number(text)
    user = _item(user_item, text if number is None else number)
    if isinstance(user, int):
        return user
    name = Name(NameKind.USER, user)
    found = look_up([name], PATIENCE)
    if name in found.missing and not may_be_unknown:
        raise Unclear(f'there is no user "{user}" now: {found.missing[name]}')
    return found.numbers.get(name, UNKNOWN_USER)


def _item(read: Callable[[Any], _Meaning], value: str | int) -> _Meaning:
    """What an item of the label map's files means, which is written there as it is here."""
    try:
        return read(value)
    except ValueError as error:
        raise Unclear(str(error)) from None
