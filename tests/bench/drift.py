"""From another process's commit to the repairing commit.

The service runs in this process, over the real kernel, with a clock of its own, so that each change is a story of its own
and the pace of repairs does not count. Time begins when the kernel's event arrives and ends when the repair is committed.
The bare time is that of an `nft -f` that loads the whole table.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from secmarkd.model.context import parse_context
from secmarkd.model.labels import Environment, LabelMap, Mode, Origin, Role, Rule, Settings
from secmarkd.model.protocols import TCP, UDP
from secmarkd.ruleset.compile import compile_table
from secmarkd.ruleset.encode import encode
from secmarkd.ruleset.transaction import Replace, Transaction
from secmarkd.service.loading import Loaded
from tests.bench.figures import Figure, Section
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
