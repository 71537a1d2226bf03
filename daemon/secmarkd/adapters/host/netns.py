# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces: which one this process is in. Each has nftables, interfaces and labels of its own."""

from __future__ import annotations

import os
from pathlib import Path

OWN = Path("/proc/self/ns/net")
NAMED = Path("/run/netns")
"""Where `ip netns` keeps the namespaces that have a name."""


def inode(path: Path = OWN) -> int:
    """The number that a namespace has while it exists; 0 where nobody can say."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def name_of(number: int, named: Path = NAMED) -> str:
    """The name that `ip netns` knows the namespace by; empty where it has none."""
    try:
        names = sorted(os.listdir(named))
    except OSError:
        return ""
    return next((name for name in names if number and inode(named / name) == number), "")
