"""A packet in words, as people and tcpdump say it:

    in tcp from 192.0.2.7:51234 to 198.51.100.7:443 on eth0
    out udp from 198.51.100.7 to 192.0.2.53 port domain user alice
    forward icmp from 10.0.0.1 to 10.9.0.1 on eth0 via eth1

Order does not matter beyond that each word stands before its value. What is left out is filled in, and said.
"""

from __future__ import annotations

import pwd
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from secmarkd.errors import UsageError
from secmarkd.model.address import Address, parse_address
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import TCP, WITH_PORTS, WITHOUT_PORTS

EXAMPLE = "in tcp from 192.0.2.7:51234 to 198.51.100.7:443 on eth0"
ASSUMED_PORT = 50000
"""For the end of a connection whose port does not matter: among the ephemeral ones."""

_HOOKS = {
    "in": Hook.INPUT, "input": Hook.INPUT, "out": Hook.OUTPUT, "output": Hook.OUTPUT,
    "forward": Hook.FORWARD, "forwarded": Hook.FORWARD, "fwd": Hook.FORWARD,
}  # fmt: skip
_FLAGS = {
    "reply": "reply", "original": "original", "untracked": "untracked", "invalid": "untracked", "expected": "expected",
    "syn": "syn", "new": "syn", "established": "established",
}  # fmt: skip
_TAKE_VALUE = ("from", "to", "on", "via", "user", "cgroup", "port")
_IGNORED = ("packet", "a", "an", "the", "and", "->", "→", "interface", "proto", "protocol")


class Unclear(UsageError):
    """The words do not make a packet."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=f"for example: secmarkctl explain {EXAMPLE}")


@dataclass(slots=True)
class _Said:
    """What the words said, as text."""

    hook: Hook | None = None
    protocol: str = ""
    values: dict[str, str] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    """By `from` and `to`."""
    flags: set[str] = field(default_factory=set)


def parse_packet(words: Sequence[str]) -> tuple[Packet, tuple[str, ...]]:
    """The packet, and what was assumed because the words do not say it. Raises Unclear."""
    said = _read(iter([part for word in words for part in word.replace(",", " ").split()]))
    if said.hook is None:
        raise Unclear("the packet's way is missing: in, out or forward")
    if not said.protocol:
        raise Unclear("the protocol is missing: tcp, udp, icmp, … or its number")
    protocol = _protocol(said.protocol)
    assumed: list[str] = []
    source, destination = _address(said, "from"), _address(said, "to")
    if source.family != destination.family:
        raise Unclear(f"{source} and {destination} are not of one address family")
    direction = _direction(said)
    source_port, destination_port = _ports(said, protocol, direction, assumed)
    entering, leaving = _interfaces(said, source, destination, assumed)
    opens = protocol == TCP and direction is not Direction.REPLY and "established" not in said.flags
    packet = Packet(
        hook=said.hook, direction=direction, protocol=protocol, source=source, destination=destination,
        source_port=source_port, destination_port=destination_port, input_interface=entering, output_interface=leaving,
        opens=opens, user=_user(said), cgroup=said.values.get("cgroup", "").strip("/") or None,
        expected="expected" in said.flags,
    )  # fmt: skip
    return packet, tuple(assumed)


def _read(words: Iterator[str]) -> _Said:
    said, end = _Said(), ""
    for word in words:
        low = word.lower()
        if low in _TAKE_VALUE:
            value = next(words, "")
            if not value:
                raise Unclear(f"after {word!r} something is missing")
            if low == "port":
                if not end:
                    raise Unclear("`port` stands after the address it belongs to")
                said.ports[end] = value
            else:
                end = low if low in ("from", "to") else end
                said.values[low] = value
        elif low in _HOOKS and said.hook is None:
            said.hook = _HOOKS[low]
        elif low in _FLAGS:
            said.flags.add(_FLAGS[low])
        elif low not in _IGNORED:
            if said.protocol:
                raise Unclear(f"{word!r} is not understood here")
            said.protocol = low
    return said


def _protocol(word: str) -> int:
    known = WITH_PORTS | WITHOUT_PORTS
    if word in known:
        return known[word]
    if word.isdigit() and int(word) <= 255:
        return int(word)
    raise Unclear(f"{word!r} is not a protocol that is known here; {', '.join(sorted(known))}, or a number up to 255")


def _address(said: _Said, end: str) -> Address:
    """The address after `from` or `to`; a port behind it goes to `said.ports`."""
    text = said.values.get(end, "")
    if not text:
        raise Unclear(f"an address after `{end}` is missing")
    address, port = text, ""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if port:
        said.ports[end] = port
    try:
        return parse_address(address)
    except ValueError:
        raise Unclear(f"{text!r} is not an address, nor ADDRESS:PORT (IPv6: [2001:db8::1]:443)") from None


def _direction(said: _Said) -> Direction:
    if "untracked" in said.flags:
        return Direction.UNKNOWN
    return Direction.REPLY if "reply" in said.flags else Direction.ORIGINAL


def _ports(said: _Said, protocol: int, direction: Direction, assumed: list[str]) -> tuple[int | None, int | None]:
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
    if text.isdigit() and int(text) <= 65535:
        return int(text)
    try:
        return socket.getservbyname(text, protocol)
    except OSError:
        raise Unclear(f"{text!r} is neither a port up to 65535 nor a name in /etc/services for {protocol}") from None


def _interfaces(said: _Said, source: Address, destination: Address, assumed: list[str]) -> tuple[str, str]:
    entering, leaving = said.values.get("on", ""), said.values.get("via", "")
    if said.hook is Hook.FORWARD:
        return entering, leaving
    name = entering or leaving
    if not name and source == destination:
        name = "lo"
        assumed.append("interface lo")
    if not name:
        assumed.append("an interface that no label names")
    return (name, "") if said.hook is Hook.INPUT else ("", name)


def _user(said: _Said) -> int | None:
    name = said.values.get("user", "")
    if not name:
        return None
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Unclear(f"there is no user {name!r} on this machine") from None
