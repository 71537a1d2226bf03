# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no address or network as it stands, and which one it means."""

from __future__ import annotations

import ipaddress
import re

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
from secmarkd.mistakes.words import plain, shown

_ANY = frozenset(
    (
        "any",
        "all",
        "*",
        "every",
        "everywhere",
        "anywhere",
        "default",
        "everything",
        "internet",
        "world",
        "0/0",
        "::/0.",
        "-",
    )
)
_WORDS: dict[str, tuple[str, ...]] = {
    "localhost": ("127.0.0.1", "::1"),
    "localhost4": ("127.0.0.1",),
    "localhost6": ("::1",),
    "ip6-localhost": ("::1",),
    "loopback": ("127.0.0.0/8", "::1"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "linklocal": ("169.254.0.0/16", "fe80::/10"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "broadcast": ("255.255.255.255",),
    **dict.fromkeys(
        ("lan", "private", "rfc1918", "internal", "intranet", "localnet", "local", "home", "trusted"),
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    ),
    "ipv4": ("0.0.0.0/0",), "ip4": ("0.0.0.0/0",), "inet": ("0.0.0.0/0",), "ip": ("0.0.0.0/0",),
    "ipv6": ("::/0",), "ip6": ("::/0",), "inet6": ("::/0",),
}  # fmt: skip
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_EXCLUDED = re.compile(r"(?:[!^~]|not\b|except\b)\s*(.*)", re.IGNORECASE)
_MASK = re.compile(r"(\S+)\s+(?:(?:net)?mask\s+)?([0-9.]+|/[0-9]+)|(\S+)\s*/\s*(\S+)", re.IGNORECASE)
_RANGE = re.compile(r"([0-9A-Fa-f:.]+)\s*(?:-+|\bto\b|\.\.+|…)\s*([0-9A-Fa-f:.]+)")
_QUAD_PORT = re.compile(r"(?:[a-z]+://)?([0-9]+(?:\.[0-9]+){3})(?::([0-9]+))?/?")
_BRACKETS = re.compile(r"(?:[a-z]+://)?\[([0-9A-Fa-f:.]+)\](/[0-9]+)?(?::([0-9]+))?/?")
_INTERFACE = re.compile(
    r"(?:lo|(?:eth|en[ops]|wl[anp]|ww|br-?|docker|virbr|veth|tun|tap|wg|bond|team|ppp|vlan|dummy)\w*[0-9]\w*)"
)
_LIKE = ('"192.0.2.0/24"', '"2001:db8::/32"')


@looks_into
def address_mistake(value: object, key: str, read: Reader) -> Mistake:
    """Why the value is no address or network; `key` is remote or local, `read` the reader that refused it."""
    if isinstance(value, list) and value:
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value) and (items := settled_all(read, texts)):
            return Mistake("a list inside the list of addresses", write(*items))
    if not isinstance(value, str):
        return Mistake(f"expected an address in quotes, got {shown(value)}", write(*_LIKE, like=True))
    text = plain(value)
    if text.lower() in _ANY or not text:
        said = f"leave {key} out for any address"
        return Mistake(f"expected an address, got {shown(value)}", leave_out(said))
    if found := _EXCLUDED.fullmatch(text):
        return _excluded(value, found[1], read)
    for find in (_several, _word, _between, _masked, _with_zone, _with_port, _incomplete, _zeros, _network):
        if mistake := find(value, text, read):
            return mistake
    if text != value and (items := settled(read, text)):
        return Mistake(f"{shown(value)} has blanks or look-alikes of plain characters", write(*items))
    return _no_address(value, text, key)


def _excluded(value: str, rest: str, read: Reader) -> Mistake:
    items = settled(read, rest)
    narrower = f"remote = [{', '.join(items)}]" if items else "these addresses"
    advice = f"take it out, and give {narrower} a label of its own, which wins because it is narrower"
    return Mistake(f"{shown(value)} leaves an address out, which no list can", take_out(advice))


def _several(value: str, text: str, read: Reader) -> Mistake | None:
    parts = [part for part in re.split(r"[,;|\s]+", text.strip("[](){}")) if part]
    if 1 < len(parts) <= 1000 and not re.search(r"mask|\s-\s|\sto\s", text) and not _dotted_mask(parts):
        items = settled_all(read, parts)
        return Mistake(f"{shown(value)} is several addresses in one string", write(*items)) if items else None
    return None


def _dotted_mask(parts: list[str]) -> bool:
    """Whether the second of two is a mask: `192.0.2.0 255.255.255.0`."""
    return len(parts) == 2 and "," not in parts[0] and parts[1].startswith(("255.", "/"))


def _word(value: str, text: str, _: Reader) -> Mistake | None:
    word = text.lower().lstrip("@$+&").strip("{}")
    if word not in _WORDS:
        return None
    wrong = f"{shown(value)} is a name, and names have no addresses here"
    return Mistake(wrong, write(*map(toml, _WORDS[word])))


def _between(value: str, text: str, _: Reader) -> Mistake | None:
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last = found[1], found[2]
    if last.isdecimal() and "." in first:
        last = f"{first.rpartition('.')[0]}.{last}"
    try:
        one, other = ipaddress.ip_address(first), ipaddress.ip_address(last)
        low, high = sorted((one, other))
        networks = [str(each) for each in ipaddress.summarize_address_range(low, high)]
    except (ValueError, TypeError):
        return None
    items = [each.removesuffix("/32").removesuffix("/128") if "/" in each else each for each in networks]
    return Mistake(f"{shown(value)} is a range, and networks are needed", write(*map(toml, items)))


def _masked(value: str, text: str, read: Reader) -> Mistake | None:
    found = _MASK.fullmatch(text)
    if found is None:
        return None
    address, mask = (found[1], found[2].lstrip("/")) if found[1] else (found[3], found[4])
    if f"{address}/{mask}" == value:
        return None
    items = settled(read, f"{address}/{_length(mask)}")
    return Mistake(f"{shown(value)} is not how a network is written here", write(*items)) if items else None


def _length(mask: str) -> str:
    """A dotted mask as a number of bits; as it is where it is none."""
    try:
        return str(ipaddress.ip_network(f"0.0.0.0/{mask}").prefixlen)
    except ValueError:
        return mask


def _with_zone(value: str, text: str, read: Reader) -> Mistake | None:
    address, percent, zone = text.partition("%")
    zone, slash, length = zone.partition("/")
    if not percent:
        return None
    items = settled(read, address + slash + length)
    wrong = f"{shown(value)} has a zone, which no packet has"
    name = bool(re.fullmatch(r"[A-Za-z0-9._-]{1,15}", zone)) and zone not in (".", "..")
    if not items:
        return None
    return Mistake(wrong, write(*items, beside=[("interface", f"[{toml(zone)}]")] if name else []))


def _with_port(value: str, text: str, read: Reader) -> Mistake | None:
    if found := _BRACKETS.fullmatch(text):
        address, port = found[1] + (found[2] or ""), found[3]
    elif (found := _QUAD_PORT.fullmatch(text)) and found[0] != found[1]:
        address, port = found[1], found[2]
    else:
        return None
    items = settled(read, address)
    if not items:
        return None
    usable = port is not None and len(port) <= 5 and 0 < int(port) <= 65535
    wrong = f"{shown(value)} is more than an address" + ("; ports are given by protocol" if port else "")
    return Mistake(wrong, write(*items, beside=[("tcp", f"[{int(port)}]")] if usable else []))


def _incomplete(value: str, text: str, read: Reader) -> Mistake | None:
    """`192.0.2`, `192.0.2.`, `192.0.2.*`, `10/8`: the beginning of IPv4 addresses."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})((?:\.(?:[*x]|0/24)?)+)?(?:/([0-9]{1,2}))?", text)
    if found is None or not (found[2] or found[3] or "." in found[1]):
        return None
    octets = found[1].split(".")
    length = found[3] or str(8 * len(octets))
    items = settled(read, ".".join([*octets, *["0"] * (4 - len(octets))]) + f"/{length}")
    return Mistake(f"{shown(value)} is the beginning of an address", write(*items)) if items else None


def _zeros(value: str, text: str, read: Reader) -> Mistake | None:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,3})?", text) or not re.search(r"\b0[0-9]", text):
        return None
    items = settled(read, re.sub(r"\b0+(?=[0-9])", "", text))
    wrong = f"{shown(value)} has zeros before its numbers, which some programs read as octal"
    return Mistake(wrong, write(*items)) if items else None


def _network(value: str, text: str, read: Reader) -> Mistake | None:
    """What is an address and a prefix, of which one does not fit the other."""
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        return _bounds(value, text)
    network, one = settled(read, str(interface.network)), settled(read, str(interface.ip))
    if interface.ip == interface.network.network_address or "/" not in text or not (network and one):
        return None
    both = write(*network, purpose="for the network"), write(*one, purpose="for the one address")
    return Mistake(f"{shown(value)} has bits set after its prefix", *both)


def _bounds(value: str, text: str) -> Mistake | None:
    address, slash, length = text.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        wrong = [each for each in address.split(".") if not each.isdecimal() or len(each) > 3 or int(each) > 255]
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", address) and wrong:
            bounds = f"invalid number {shown(wrong[0])[1:-1]} in the address {shown(value)} (expected 0-255)"
            return Mistake(bounds, prose("write it as the host has it"))
        return None
    if slash and length.isdecimal():
        bits = parsed.max_prefixlen
        wrong_bits = f"invalid prefix length {length[:20]} in {shown(value)} (expected 0-{bits})"
        return Mistake(wrong_bits, write(toml(str(parsed)), purpose="for the one address"))
    if slash:
        return Mistake(f"invalid mask in {shown(value)}", write(toml(str(parsed)), purpose="for the one address"))
    return None


def _no_address(value: str, text: str, key: str) -> Mistake:
    if _MAC.fullmatch(text):
        wrong = f"{shown(value)} is a MAC address, and packets are selected by IP addresses only"
        return Mistake(wrong, take_out(f"take it out of {key}"))
    if text.startswith(("@", "$", "%", "+")):
        wrong = f"{shown(value)}: this version has no names for networks, and no sets of other tables"
        return Mistake(wrong, write(*_LIKE, like=True))
    if _INTERFACE.fullmatch(text):
        return Mistake(
            f"{shown(value)} is the name of an interface", write(beside=[("interface", f"[{toml(text)}]")])
        )
    if re.fullmatch(r"(?=.*[A-Za-z])(?=.*[g-zG-Z._-])[A-Za-z0-9._*-]+", text):
        wrong = f"{shown(value)} is a name, and names of hosts are not looked up"
        return Mistake(wrong, write(*_LIKE, like=True))
    return Mistake(f"expected an IPv4 or IPv6 address or network, got {shown(value)}", write(*_LIKE, like=True))
