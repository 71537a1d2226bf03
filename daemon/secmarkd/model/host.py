# SPDX-License-Identifier: GPL-2.0-or-later
"""What of this host's network packets can show: interfaces and addresses of one network namespace, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from secmarkd.model.address import Prefix

VRF = "vrf"


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface."""

    name: str
    kind: str = ""
    """`bridge`, `bond`, `vrf`, …; empty for hardware."""
    master: str = ""
    """The bridge, bond or other interface that it is a port of; empty for none."""
    other_names: tuple[str, ...] = ()
    """By which `ip` knows it too, and rules do not."""


def interface_matches(pattern: str, name: str) -> bool:
    """Whether an interface has the literal name, or begins as the pattern before its `*` does."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """One network namespace."""

    interfaces: tuple[Interface, ...] = ()
    local: tuple[Prefix, ...] = ()
    """What packets to this host may be addressed to: its addresses, and networks that are routed to itself."""

    def named(self, name: str) -> Interface | None:
        """The interface of this name; None where there is none."""
        return next((each for each in self.interfaces if each.name == name), None)

    def matching(self, pattern: str) -> list[Interface]:
        """The interfaces that a pattern of the label map stands for."""
        return [each for each in self.interfaces if interface_matches(pattern, each.name)]

    def has(self, network: Prefix) -> bool:
        """Whether some packet to this host may be addressed to an address of the network."""
        return any(
            network.family == each.family and network.low <= each.high and each.low <= network.high
            for each in (*self.local, *_GROUPS)
        )


_GROUPS = (Prefix(4, 0xE0 << 24, 4), Prefix(4, 0xFFFFFFFF, 32), Prefix(6, 0xFF << 120, 8))
"""Multicast and broadcast, which any host may be sent."""
