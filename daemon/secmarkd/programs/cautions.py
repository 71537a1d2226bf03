# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the kernel may see another packet than the one described, or where a label alone is not enough. Short, and only
where they apply."""

from __future__ import annotations

import os
from collections.abc import Iterator

from secmarkd.model.label_map import Mode
from secmarkd.model.packet import Hook, Packet
from secmarkd.model.protocols import UDP, WITH_PORTS

_ASKED_ELSEWHERE = {
    69: "TFTP without its conntrack helper", 427: "SLP", 1900: "SSDP", 3702: "WS-Discovery", 5355: "LLMNR",
}  # fmt: skip
"""UDP services whose answers come from another address or port than the one that was asked."""

_CARRIES = {4: "ipencap", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah"}
"""Protocols that carry other packets."""

_NAT = "/sys/module/nf_nat"


def translates() -> bool:
    """Whether the kernel has NAT loaded."""
    return os.path.exists(_NAT)


def cautions(packet: Packet, labelled: bool, mode: Mode, nat: bool) -> Iterator[str]:
    """The cautions for this packet. `labelled`: whether it gets a label; `nat`: whether this host translates addresses."""
    ports = packet.protocol in WITH_PORTS.values()
    if nat and ports and packet.hook is not Hook.INPUT:
        yield "ports and addresses are those after destination NAT and before source NAT"
    elif nat and ports:
        yield "ports and addresses are those after destination NAT"
    if packet.protocol in _CARRIES and packet.hook is Hook.OUTPUT and packet.label is None:
        yield "the outer packet of a tunnel has the label of what it carries; a rehearsal counts both"
    if packet.hook is Hook.FORWARD and labelled and mode is Mode.LABEL:
        yield "the policy must allow unlabeled_t forward_in and forward_out on this type"
    if packet.hook is Hook.FORWARD and mode is Mode.REHEARSE:
        yield "packets that a flowtable carries past the forward hook are not counted"
    name = _ASKED_ELSEWHERE.get(packet.source_port or 0)
    if name and packet.protocol == UDP and packet.hook is Hook.INPUT:
        yield f"{name} answers from another address or port than it was asked at; such an answer is a connection of its own"
