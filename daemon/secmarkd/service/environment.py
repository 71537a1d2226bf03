"""What labels depend on besides the configuration: the machine's ephemeral ports, cgroups, and the ports in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from secmarkd.model.labels import Environment
from secmarkd.model.protocols import TCP, UDP
from secmarkd.ruleset.plan import InUse

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
"""Where nft looks for the paths after `socket cgroupv2` (libnftables, SYSFS_CGROUP_PATH)."""


def read_environment(named: frozenset[str], proc: Path = PROC, cgroups: Path = CGROUPS) -> Environment:
    """The environment now; `named` are the cgroups that the label map names."""
    return Environment(
        ephemeral=_ephemeral(proc), cgroups=frozenset(each for each in named if os.path.isdir(cgroups / each))
    )


def _ephemeral(proc: Path) -> tuple[int, int]:
    try:
        low, high = (proc / "sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(low), int(high)
    except (OSError, ValueError):
        return Environment().ephemeral


def differences(before: Environment, after: Environment) -> Iterator[tuple[str, str, str]]:
    """What changed: the thing, what it was, what it is."""
    if before.ephemeral != after.ephemeral:
        yield "net.ipv4.ip_local_port_range", _range(before.ephemeral), _range(after.ephemeral)
    for each in sorted(before.cgroups ^ after.cgroups):
        was, now = ("there", "gone") if each in before.cgroups else ("absent", "there")
        yield f"cgroup {each}", was, now


def _range(ports: tuple[int, int]) -> str:
    return f"{ports[0]}-{ports[1]}"


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
