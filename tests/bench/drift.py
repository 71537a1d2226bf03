"""From another process's commit to the repairing commit.

First the service runs in this process, over the real kernel, with a clock of its own, so that each change is a story of its
own and the pace of repairs does not count. Time begins when the kernel's event is taken, after the other process has ended,
and ends when the repair is committed. The bare time is that of an `nft -f` that loads the whole table.

Then it runs as it does for users, in processes that have slept for seconds, and time is what lies between the kernel's two
events, as a process of a higher priority hears them. There one thing more counts: when a program ends that used nftables,
the kernel lets nobody write until what was deleted has been freed, after a grace period of RCU (nft_rcv_nl_event, which
waits with the commit mutex held): some ten milliseconds, unless the repair was quicker than the program's end.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

from secmarkd.kernel.netlink_events import NetlinkEvents
from secmarkd.model.context import parse_context
from secmarkd.model.labels import Environment, LabelMap, Mode, Origin, Role, Rule, Settings
from secmarkd.model.protocols import TCP, UDP
from secmarkd.ruleset.compile import compile_table
from secmarkd.ruleset.encode import encode
from secmarkd.ruleset.transaction import Replace, Transaction
from secmarkd.service.fight import QUIET
from secmarkd.service.loading import Loaded
from tests.bench.figures import Figure, Section
from tests.bench.maps import port_tuples, write_ports
from tests.bench.service import Service
from tests.support.capability import NFT
from tests.support.kernel_rig import CountingNft, KernelRig
from tests.support.namespace import Namespace
from tests.support.service_rig import DEFAULTS


def configuration(elements: int) -> Loaded:
    """So many exact ports of one label."""
    context, origin = parse_context("system_u:object_r:http_server_packet_t:s0"), Origin("bench.toml", 1, "labels.x")
    ports = [(TCP, port) for port in range(1, 65536)] + [(UDP, port) for port in range(1, 65536)]
    rules = tuple(
        Rule(label="http", context=context, role=Role.SERVER, origin=origin, protocol=protocol, ports=(port, port))
        for protocol, port in ports[:elements]
    )
    table = compile_table(LabelMap(rules=rules, defaults=DEFAULTS), Mode.REHEARSE, Environment())
    chosen = Settings(mode=Mode.REHEARSE, resync=1e12)
    return Loaded(chosen, table, Environment(), 1, {}, frozenset())


class TimedNft(CountingNft):
    """Remembers when the last transaction was committed."""

    committed_at = 0.0

    def commit(self, transaction: Transaction) -> None:
        super().commit(transaction)
        self.committed_at = time.perf_counter()

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        super().commit_at(transaction, generation)
        self.committed_at = time.perf_counter()


def repair_seconds(rig: KernelRig, nft: TimedNft, tamper: str) -> float:
    """One change by nft, and its repair."""
    rig.clock.now += 1000
    rig.namespace.nft(tamper)
    began = time.perf_counter()
    rig.woken()
    assert nft.committed_at > began, rig.journal.take_lines()
    return nft.committed_at - began


def bare_seconds(namespace: Namespace, loaded: Loaded) -> float:
    """One `nft -f` of the whole table."""
    text = encode((Replace(loaded.table),))
    began = time.perf_counter()
    namespace.run([NFT, "-f", "-"], input=text)
    return time.perf_counter() - began


def elsewhere_seconds(rig: KernelRig) -> float:
    """What a change of another table costs the service."""
    rig.namespace.nft("add table ip x; delete table ip x")
    began = time.perf_counter()
    rig.woken()
    return time.perf_counter() - began


TAMPERINGS = {
    "a deleted element": "delete element inet secmarkd server_port { tcp . 7 }",
    "a flushed table": "flush table inet secmarkd",
    "`flush ruleset`": "flush ruleset",
}


def sections(quick: bool) -> Iterator[Section]:
    """A table for each size."""
    for size in (100, 1000) if quick else (100, 1000, 10_000):
        yield _section(size, repeats=10 if quick else 60 if size < 10_000 else 20)
    for size in (100, 1000) if quick else (100, 1000, 10_000):
        yield _as_for_users(size, repeats=4 if quick else 12)


def _section(size: int, repeats: int) -> Section:
    loaded = configuration(size)
    with Namespace() as namespace, namespace.enter():
        nft = TimedNft()
        rig = KernelRig(namespace, loaded, nft)
        rig.service.ask_verify()
        rig.service.tick()
        result = Section(
            f"from someone's commit to the repairing commit ({size:,} elements)", "bare `nft -f`, by medians"
        )
        bare = [bare_seconds(namespace, loaded) for _ in range(repeats)]
        elsewhere = [elsewhere_seconds(rig) for _ in range(repeats)]
        result.figures += [Figure("bare nft -f of the table", bare), Figure("a change of another table", elsewhere)]
        for what, tamper in TAMPERINGS.items():
            seconds = [repair_seconds(rig, nft, tamper) for _ in range(repeats)]
            if "element" in what:
                result.figures.append(Figure(f"{what}, repaired", seconds, most=0.005))
            else:
                result.figures.append(Figure(f"{what}, repaired", seconds, baseline=bare, most=1.5, by_median=True))
            late = sorted(seconds)[min(repeats - 1, int(repeats * 0.99))]
            result.notes.append(f"{what}: p99 {late * 1000:.1f} ms of {repeats}")
        rig.close()
    return result


def _as_for_users(size: int, repeats: int) -> Section:
    ports = port_tuples(size // 2)  # both roles, so two elements a port
    tamper = "delete element inet secmarkd server_port {{ {} . {} }}".format(*ports[0])
    with tempfile.TemporaryDirectory(prefix="secmarkd-bench-") as name, Namespace() as where:
        write_ports(Path(name, "etc"), ports)
        with Service(where, [f"{name}/etc"]), where.enter(), closing(NetlinkEvents()) as events, _urgent():
            time.sleep(1)
            with subprocess.Popen([NFT, "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as shell:
                assert shell.stdin is not None
                stdin = shell.stdin

                def typed() -> None:
                    stdin.write(f"{tamper}\n")
                    stdin.flush()

                between_events(events, typed)  # the first one starts from what the activation left in the sockets
                stays = [between_events(events, typed) for _ in range(repeats)]
                stdin.close()
            ends = [between_events(events, lambda: where.run([NFT, tamper])) for _ in range(repeats)]
    title = f"the same as users have it, from event to event ({size:,} elements)"
    figures = [
        Figure("a deleted element, by a program that stays", stays, most=0.005),
        Figure("a deleted element, by `nft`, which ends", ends),
    ]
    return Section(title, figures=figures)


def between_events(events: NetlinkEvents, act: Callable[[], object]) -> float:
    """Seconds from the event of what `act` commits to that of the next commit, after a silence in which all others end."""
    time.sleep(QUIET + 0.5)
    events.take()
    heard: list[float] = []
    waiting = Thread(target=act)
    waiting.start()
    while len(heard) < 2:
        if not select.select([events], [], [], 10.0)[0]:
            raise SystemExit("error: nobody repaired the element")
        now = time.perf_counter()
        heard += [now] * len(events.take().committed)
    waiting.join()
    return heard[1] - heard[0]


@contextmanager
def _urgent() -> Iterator[None]:
    """Have this thread run at once when it is woken; not what it starts."""
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
