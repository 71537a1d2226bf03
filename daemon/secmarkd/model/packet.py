"""A packet as a netfilter hook of this host sees it: the input of the reference evaluator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secmarkd.model.address import Address
from secmarkd.model.context import Context


class Hook(StrEnum):
    """The netfilter hooks at which labels are given."""

    INPUT = "input"
    OUTPUT = "output"
    FORWARD = "forward"


class Direction(StrEnum):
    """What conntrack says of the packet; UNKNOWN when it is untracked or invalid."""

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
    """For TCP: SYN is set and ACK is not."""
    user: int | None = None
    """Uid of the local socket, None where the hook sees no socket."""
    cgroup: str | None = None
    """Path of the local socket's cgroup below /sys/fs/cgroup, None where the hook sees no socket."""
    expected: bool = False
    """Whether a conntrack helper announced this connection (`ct status expected`)."""
    saved: Context | None = None
    """The label saved on the connection (`ct secmark`); None when none is, and always so in rehearsal."""

    @property
    def loopback(self) -> bool:
        """Whether the packet stays on this host: then both of its ends share one conntrack entry."""
        return "lo" in (self.input_interface, self.output_interface)
