# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet as a netfilter hook of this host sees it: the input of the reference evaluator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secmarkd.model.address import Address
from secmarkd.model.context import Context
from secmarkd.model.label_map import Role


class Hook(StrEnum):
    """The netfilter hooks at which labels are given."""

    INPUT = "input"
    OUTPUT = "output"
    FORWARD = "forward"


class Direction(StrEnum):
    """What conntrack says of the packet; UNKNOWN when it is untracked or invalid. Of one that leaves by a VRF, what the
    table remembers of its connection; UNKNOWN when that is nothing."""

    ORIGINAL = "original"
    REPLY = "reply"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet. Ports are None for a protocol without ports; interface names are empty where the hook has none."""

    hook: Hook
    direction: Direction
    protocol: int
    source: Address
    destination: Address
    source_port: int | None = None
    destination_port: int | None = None
    input_interface: str = ""
    output_interface: str = ""
    opens: bool = False
    """Whether it opens its connection by itself: a TCP packet with SYN and without ACK, an SCTP INIT, a DCCP Request."""
    new: bool = False
    """Whether conntrack has seen no answer yet (`ct state new`, or `related` for an announced connection)."""
    remembered: bool = False
    """Whether the table saw the opening of its connection."""
    user: int | None = None
    """Uid of the local socket, None where the hook sees no socket."""
    group: int | None = None
    """Gid of the local socket, likewise."""
    cgroup: str | None = None
    """Path of the local socket's cgroup below /sys/fs/cgroup, None where the hook sees no socket."""
    expected: bool = False
    """Whether a conntrack helper announced this connection (`ct status expected`)."""
    saved: Context | None = None
    """The label saved on the connection (`ct secmark`); None when none is, and always so in rehearsal. A label is saved at
    the opening, or copied from the connection that announced this one, and so says by itself that the opening was seen."""
    leaves_vrf: bool = False
    """Whether it is at the output hook on its way out by a VRF: conntrack sees it after that, when it has its label."""
    label: Context | None = None
    """The label that it carries already when it comes to the output hook; None when it carries none."""

    @property
    def opening_seen(self) -> bool:
        """Whether the role of its connection is known for certain."""
        return self.remembered or self.saved is not None

    @property
    def loopback(self) -> bool:
        """Whether the packet stays on this host: then both of its ends share one conntrack entry."""
        return "lo" in (self.input_interface, self.output_interface)


@dataclass(frozen=True, slots=True)
class View:
    """A packet seen under one role: which of its ends is remote, and which port is the service's."""

    role: Role
    service_port: int | None
    remote: Address
    local: Address
    interface: str
