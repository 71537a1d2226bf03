# SPDX-License-Identifier: GPL-2.0-or-later
"""A deleted element, repaired while the program that deleted it stays: `nft -i`.

One that ends takes time away: when a program that used nftables ends, the kernel lets nobody write until what was deleted
has been freed, after a grace period of RCU (nft_rcv_nl_event, which waits with the commit mutex held): some ten
milliseconds, unless the repair was quicker than the program's end. Time is what lies between the kernel's two events.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.service.contention import QUIET
from tests.bench.figures import Figure, Section
from tests.bench.maps import port_tuples, write_ports
from tests.bench.service import Service
from tests.bench.urgent import be_woken_at_once
from tests.support.capability import NFT
from tests.support.namespace import Namespace

_REST = QUIET + 0.5
"""Seconds; a repair that follows sooner counts as one of a row, and waits."""
_GOAL_SECONDS = 0.005


def section(elements: int, rounds: int) -> Section:
    """The figure for one size."""
    ports = port_tuples(elements // 2)  # both roles, so two elements a port
    tampering = "delete element inet secmarkd server_port {{ {} . {} }}\n".format(*ports[0])
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secmarkd-bench-")))
        namespace = stack.enter_context(Namespace())
        write_ports(folder / "etc", ports)
        stack.enter_context(Service(namespace, [str(folder / "etc")]))
        with namespace.enter():
            events = stack.enter_context(contextlib.closing(NetlinkEvents()))
            shell = stack.enter_context(
                subprocess.Popen([NFT, "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            )
        assert shell.stdin is not None
        stdin = shell.stdin

        def typed() -> None:
            stdin.write(tampering)
            stdin.flush()

        be_woken_at_once(stack)
        _between_events(events, typed)  # the first one starts from what the activation left in the sockets
        samples = [_between_events(events, typed) for _ in range(rounds)]
        stdin.close()
    figure = Figure("a deleted element, repaired", samples, most=_GOAL_SECONDS)
    return Section(f"the same where the program that deleted it stays ({elements:,} elements)", figures=[figure])


def _between_events(events: NetlinkEvents, act: Callable[[], object]) -> float:
    """Seconds from the event of what `act` commits to that of the next commit."""
    time.sleep(_REST)
    events.take()
    act()
    heard: list[float] = []
    while len(heard) < 2:
        if not select.select([events], [], [], 10.0)[0]:
            raise SystemExit("error: nobody repaired the element")
        heard += [time.perf_counter()] * len(events.take().committed)
    return heard[1] - heard[0]
