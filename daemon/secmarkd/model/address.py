# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses and prefixes as integers, the form in which they are compared, split and packed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

IPV4_BITS, IPV6_BITS = 32, 128


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One address. `family` is 4 or 6, `value` the address as an unsigned integer in host order."""

    family: int
    value: int

    def __str__(self) -> str:
        return format_address(self.family, self.value)


@dataclass(frozen=True, slots=True, order=True)
class Prefix:
    """A network: every address whose first `length` bits are those of `low`; the bits after them are zero in `low`."""

    family: int
    low: int
    length: int

    @property
    def high(self) -> int:
        """The last address of the network."""
        bits = IPV4_BITS if self.family == 4 else IPV6_BITS
        return self.low | ((1 << (bits - self.length)) - 1)

    @property
    def single(self) -> bool:
        """Whether the network is one address."""
        return self.length == (IPV4_BITS if self.family == 4 else IPV6_BITS)

    def __contains__(self, address: Address) -> bool:
        return self.family == address.family and self.low <= address.value <= self.high

    def __str__(self) -> str:
        text = format_address(self.family, self.low)
        return text if self.single else f"{text}/{self.length}"


def format_address(family: int, value: int) -> str:
    """The address as nft and people write it."""
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))


def parse_address(text: str) -> Address:
    """One IPv4 or IPv6 address; ValueError for anything else."""
    parsed = ipaddress.ip_address(text)
    return Address(parsed.version, int(parsed))


def parse_prefix(text: str) -> Prefix:
    """An address or `address/length`; ValueError, with what would be right, for anything else."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address or network such as 192.0.2.0/24") from None
    if "/" in text and not _same_address(text, network):
        raise ValueError(f"{text!r} has bits set after its prefix; write {str(network)!r}")
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def _same_address(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return ipaddress.ip_address(text.split("/")[0]) == network.network_address
