# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets at full rate through a host's hooks, counted twice: by its label table, and by a table of the test's own.

    with Flood(host, peer) as flood:
        with flood.running():
            act()
        assert flood.counts() == …

In rehearsal each hook counts every packet in exactly one of our counters, the default ones included. A table of the test's
own counts, in the same hooks, one priority before ours and one after. So a packet that met no rules of ours, or half of
them, is a difference of sums, and no packet is too many or too few to be seen.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.namespace import Namespace
from tests.support.senders import TcpSender, UdpSender

_HOST, _PEER = "198.51.100.1", "198.51.100.2"
_TABLE = "witness"
_HOOKS = ("input", "output")
_PLACES = {"before": 49, "after": 51}
"""Priorities around the 50 of our chains."""
_BATCH = 256
_SEGMENTS = 16
_AT_LEAST = 2_000
"""Packets that pass before an act begins, and again after it has ended."""
_PATIENCE = 30.0
PORTS = (9000, 9001, 5)
"""UDP ports at which both ends receive."""
TCP_PORT = 80


@dataclass(frozen=True)
class Counts:
    """Packets that passed: before our hooks' priority, after it, and by all our counters."""

    before: int
    after: int
    ours: int

    def __sub__(self, earlier: Counts) -> Counts:
        return Counts(self.before - earlier.before, self.after - earlier.after, self.ours - earlier.ours)


class Flood:
    """UDP and TCP in both directions between a host and its peer, by a thread that hardly needs the interpreter's lock.

    Make it once our table is there: what has passed before that, nobody of ours has counted.
    """

    def __init__(self, host: Namespace, peer: Namespace) -> None:
        self._host = host
        self._sent = 0
        self._more = threading.Condition()
        host.veth(peer, [f"{_HOST}/24"], [f"{_PEER}/24"], name="eth0", other_name="eth0")
        self._senders: list[UdpSender | TcpSender] = []
        for sender, receiver, address in ((host, peer, _PEER), (peer, host, _HOST)):
            ends = [(address, port) for port in PORTS]
            self._senders.append(UdpSender(sender, receiver, ends, _BATCH, answered=True))
            self._senders.append(TcpSender(sender, receiver, address, TCP_PORT, _SEGMENTS))
        host.nft(_witness())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sender in self._senders:
            sender.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Send all the while, and some thousands of packets before and after what happens inside."""
        stop = threading.Event()
        thread = threading.Thread(target=self._send, args=(stop,))
        thread.start()
        try:
            self._await_more()
            yield
            self._await_more()
        finally:
            stop.set()
            thread.join()

    def counts(self) -> Counts:
        """What has been counted, once nothing is on its way any more."""
        counts = self._read()
        while (again := self._read()) != counts:
            counts = again
        return counts

    def _send(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for each in self._senders:
                each.send()
                with self._more:
                    self._sent += each.batch
                    self._more.notify_all()

    def _await_more(self) -> None:
        with self._more:
            wanted = self._sent + _AT_LEAST
            assert self._more.wait_for(lambda: self._sent >= wanted, _PATIENCE), "nothing is sent"

    def _read(self) -> Counts:
        time.sleep(0.02)
        sums = {"before": 0, "after": 0, "ours": 0}
        for each in self._host.nft_json("list counters"):
            counter = each["counter"]
            match counter["family"], counter["table"]:
                case "inet", "secmarkd":
                    sums["ours"] += counter["packets"]
                case "inet", table if table == _TABLE:
                    sums[counter["name"]] += counter["packets"]
        return Counts(**sums)


def _witness() -> str:
    chains = [
        f"chain {hook}_{place} {{ type filter hook {hook} priority {priority}; counter name {place}; }}"
        for hook in _HOOKS
        for place, priority in _PLACES.items()
    ]
    counters = [f"counter {place} {{ }}" for place in _PLACES]
    return "\n".join([f"table inet {_TABLE} {{", *counters, *chains, "}"])
