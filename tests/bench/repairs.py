# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of the real service's processes after thousands of repairs.

The repairs are of every kind in turn: single changes, rules rewritten within their chains, the table made anew. Each is
asked for by SIGUSR1, for in such a row the service would else wait longer and longer from one to the next.
"""

from __future__ import annotations

import itertools
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Section
from tests.bench.service import REPOSITORY, Service
from tests.support.namespace import Namespace
from tests.support.processes import Memory, memory

_T = "inet secmarkd"
_TAMPERINGS = (
    f"delete element {_T} server_port {{ tcp . 22 }}",
    f"add element {_T} server_port {{ udp . 60000 : s_ssh_server_packet_t }}",
    f"insert rule {_T} input accept",
    f"flush chain {_T} output",
    f"add chain {_T} theirs",
    f"add set {_T} theirs {{ type mark; }}",
    "flush ruleset",
)
_PATIENCE = 60.0


def sections(quick: bool) -> Iterator[Section]:
    """One, a line for every tenth."""
    many = 500 if quick else 10_000
    with tempfile.TemporaryDirectory(prefix="secmarkd-bench-") as rehearse, Namespace() as where:
        Path(rehearse, "secmarkd.toml").write_text('mode = "rehearse"\n')
        with Service(where, [str(REPOSITORY / "config"), rehearse]) as service:
            held = {0: memory(service.pids)}
            start = time.monotonic()
            for number, tampering in zip(range(1, many + 1), itertools.cycle(_TAMPERINGS), strict=False):
                _repair(service, tampering, where)
                if number % (many // 10) == 0:
                    held[number] = memory(service.pids)
            seconds = time.monotonic() - start
    yield _section(held, seconds)


def _repair(service: Service, tampering: str, where: Namespace) -> None:
    """Tamper, and wait until a pass has found it and undone it."""
    began = time.monotonic()
    where.nft(tampering)
    service.process.send_signal(signal.SIGUSR1)
    while ((status := service.status()).last_drift or 0.0) < began or status.differences:
        if time.monotonic() > began + _PATIENCE:
            raise SystemExit(f"error: not repaired: {tampering}\n{service.log[-2000:]}")
        time.sleep(0.002)


def _section(held: dict[int, Memory], seconds: float) -> Section:
    first, many = held[0], max(held)
    figures = [
        Figure(
            f"RSS after {number:,} repairs" if number else "RSS before the first one",
            [each.rss], unit="B", baseline=[first.rss] if number else (),
        )
        for number, each in held.items()
    ]  # fmt: skip
    figures.append(Figure("PSS before the first one", [first.pss], unit="B"))
    figures.append(Figure(f"PSS after {many:,} repairs", [held[many].pss], unit="B", baseline=[first.pss]))
    later = held[many // 10]
    return Section(
        f"memory of the service's processes over {many:,} repairs",
        "before the first one",
        figures,
        [
            f"after the first {many // 10:,} it grew by {(held[many].rss - later.rss) / 1024:.0f} KiB more",
            f"{seconds:.0f} s in all, {seconds / many * 1000:.1f} ms for each with the tampering",
        ],
    )
