# SPDX-License-Identifier: GPL-2.0-or-later
"""Label maps of any size, as files that an administrator could have written; and the same labels as linear rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path
from random import Random

from secmarkd.adapters.loading.process import load
from secmarkd.model.label_map import Mode
from secmarkd.table.table import Lookup, Mark, Object, ObjectKind, Rule, Table

_AT_ONCE = 250
"""Selectors of one label."""
Tuples = Sequence[tuple[str, int]]
"""Protocols with ports."""


def port_tuples(count: int) -> list[tuple[str, int]]:
    """So many TCP and UDP ports (three in five are TCP's, as in the reference policy), the same ones every time."""
    random = Random(count)
    tcp = min(65535, count * 3 // 5)
    ports = [("tcp", port) for port in random.sample(range(1, 65536), tcp)]
    return ports + [("udp", port) for port in random.sample(range(1, 65536), count - tcp)]


def write_ports(folder: Path, tuples: Tuples, each: int = _AT_ONCE) -> None:
    """A configuration that labels ports, `each` by each, for connections in both directions."""
    lines: list[str] = []
    for protocol in ("tcp", "udp"):
        ports = [port for known, port in tuples if known == protocol]
        for number, start in enumerate(range(0, len(ports), each)):
            lines += [f"[labels.{protocol}{number}]", f"{protocol} = {ports[start : start + each]}"]
    _write(folder, lines)


def write_mixed(folder: Path, count: int) -> None:
    """`count` selectors of servers: half ports, a quarter single remote addresses with a port, a quarter remote
    networks with a port (these go to interval maps)."""
    lines: list[str] = []
    for number, (protocol, ports) in enumerate(_chunks(port_tuples(count // 2))):
        lines += [
            f"[labels.ports{number}]",
            f'type = "ports{number}_packet_t"',
            'role = "server"',
            f"{protocol} = {ports}",
        ]
    hosts = (str(IPv4Address(0x0A000000 + 7 * number)) for number in range(count // 4))
    networks = (f"{IPv4Address(0xAC100000 + 512 * number)}/24" for number in range(count // 4))
    for name, addresses in (("hosts", hosts), ("networks", networks)):
        number = 0
        while chunk := list(islice(addresses, _AT_ONCE)):
            lines += [f"[labels.{name}{number}]", f'type = "{name}{number}_packet_t"', 'role = "server"']
            lines += [f"tcp = [{1024 + number}]", f"remote = {chunk}".replace("'", '"')]
            number += 1
    _write(folder, lines)


def _chunks(tuples: Tuples) -> Iterator[tuple[str, list[int]]]:
    for protocol in ("tcp", "udp"):
        ports = [port for known, port in tuples if known == protocol]
        for start in range(0, len(ports), _AT_ONCE):
            yield protocol, ports[start : start + _AT_ONCE]


def _write(folder: Path, lines: list[str]) -> None:
    (folder / "labels.d").mkdir(parents=True)
    (folder / "labels.d" / "50-bench.toml").write_text("\n".join(lines) + "\n")
    (folder / "secmarkd.toml").write_text('mode = "rehearse"\n')


def label_table(folder: Path) -> Table:
    """The table of mode "label" for a configuration, with counter objects in place of secmark objects: rehearsal leaves
    out what saves labels on connections, and its cost."""
    from secmarkd.compiler.compile import compile_table

    loaded, label_map = load([str(folder)])
    table = compile_table(label_map, Mode.LABEL, loaded.environment)
    return replace(
        table,
        objects=tuple(Object(each.name, ObjectKind.COUNTER) for each in table.objects),
        maps=tuple(replace(each, kind=ObjectKind.COUNTER) for each in table.maps),
        chains=tuple(replace(each, rules=tuple(_counting(rule) for rule in each.rules)) for each in table.chains),
    )


def _counting(rule: Rule) -> Rule:
    return tuple(replace(each, kind=ObjectKind.COUNTER) if isinstance(each, Mark | Lookup) else each for each in rule)


def linear(tuples: Tuples) -> str:
    """The same labels in the shape of the reference policy's gennetfilter.py --nft: a rule for each port in input and in
    output, then ICMP, then save and restore; counters in place of secmarks."""
    lines = ["table inet linear {"]
    lines += [f"counter l_{protocol}_{port} {{ }}" for protocol, port in tuples]
    lines += ["counter l_default { }", "counter l_icmp { }"]
    for chain in ("input", "output"):
        lines += [f"chain {chain} {{ type filter hook {chain} priority 0;", 'ct state new counter name "l_default"']
        lines += [
            f'ct state new {protocol} dport {port} counter name "l_{protocol}_{port}"' for protocol, port in tuples
        ]
        lines += ['ip protocol icmp counter name "l_icmp"', 'ip6 nexthdr icmpv6 counter name "l_icmp"']
        lines += [
            "ct state new ct secmark set meta secmark",
            "ct state established,related meta secmark set ct secmark",
        ]
        lines += ["}"]
    return "\n".join([*lines, "}"]) + "\n"
