# SPDX-License-Identifier: GPL-2.0-or-later
"""What the words of a packet mean:

    in tcp from 192.0.2.7:51234 to 198.51.100.7:443 on eth0
    out udp from 198.51.100.7 to 192.0.2.53 port domain user alice
    forward icmp from 10.0.0.1 to 10.9.0.1 on eth0 via eth1

What is left out and can be assumed is assumed, and reported; everything else is an error that says what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from secmarkd.adapters.host.names import look_up
from secmarkd.model.address import Address, parse_address, parse_prefix
from secmarkd.model.context import Context, parse_context
from secmarkd.model.names import Name, NameKind
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMP, ICMPV6, OPENED_PROTOCOLS, TCP, WITH_PORTS
from secmarkd.programs.packet_syntax import End, PacketSyntaxError, PacketWords, Word, parse_words
from secmarkd.selectors.every import BY_PROCESS, ITEMS
from secmarkd.selectors.interface import read_interface
from secmarkd.selectors.protocol import read_protocol
from secmarkd.selectors.selector import Item

ASSUMED_PORT = 50000
"""The port of the end whose port decides nothing."""

UNKNOWN = 2**32 - 1
"""The uid of a user whose name cannot be looked up, and the like; no process has it."""
PATIENCE = 5.0
"""Seconds for the lookup of a name."""

_Meaning = TypeVar("_Meaning")

_LOOPBACK = parse_prefix("127.0.0.0/8")
_DIGITS = 10
"""More than any number here needs; int() refuses thousands of them in its own way."""


def parse_packet(arguments: Sequence[str], *, may_be_unknown: bool = False) -> tuple[Packet, tuple[str, ...]]:
    """The packet, and what was assumed because the words do not say it. Raises PacketSyntaxError.

    `may_be_unknown`: what cannot be looked up of the process is UNKNOWN instead of an error.
    """
    words = parse_words(arguments)
    flags = words.flags.keys()
    protocol = _protocol(words.protocol)
    assumed: list[str] = []
    source, destination = _address(words.source), _address(words.destination)
    _check_families(words, protocol, source, destination)
    direction = _direction(words)
    source_port, destination_port = _ports(words, protocol, direction, assumed)
    entering, leaving = _interfaces(words, source, destination, assumed)
    process, saved = _process(words, may_be_unknown), _saved(words)
    new = direction is Direction.ORIGINAL and not flags & {"established", "unseen"}
    remembered = direction is not Direction.UNKNOWN and not new and "unseen" not in flags
    if remembered and saved is None:
        assumed.append("the opening of its connection was seen")
    packet = Packet(
        hook=words.hook, direction=direction, protocol=protocol, source=source, destination=destination,
        source_port=source_port, destination_port=destination_port, input_interface=entering, output_interface=leaving,
        opens=_opens(words, protocol, new=new), new=new, remembered=remembered,
        expected="expected" in flags, saved=saved, label=_label(words), **process,
    )  # fmt: skip
    return packet, tuple(assumed)


def _number(text: str) -> int | None:
    """The number that ASCII digits write; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def _protocol(word: Word) -> int:
    number = _number(word.text)
    return _item(read_protocol, word, word.text if number is None else number)


def _address(end: End) -> Address:
    word = end.address
    if "%" in word.text:
        plain, _, zone = word.text.partition("%")
        message = f'{word} has a zone; write {plain}, and the interface as "on {zone or "INTERFACE"}"'
        raise PacketSyntaxError(message, word)
    try:
        parsed = parse_address(word.text)
    except ValueError:
        message = f"expected ADDRESS or ADDRESS:PORT (IPv6: [2001:db8::1]:443), got {word}"
        raise PacketSyntaxError(message, word) from None
    _item(ITEMS["remote"].read, word)  # which knows addresses that no packet has
    return parsed


def _check_families(words: PacketWords, protocol: int, source: Address, destination: Address) -> None:
    if source.family != destination.family:
        message = (
            f"source and destination must be of the same address family, got {source} (IPv{source.family}) and "
            f"{destination} (IPv{destination.family})"
        )
        raise PacketSyntaxError(message, words.destination.address)
    if (protocol, source.family) in ((ICMP, 6), (ICMPV6, 4)):
        other = "icmpv6" if protocol == ICMP else "icmp"
        message = f"expected {other} between IPv{source.family} addresses, got {words.protocol}; write {other}"
        raise PacketSyntaxError(message, words.protocol)


def _direction(words: PacketWords) -> Direction:
    if "untracked" in words.flags:
        return Direction.UNKNOWN
    return Direction.REPLY if "reply" in words.flags else Direction.ORIGINAL


def _opens(words: PacketWords, protocol: int, *, new: bool) -> bool:
    if "syn" in words.flags and protocol != TCP:
        raise PacketSyntaxError(f"only tcp has a SYN, {words.protocol.text} has none; remove syn", words.flags["syn"])
    return protocol in OPENED_PROTOCOLS and new


