# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether this network namespace forwards packets."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")
_SWITCHES = (
    "sys/net/ipv4/conf/*/forwarding",
    "sys/net/ipv6/conf/*/forwarding",
    "sys/net/bridge/bridge-nf-call-ip*tables",
)
"""Routing, of each interface; and bridged packets that the hooks of routed ones see (br_netfilter)."""


def forwards(proc: Path = _PROC) -> bool:
    """Whether this network namespace forwards packets, on whatever interface."""
    return any(_on(switch) for pattern in _SWITCHES for switch in proc.glob(pattern))


def _on(switch: Path) -> bool:
    try:
        return switch.read_text().strip() not in ("0", "")
    except OSError:  # an interface that has gone, or a file that this process may not read
        return False
