# SPDX-License-Identifier: GPL-2.0-or-later
"""What labelling costs a packet, against the same labels as linear rules.

A lane is two namespaces with a veth between them, and a ruleset in the receiver's; there are several lanes of each
ruleset, all at the same time. One thread, bound to one CPU, sends to them in turn, a batch of a millisecond or so to
each, over and over, each after a few packets that are not timed and bring the lane into the CPU's caches again. A sent
packet is received on the same CPU before the system call goes on, so the time of a batch holds all of the packet's way
through the input hook; a socket filter drops it there. Whatever else the machine does lengthens some batches, never
shortens any: so a lane's figure is its shortest batch of hundreds. Lanes with equal rulesets still differ by some ten
nanoseconds, by where in memory their things happen to be: so a ruleset's figure is the median of its lanes'.

What is reported is the cost added to that of a receiver where conntrack is on and nothing is labelled: both our rules and
linear ones need conntrack, whose own cost is shown, too. Ours are the rules of mode "label" with counter objects in place
of secmark objects, so what saves labels on connections is in. Linear is the shape that gennetfilter.py of the reference
policy writes, with counter objects as well. New: flows that never had an answer, so that conntrack calls every packet
new, which is the linear rules' worse case. Established: flows with an answer. TCP: segments of one byte on an open
connection, each with the acknowledgements that it draws, which go through the output hook.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from secmarkd.nft.text import encode
from secmarkd.table.transaction import Replace
from tests.bench.figures import Figure, Section
from tests.bench.maps import Tuples, label_table, linear, port_tuples, write_ports
from tests.support.namespace import Namespace
from tests.support.senders import TcpSender, UdpSender

_REFERENCE = 478
"""Protocols with ports that the reference policy names."""
_FLOWS = 32
_WARM = 4 * _FLOWS
"""Packets before each batch."""
_LANES = 3
"""Of each ruleset."""
_SENDER, _RECEIVERS = "198.51.100.1", [f"198.51.100.{number}" for number in range(2, 10)]
_CONNTRACK = "table inet track {\nchain input {\ntype filter hook input priority 0\nct state new\n}\n}\n"


@dataclass
class Lane:
    """One ruleset with its two namespaces, and its samples by kind of traffic."""

    name: str
    sender: Namespace
    receiver: Namespace
    tuples: Tuples
    samples: dict[str, list[float]]
    counted: int = 0
    """Packets that its rules had labelled when last asked."""

    def require_counted(self, sent: int) -> None:
        """Its rules must have labelled every packet sent since it was last asked, or the figures mean nothing."""
        listing = json.loads(self.receiver.run("nft -j list counters table inet secmarkd").stdout)["nftables"]
        before, self.counted = self.counted, sum(each["counter"]["packets"] for each in listing if "counter" in each)
        default = sum(each["counter"]["packets"] for each in listing if "counter" in each
                      and each["counter"]["name"] in ("s_server_packet_t", "s_client_packet_t"))  # fmt: skip
        if self.counted - before < sent or default:
            raise SystemExit(
                f"error: {self.name}: {sent} packets sent, {self.counted - before} labelled, {default} by default"
            )

    def ports(self, protocol: str, count: int) -> list[int]:
        """Some of its labelled ports."""
        known = [port for each, port in self.tuples if each == protocol]
        return Random(1).sample(known, min(count, len(known)))


def sections(quick: bool) -> Iterator[Section]:
    """UDP new, UDP established, TCP."""
    sizes = [10, _REFERENCE, 10_000] if quick else [10, 100, _REFERENCE, 1_000, 10_000, 100_000]
    tuples = {size: port_tuples(size) for size in sizes}
    rulesets = {"none": ("", tuples[_REFERENCE]), "conntrack": (_CONNTRACK, tuples[_REFERENCE])}
    rulesets |= {f"ours {size}": (_ours(tuples[size]), tuples[size]) for size in sizes}
    rulesets[f"linear {_REFERENCE}"] = (linear(tuples[_REFERENCE]), tuples[_REFERENCE])
    with contextlib.ExitStack() as stack:
        lanes = [
            _lane(stack, name, text, known)
            for _ in range(2 if quick else _LANES)
            for name, (text, known) in rulesets.items()
        ]
        for title, kind in (("UDP, new", "new"), ("UDP, established", "established"), ("TCP, established", "tcp")):
            _measure(lanes, kind, rounds=60 if quick else 200)
            yield _section(title, kind, lanes, sizes)


def _ours(tuples: Tuples) -> str:
    with tempfile.TemporaryDirectory(prefix="secmarkd-bench-") as name:
        folder = Path(name, "etc")
        write_ports(folder, tuples, each=max(1, len(tuples) // 400))
        return encode((Replace(label_table(folder)),))


def _lane(stack: contextlib.ExitStack, name: str, text: str, tuples: Tuples) -> Lane:
    sender, receiver = stack.enter_context(Namespace()), stack.enter_context(Namespace())
    sender.veth(receiver, [f"{_SENDER}/24"], [f"{each}/24" for each in _RECEIVERS], name="eth0", other_name="eth0")
    if text:
        receiver.run(["nft", "-f", "-"], input=text, timeout=120)
    return Lane(name, sender, receiver, tuples, {})


def _measure(lanes: list[Lane], kind: str, rounds: int) -> None:
    """Interleaved batches of one kind of traffic, on one CPU."""
    cpus = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        senders = [_sender(lane, kind) for lane in lanes]
        for sender in senders:
            stack.callback(sender.close)
        os.sched_setaffinity(0, {max(cpus)})
        stack.callback(os.sched_setaffinity, 0, cpus)
        gc.disable()
        stack.callback(gc.enable)
        for lane in lanes:
            lane.samples[kind] = []
        for sender in senders:
            sender.send(_WARM)
        for _ in range(rounds):
            for lane, sender in zip(lanes, senders, strict=True):
                sender.send(_WARM)
                lane.samples[kind].append(sender.send())
        for lane, sender in zip(lanes, senders, strict=True):
            if isinstance(sender, UdpSender) and lane.name.startswith("ours"):
                lane.require_counted(sender.packets)


def _sender(lane: Lane, kind: str) -> UdpSender | TcpSender:
    slow = lane.name.startswith("linear")
    if kind == "tcp":
        return TcpSender(lane.sender, lane.receiver, _RECEIVERS[0], lane.ports("tcp", 1)[0], 100 if slow else 400)
    ports = lane.ports("udp", _FLOWS)
    repeat = _FLOWS // len(_RECEIVERS)  # every ruleset meets as many flows, however few ports it labels
    ends = [(_RECEIVERS[number // repeat], ports[number % len(ports)]) for number in range(_FLOWS)]
    return UdpSender(lane.sender, lane.receiver, ends, 128 if slow else 1024, answered=kind == "established")


def _section(title: str, kind: str, lanes: list[Lane], sizes: list[int]) -> Section:
    best: dict[str, list[float]] = {}
    for lane in lanes:
        best.setdefault(lane.name, []).append(min(lane.samples[kind]))
    empty = median(best["conntrack"])
    added = {name: [each - empty for each in values] for name, values in best.items()}
    slow = added[f"linear {_REFERENCE}"]
    figures = [
        Figure("a packet with no rules at all", best["none"]),
        Figure("a packet with conntrack on (what the rest is added to)", best["conntrack"]),
        Figure(f"added by linear rules for {_REFERENCE} ports", slow),
    ]
    for size in sizes:
        most = 1 / 30 if size == _REFERENCE else None
        name = f"added by ours for {size:,} ports"
        figures.append(Figure(name, added[f"ours {size}"], baseline=slow, most=most, by_median=True))
    middles = [median(added[f"ours {size}"]) for size in sizes]
    differ = max(middles) - min(middles)
    return Section(
        f"cost of a packet: {title}",
        f"what linear rules for {_REFERENCE} ports add, by medians",
        figures,
        [
            f"from {sizes[0]} to {sizes[-1]:,} ports ours differ by {differ * 1e9:.0f} ns; lanes of the same ruleset by "
            f"{_spread(best, sizes) * 1e9:.0f} ns",
        ],
    )


def _spread(best: dict[str, list[float]], sizes: list[int]) -> float:
    """How far lanes of one of our rulesets are apart: the noise. The median of the rulesets."""
    return median(max(best[f"ours {size}"]) - min(best[f"ours {size}"]) for size in sizes)
