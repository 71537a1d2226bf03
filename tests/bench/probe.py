# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside a namespace: `probe load FOLDER TEXT` or `probe verify FOLDER:FOLDER ROUNDS`; answers in JSON.

Not in the bench's own process: what is measured there would start from a grown heap.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from secmarkd.adapters.host.environment import ports_in_use
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.nft.text import encode
from secmarkd.reconcile import Action, reconcile
from secmarkd.table.table import Table
from secmarkd.table.transaction import Replace, Transaction
from tests.support.loads import load as load_now

_T = TypeVar("_T")


class Timed:
    """An Nft that notes how long each call took."""

    def __init__(self, inner: LibNft) -> None:
        self._inner = inner
        self.calls: list[tuple[str, float]] = []

    def read(self) -> Table | None:
        return self._note("read", self._inner.read)

    def commit(self, transaction: Transaction) -> None:
        self._note("commit", lambda: self._inner.commit(transaction))

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        self._note("commit_at", lambda: self._inner.commit_at(transaction, generation))

    def check(self, transaction: Transaction) -> None:
        self._note("check", lambda: self._inner.check(transaction))

    def generation(self) -> int:
        return self._inner.generation()

    def flags(self) -> tuple[str, ...] | None:
        return self._inner.flags()

    def before_waiting(self, announce: Callable[[float], None]) -> None:
        self._inner.before_waiting(announce)

    def while_waiting(self, act: Callable[[], None]) -> None:
        self._inner.while_waiting(act)

    def close(self) -> None:
        self._inner.close()

    def _note(self, name: str, call: Callable[[], _T]) -> _T:
        start = time.perf_counter()
        try:
            return call()
        finally:
            self.calls.append((name, time.perf_counter() - start))


def load(folder: str, text: Path) -> dict[str, Any]:
    """What the service does from its start to its first verified pass, stage by stage."""
    start = time.perf_counter()
    nft = Timed(LibNft(at_once=True))
    loaded = load_now(*folder.split(":"))
    at_loaded = time.perf_counter()
    outcome = reconcile(nft, loaded.table, in_use=ports_in_use)
    done = time.perf_counter()
    nft.close()
    if outcome.action is not Action.CREATED:
        raise SystemExit(f"{outcome.action}: {outcome.error}")
    reads = [seconds for name, seconds in nft.calls if name == "read"]
    commits = [seconds for name, seconds in nft.calls if name == "commit"]
    if not text.exists():
        text.write_text(encode((Replace(loaded.table),)))
    return {
        "elements": loaded.table.element_count(),
        "load": at_loaded - start,
        "first_read": reads[0],
        "commit": sum(commits),
        "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0,
        "verify": done - at_loaded - reads[0] - sum(commits),
    }


def verify(folder: str, rounds: int) -> dict[str, Any]:
    """Passes over a table that is as it should be."""
    loaded = load_now(*folder.split(":"))
    nft = LibNft()
    reconcile(nft, loaded.table)
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        outcome = reconcile(nft, loaded.table)
        samples.append(time.perf_counter() - start)
        if outcome.action is not Action.NONE:
            raise SystemExit(f"{outcome.action}: {outcome.error}")
    nft.close()
    return {"elements": loaded.table.element_count(), "samples": samples}


if __name__ == "__main__":
    name, folder, last = sys.argv[1:]
    json.dump(load(folder, Path(last)) if name == "load" else verify(folder, int(last)), sys.stdout)