def _label(words: PacketWords) -> Context | None:
    """The label that the packet carries already."""
    word = words.values.get("labelled")
    if word and words.hook is not Hook.OUTPUT:
        raise PacketSyntaxError("only an outgoing packet keeps the label that it carries; remove labelled", word)
    return _item(parse_context, word) if word else None


def _ports(
    words: PacketWords, protocol: int, direction: Direction, assumed: list[str]
) -> tuple[int | None, int | None]:
    names = {number: name for name, number in WITH_PORTS.items()}
    if protocol not in names:
        if port := words.source.port or words.destination.port:
            raise PacketSyntaxError(f"{words.protocol.text} has no ports; remove port {port}", port)
        return None, None
    service = words.source if direction is Direction.REPLY else words.destination
    if service.port is None:
        keyword = "from" if direction is Direction.REPLY else "to"
        message = f"expected the port of the service after {service.address}; write {keyword} {_with_port(service)}"
        raise PacketSyntaxError(message, service.address)
    sides = (("source", words.source), ("destination", words.destination))
    assumed += [f"{side} port {ASSUMED_PORT}" for side, end in sides if end.port is None]
    return _port(words.source.port, names[protocol]), _port(words.destination.port, names[protocol])


def _with_port(end: End) -> str:
    address = end.address.text
    return f"[{address}]:PORT" if ":" in address else f"{address}:PORT"


def _port(word: Word | None, protocol: str) -> int:
    if word is None:
        return ASSUMED_PORT
    number = _number(word.text)
    if number is not None and number <= 65535:
        return number
    name = Name(NameKind.SERVICE, word.text, WITH_PORTS[protocol])
    found = look_up([name], PATIENCE).numbers.get(name)
    if found is None:
        raise PacketSyntaxError(
            f"invalid port {word} (expected 0-65535, or a name in /etc/services for {protocol})", word
        )
    return found


def _interfaces(words: PacketWords, source: Address, destination: Address, assumed: list[str]) -> tuple[str, str]:
    """The interfaces by which the packet enters and leaves; empty for none, and for one that is not given."""
    entering, leaving = _interface(words, "on"), _interface(words, "via")
    if words.hook is Hook.FORWARD:
        ways = [way for way, name in (("in", entering), ("out", leaving)) if not name]
        assumed += [f"{way} by an interface that no label names" for way in ways]
        return entering, leaving
    if leaving:
        raise PacketSyntaxError(
            f'only a forwarded packet leaves by a second interface; write "on {leaving}"', words.values["via"]
        )
    name = entering
    if not name and (source == destination or (source in _LOOPBACK and destination in _LOOPBACK)):
        name = "lo"
        assumed.append("interface lo")
    if not name:
        assumed.append("an interface that no label names")
    return (name, "") if words.hook is Hook.INPUT else ("", name)


def _interface(words: PacketWords, keyword: str) -> str:
    word = words.values.get(keyword)
    if word is None:
        return ""
    if word.text.endswith("*"):
        raise PacketSyntaxError(f"expected one interface, got the pattern {word}; name the interface", word)
    return _item(read_interface, word)


def _process(words: PacketWords, may_be_unknown: bool) -> dict[str, Any]:
    """What is given of the local process, by the packet's fields."""
    found = {each: words.values[each.name] for each in BY_PROCESS if each.name in words.values}
    for each, word in found.items():
        if words.hook is Hook.FORWARD:
            message = f"a forwarded packet belongs to no process of this host; remove {each.name}"
            raise PacketSyntaxError(message, word)
        if "saved" in words.values and "user" not in words.values:
            message = f"with saved and {each.name}, expected user too: the kernel knows both of a process or neither"
            raise PacketSyntaxError(f"{message}; add user NAME", word)
    return {each.name: _of_process(each.items[0], word, may_be_unknown) for each, word in found.items()}


def _of_process(item: Item, word: Word, may_be_unknown: bool) -> int | str:
    number = _number(word.text) if item.thing is None else None
    value: int | str = _item(item.read, word, word.text if number is None else number)
    name = item.names(value)
    if name is None:
        return value
    found = look_up([name], PATIENCE)
    if name in found.missing and not may_be_unknown:
        raise PacketSyntaxError(f"unknown {item.key} {word}: {found.missing[name]}", word)
    return found.numbers.get(name, UNKNOWN)


def _saved(words: PacketWords) -> Context | None:
    """The label saved on the connection."""
    saved = words.values.get("saved")
    if saved and "unseen" in words.flags:
        message = "a label is saved when the opening of a connection is seen; remove saved or unseen"
        raise PacketSyntaxError(message, words.flags["unseen"])
    if saved and "untracked" in words.flags:
        message = "an untracked packet has no connection that could have a label; remove saved or untracked"
        raise PacketSyntaxError(message, words.flags["untracked"])
    return _item(parse_context, saved) if saved else None


def _item(read: Callable[[Any], _Meaning], word: Word, value: str | int = "") -> _Meaning:
    """What the value means in the files of the label map; it is written here as it is there."""
    try:
        return read(word.text if value == "" else value)
    except ValueError as error:
        raise PacketSyntaxError(str(error), word) from None
