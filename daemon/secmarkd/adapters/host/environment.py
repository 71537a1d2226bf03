# SPDX-License-Identifier: GPL-2.0-or-later
"""What labels depend on besides the configuration: the machine's cgroups, and the ports in use."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from secmarkd.adapters.host.cgroups import ROOT, inode
from secmarkd.change.plan import InUse
from secmarkd.model.label_map import Environment
from secmarkd.model.protocols import TCP, UDP

PROC = Path("/proc")


def read_environment(named: Collection[str], cgroups: str = ROOT) -> Environment:
    """The environment now; `named` are the cgroups that the label map names. OSError where it cannot be read."""
    found = {each: inode(each, cgroups) for each in sorted(named)}
    there = {each: number for each, number in found.items() if number is not None}
    return Environment(cgroups=there)


def ports_in_use(proc: Path = PROC) -> InUse:
    """Protocol and port, at either end, of every TCP and UDP socket of this network namespace."""
    found: set[tuple[int, int]] = set()
    for name, protocol in (("tcp", TCP), ("tcp6", TCP), ("udp", UDP), ("udp6", UDP)):
        try:
            with open(proc / "net" / name) as file:
                next(file, None)
                for line in file:
                    found.update((protocol, int(end.rpartition(":")[2], 16)) for end in line.split(None, 3)[1:3])
        except OSError:
            continue
    return frozenset(found)
