# SPDX-License-Identifier: GPL-2.0-or-later
"""Load and verify a large label map, against bare `nft -f` of the same ruleset.

A round begins with an empty namespace. Ours, each stage apart: `load` is a new process that reads and checks the TOML files
and compiles them, until the table is back in the service, while the process with libnftables starts; `first read` finds no
table; `commit` hands the transactions over (packed), makes their text and has libnftables and the kernel carry them out;
`verify` reads everything back and compares. The baseline is `nft -f FILE` with the text that a commit makes, from the
process's start to its end. The goal's ratio is that of `commit`; `files to commit` is everything up to there, which no
`nft -f` does. Memory is that of the real service's processes, a second after READY;
the largest process meanwhile is one of the two helpers, which both end after a large pass.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Section
from tests.bench.maps import port_tuples, write_mixed, write_ports
from tests.bench.service import ENVIRONMENT, Service
from tests.support.namespace import Namespace
from tests.support.processes import Memory, memory

_ROUNDS = {1_000: 7, 10_000: 5, 100_000: 3}
_MEMORY = 40 * 2.0**20


def sections(quick: bool) -> Iterator[Section]:
    """For each size and kind of label map."""
    sizes = [1_000, 10_000] if quick else list(_ROUNDS)
    for size in sizes:
        for kind in ("ports", "mixed"):
            yield _section(kind, size, 2 if quick else _ROUNDS[size])


def _section(kind: str, size: int, rounds: int) -> Section:
    with tempfile.TemporaryDirectory(prefix="secmarkd-bench-") as name, Namespace() as where:
        folder, text = Path(name, "etc"), Path(name, "ruleset.nft")
        if kind == "ports":
            write_ports(folder, port_tuples(size // 2))  # both roles, so two elements a port
        else:
            write_mixed(folder, size)
        ours: list[dict[str, Any]] = []
        bare: list[float] = []
        for _ in range(rounds):
            answer = where.run(
                [sys.executable, "-m", "tests.bench.probe", "load", str(folder), str(text)],
                env=ENVIRONMENT, timeout=300,
            )  # fmt: skip
            ours.append(json.loads(answer.stdout))
            _empty(where, size)
            start = time.perf_counter()
            where.run(["nft", "-f", str(text)], timeout=300)
            bare.append(time.perf_counter() - start)
            _empty(where, size)
        with Service(where, [str(folder)]) as service:
            time.sleep(1)
            pids = service.pids
            held = memory(pids)
    return _figures(kind, ours, bare, held, len(pids))


def _empty(where: Namespace, size: int) -> None:
    """Take the table out, and leave the kernel time to free it: that happens after the command."""
    where.run("nft delete table inet secmarkd")
    time.sleep(0.1 + size * 5e-6)


def _figures(kind: str, ours: list[dict[str, Any]], bare: list[float], held: Memory, processes: int) -> Section:
    def stage(*names: str) -> list[float]:
        return [sum(each[name] for name in names) for each in ours]

    what = {"ports": "ports", "mixed": "ports, remote addresses and networks with a port"}[kind]
    return Section(
        f"load and verify {ours[0]['elements']:,} selectors: {what}",
        "bare `nft -f` of the same ruleset",
        [
            Figure("nft -f (baseline)", bare),
            Figure("load: files, checks, compiler", stage("load"), baseline=bare),
            Figure("first read", stage("first_read")),
            Figure("commit", stage("commit"), baseline=bare, most=1.5),
            Figure("verify: read back and compare", stage("verify"), baseline=bare),
            Figure("files to commit", stage("load", "first_read", "commit"), baseline=bare),
            Figure("largest process meanwhile, RSS", stage("peak"), unit="B"),
            Figure("memory of the service afterwards, PSS", [held.pss], unit="B", most=_MEMORY),
            Figure("memory of the service afterwards, RSS", [held.rss], unit="B", most=_MEMORY),
        ],
        [f"memory afterwards is the sum over {processes} process(es)"],
    )
