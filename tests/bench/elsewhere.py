# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a repair takes while another program commits to a table of its own all the time, by elements and by its rate.

The service over the real kernel, in this process, with the time from the end of the tampering to the end of its repair.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from secmarkd.events import DriftRepaired
from tests.bench.figures import Figure, Section
from tests.support.kernel_rig import KernelRig
from tests.support.namespace import Namespace
from tests.support.service_rig import Mode, configuration

_REPOSITORY = Path(__file__).resolve().parents[2]
_PATIENCE = 60.0
_GOAL_SECONDS = 2.0
"""Where 1.0.6 had not repaired a chain in 54 s beside 20 commits a second (20,000 elements)."""
_RATES = (0, 20, 100, 300)
_TAMPERINGS = {
    "a flushed chain": "flush chain inet secmarkd input_original",
    "a deleted element": "delete element inet secmarkd server_port { tcp . 80 }",
}


def sections(quick: bool) -> Iterator[Section]:
    """One for each number of elements."""
    for elements in (440, 4_000) if quick else (440, 4_000, 20_000):
        yield Section(
            f"repairs beside a writer of another table, {elements:,} elements",
            "none",
            list(_figures(elements, 2 if quick else 5)),
            ["commits a second of the writer, and what was tampered with"],
        )


def _figures(elements: int, rounds: int) -> Iterator[Figure]:
    for rate in _RATES:
        samples: dict[str, list[float]] = {name: [] for name in _TAMPERINGS}
        with contextlib.ExitStack() as stack:
            where = stack.enter_context(Namespace())
            stack.enter_context(where.enter())
            loaded = configuration(*range(1, elements // 2 + 1), mode=Mode.REHEARSE)
            rig = stack.enter_context(contextlib.closing(KernelRig(where, loaded)))
            if rate:
                stack.callback(_writer(where, rate).kill)
            for _ in range(rounds):
                for name, text in _TAMPERINGS.items():
                    samples[name].append(_repair_seconds(where, rig, text))
        for name, seconds in samples.items():
            yield Figure(f"{rate} a second: {name}", seconds, most=_GOAL_SECONDS)


def _writer(where: Namespace, rate: int) -> subprocess.Popen[bytes]:
    where.nft("add table inet elsewhere; add set inet elsewhere s { type mark; }")
    texts = [f"{verb} element inet elsewhere s {{ 1 }}" for verb in ("add", "delete")]
    command = [sys.executable, "-m", "tests.support.paced_writer", str(rate), *texts]
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
    process: subprocess.Popen[bytes] = where.popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    return process


def _repair_seconds(where: Namespace, rig: KernelRig, tampering: str) -> float:
    rig.clock.now += 100
    where.nft(tampering)
    start = time.monotonic()
    while not any(isinstance(each, DriftRepaired) for each in rig.journal.take()):
        if time.monotonic() > start + _PATIENCE:
            return _PATIENCE
        rig.woken(0.1)
        rig.clock.now += 0.1
    return time.monotonic() - start
