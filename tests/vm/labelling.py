# SPDX-License-Identifier: GPL-2.0-or-later
"""The label map in the machine, where `make install` was run: what administrators write, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from talking import inside

if TYPE_CHECKING:
    from audit import Denial
    from machine import Machine

LABELS = "/etc/secmarkd/labels.d/50-test.toml"
SETTINGS = "/etc/secmarkd/secmarkd.toml"
SLOW = 180.0
"""Seconds that a start or a reload may take: 5 on an idle host."""

_SECCTX = re.compile(r"secctx=\w+:\w+:(\w+)")


def write_labels(vm: Machine, labels: str, *, settings: str | None = None) -> None:
    """Beside the shipped labels; nothing changes before an apply, start or reload."""
    vm.put(labels, LABELS)
    if settings is not None:
        vm.put(settings, SETTINGS)


def apply(vm: Machine, labels: str = "", *, netns: str = "", settings: str | None = None) -> None:
    """Label this host, or the namespace, by `secmarkctl apply`."""
    write_labels(vm, labels, settings=settings)
    vm.run(f"{inside(netns) if netns else ''} secmarkctl apply", timeout=SLOW)


def cable(vm: Machine, one: str, other: str, network: str) -> tuple[str, str]:
    """Join two namespaces, made if need be ("" is the machine's own), by interfaces named after the other end.

    `network` is the beginning of the addresses, as 192.0.2; each address, of `one` and `other`, has a host of its own.
    """
    ends = ((one, other or "host", f"{network}.1"), (other, one or "host", f"{network}.2"))
    script = ["set -e", *(f"test -z '{name}' || ip netns add {name} || true" for name in (one, other))]
    script.append(
        f"ip link add {ends[0][1]} {_netns(one)} type veth peer name {ends[1][1]} {_netns(other)}".replace("  ", " ")
    )
    for name, interface, address in ends:
        ip = f"ip -n {name}" if name else "ip"
        # no neighbour discovery of IPv6: its packets are nobody's, and only stir the audit log
        script += [
            f"{ip} link set {interface} addrgenmode none",
            f"{ip} address add {address}/24 dev {interface}",
            f"{ip} link set lo up",
            f"{ip} link set {interface} up",
        ]
    vm.run("\n".join(script))
    return ends[0][2], ends[1][2]


def _netns(name: str) -> str:
    return f"netns {name}" if name else "netns 1"


def remembered(vm: Machine, port: int, *, netns: str = "", protocol: str = "tcp") -> set[str]:
    """The types that conntrack has for connections to a port, of both families; nothing for one without a label."""
    enter = inside(netns) if netns else ""
    listing = [f"{enter} conntrack -L -f {family} -p {protocol} --dport {port}" for family in ("ipv4", "ipv6")]
    return set(_SECCTX.findall(vm.run(" && ".join(listing)).out)) - {"unlabeled_t"}  # how it shows a mark of 0


def refused(denials: Iterable[Denial], domain: str) -> set[tuple[str, str]]:
    """What a domain was denied: permission and type."""
    return {(permission, each.target) for each in denials if each.source == domain for permission in each.permissions}
