# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no protocol as it stands, and which one it means."""

from __future__ import annotations

import re
from collections.abc import Mapping

from secmarkd.mistakes.advice import (
    Mistake,
    Reader,
    leave_out,
    looks_into,
    prose,
    settled,
    settled_all,
    take_out,
    toml,
    write,
)
from secmarkd.mistakes.ports import EVERYTHING, service_names
from secmarkd.mistakes.words import near, plain, shown
from secmarkd.model.protocols import AMBIGUOUS, WITH_PORTS, WITHOUT_PORTS

MAX_PROTOCOL = 255

_KNOWN = WITH_PORTS | WITHOUT_PORTS
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "ping": ("icmp", "icmpv6"), "icmp4": ("icmp",), "icmpv4": ("icmp",), "icmp6": ("icmpv6",), "ipv6icmp": ("icmpv6",),
    "udp-lite": ("udplite",), "ipsec": ("esp", "ah"), "ospfigp": ("ospf",), "ospfv3": ("ospf",), "sit": ("ipv6",),
    "6in4": ("ipv6",), "ip-in-ip": ("ipencap",), "ip6gre": ("gre",), "gretap": ("gre",), "carp": ("vrrp",),
    "keepalived": ("vrrp",),
}  # fmt: skip
_OVER_PORTS: Mapping[str, tuple[str, int]] = {
    "quic": ("udp", 443), "vxlan": ("udp", 4789), "geneve": ("udp", 6081), "wireguard": ("udp", 51820),
    "ike": ("udp", 500), "openvpn": ("udp", 1194), "dtls": ("udp", 4433), "dns": ("udp", 53), "dhcp": ("udp", 67),
    "tls": ("tcp", 443), "ssl": ("tcp", 443),
}  # fmt: skip
_BELOW_IP = frozenset(("arp", "rarp", "stp", "lldp", "pppoe", "vlan", "802.1q", "8021q", "eapol", "ethertype"))
_FAMILIES = {**dict.fromkeys(("ipv4", "ip4", "inet", "4"), "0.0.0.0/0"), **dict.fromkeys(("ip6", "inet6"), "::/0")}


@looks_into
def protocol_mistake(value: object, read: Reader) -> Mistake:
    """Why the value is no protocol's name or number; `read` is the reader that refused it."""
    match value:
        case int() if not isinstance(value, bool):
            wrong = f"invalid protocol {shown(value)} (expected 0-{MAX_PROTOCOL})"
            return Mistake(wrong, prose("write a number of IANA's registry of protocols"))
        case float() if value.is_integer() and 0 <= value <= MAX_PROTOCOL:
            return Mistake(f"{shown(value)} has a decimal point", write(str(int(value))))
        case list() if items := settled_all(read, [item for item in value if type(item) in (int, str)]):
            return Mistake("a list inside the list of protocols", write(*items))
        case str():
            return _text(value, plain(value).lower(), read)
        case _:
            return Mistake(f"expected a protocol, got {shown(value)}", write('"esp"', "50", like=True))


def _text(value: str, text: str, read: Reader) -> Mistake:
    if text in EVERYTHING or text in ("", "ip", "ipall"):
        return Mistake(f"expected a protocol, got {shown(value)}", leave_out("leave protocol out for all of them"))
    if text in AMBIGUOUS:
        linux, iana = AMBIGUOUS[text]
        return Mistake(
            f"{shown(value)} is {linux} to Linux and {iana} in /etc/protocols", write(str(linux)), write(str(iana))
        )
    if found := re.fullmatch(r"(0x)?([0-9a-f]{1,9})", text):
        number = int(found[2], 16) if found[1] else int(found[2]) if found[2].isdecimal() else -1
        if 0 <= number <= MAX_PROTOCOL:
            return Mistake(f"{shown(value)} is a number in quotes", write(str(number)))
        if number > MAX_PROTOCOL:
            wrong = f"invalid protocol {shown(value)} (expected 0-{MAX_PROTOCOL})"
            return Mistake(wrong, prose("write a number of IANA's registry of protocols"))
    if text in _FAMILIES:
        wrong = f"{shown(value)} is a family of addresses"
        return Mistake(wrong, write(beside=[("remote", f"[{toml(_FAMILIES[text])}]")]))
    if names := _OTHER_NAMES.get(text):
        return Mistake(f"{shown(value)} has another name here", write(*map(toml, names)))
    if text in _BELOW_IP:
        wrong = f"{shown(value)} is not carried by IP, and SELinux labels no such packets"
        return Mistake(wrong, take_out("take it out"))
    return _excluded(value, text) or _with_ports(value, text, read) or _other(value, text, read)


def _excluded(value: str, text: str) -> Mistake | None:
    if not re.match(r"[!^~]|not\b|except\b", text):
        return None
    wrong = f"{shown(value)} leaves a protocol out, which no list can"
    return Mistake(wrong, take_out("take it out, and give that protocol a label of its own"))


def _with_ports(value: str, text: str, read: Reader) -> Mistake | None:
    """`tcp/80` or a service: what belongs to the list of ports of a protocol."""
    found = re.fullmatch(r"([a-z]+)\s*[/:\s]\s*([0-9]{1,5})(?:\s*[-:]\s*([0-9]{1,5}))?", text)
    if found is None:
        found_back = re.fullmatch(r"([0-9]{1,5})(?:\s*[-:]\s*([0-9]{1,5}))?\s*/\s*([a-z]+)", text)
        name, first, last = (found_back[3], found_back[1], found_back[2]) if found_back else ("", "", None)
    else:
        name, first, last = found[1], found[2], found[3]
    if name in WITH_PORTS and 0 < int(first) <= int(last or first) <= 65535:
        ports = toml(f"{int(first)}-{int(last)}") if last else str(int(first))
        return Mistake(f"{shown(value)} is more than a protocol", write(beside=[(name, f"[{ports}]")]))
    if text in _OVER_PORTS:
        name, port = _OVER_PORTS[text]
        return Mistake(
            f"{shown(value)} is not an IP protocol but a use of {name}", write(beside=[(name, f"[{port}]")])
        )
    for name in WITH_PORTS:
        if text in service_names(name):
            return Mistake(f"{shown(value)} is a service of {name}", write(beside=[(name, f"[{toml(text)}]")]))
    parts = [part for part in re.split(r"[,;|+\s]+", text) if part]
    if 1 < len(parts) <= 256:
        items = settled_all(read, [int(part) if part.isdecimal() and len(part) < 9 else part for part in parts])
        return Mistake(f"{shown(value)} is several protocols in one string", write(*items)) if items else None
    return None


def _other(value: str, text: str, read: Reader) -> Mistake:
    if text != value.lower() and (items := settled(read, text)):
        return Mistake(f"{shown(value)} has blanks or look-alikes of plain characters", write(*items))
    if name := near(text, _KNOWN):
        return Mistake(f"unknown protocol {shown(value)}", write(toml(name), purpose=f"if {name} is meant"))
    return Mistake(f"unknown protocol {shown(value)}", prose("write its number (see /etc/protocols)"))
