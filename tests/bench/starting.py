# SPDX-License-Identifier: GPL-2.0-or-later
"""Start to READY with the shipped label map, and a verification pass when nothing has changed.

The start is that of the real service: from its exec to the datagram READY=1. Its baseline is an interpreter that imports
what the service cannot do without. A pass is the one of the service's own code, in a process with a worker that runs; its
baseline is `nft -j list table`, which only prints.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Section
from tests.bench.service import ENVIRONMENT, REPOSITORY, Service
from tests.support.namespace import Namespace
from tests.support.processes import Memory, memory

_PASSES = 20


def sections(quick: bool) -> Iterator[Section]:
    """One for the start, one for the pass."""
    rounds = 3 if quick else 10
    ready: list[float] = []
    imports: list[float] = []
    passes: list[float] = []
    bare: list[float] = []
    held = Memory(0, 0)
    elements = 0
    with tempfile.TemporaryDirectory(prefix="secmarkd-bench-") as rehearse, Namespace() as where:
        Path(rehearse, "secmarkd.toml").write_text('mode = "rehearse"\n')
        dirs = [str(REPOSITORY / "config"), rehearse]
        for _ in range(rounds):
            with Service(where, dirs) as service:
                ready.append(service.seconds)
                held = memory(service.pids)
            imports.append(_seconds([sys.executable, "-c", "import nftables, pydantic, tomllib"]))
            answer = where.run(
                [sys.executable, "-m", "tests.bench.probe", "verify", ":".join(dirs), str(_PASSES)], env=ENVIRONMENT
            )
            said = json.loads(answer.stdout)
            passes, elements = passes + said["samples"], said["elements"]
            with where.enter():
                bare += [_seconds(["nft", "-j", "list table inet secmarkd"]) for _ in range(_PASSES)]
            where.run("nft delete table inet secmarkd")
    size = f"{elements:,} elements"
    yield from (
        Section(
            f"start to READY with the shipped label map ({size})",
            "importing",
            [
                Figure("python3 -c 'import nftables, pydantic, tomllib'", imports),
                Figure("secmarkd, exec to READY=1", ready, baseline=imports),
                Figure("memory of its processes, PSS", [held.pss], unit="B"),
                Figure("memory of its processes, RSS", [held.rss], unit="B"),
            ],
        ),
        Section(
            f"a verification pass when nothing has changed ({size})",
            "the listing, by medians",
            [
                Figure("nft -j list table inet secmarkd", bare),
                Figure("read, decode and compare", passes, baseline=bare, by_median=True),
            ],
        ),
    )


def _seconds(argv: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - start
