# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes to undo very many foreign rules, and how much longer where somebody commits between read and write.

A pass over the real kernel, in this process: the other commit comes right before the pass's own, which it makes not fit.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secmarkd.adapters.nftables.port import LibNft
from secmarkd.reconcile import reconcile
from secmarkd.table.table import Table
from secmarkd.table.transaction import Replace, Transaction
from tests.bench.figures import Figure, Section
from tests.support.capability import NFT
from tests.support.namespace import Namespace
from tests.support.service_rig import Mode, configuration

_MOST_RATIO = 1.5
_PATIENCE = 120.0


class _Overtaken:
    """The kernel's nftables, with somebody who is quicker once."""

    def __init__(self, nft: LibNft, where: Namespace) -> None:
        self._nft = nft
        self._where = where
        self._once = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._nft, name)

    def commit(self, transaction: Transaction) -> None:
        if self._once:
            self._once = False
            self._where.nft("delete chain inet secmarkd theirs")
        self._nft.commit(transaction)


def sections(quick: bool) -> Iterator[Section]:
    """One."""
    rules, rounds = (2_000, 3) if quick else (20_000, 5)
    table = configuration(80, 443, mode=Mode.REHEARSE).table
    alone: list[float] = []
    beside: list[float] = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="secmarkd-bench-"))
        tampering = Path(folder, "tampering")
        inserted = "".join(
            f"insert rule inet secmarkd input_original tcp dport {1 + number % 65535} counter drop\n"
            for number in range(rules)
        )
        tampering.write_text(f"add chain inet secmarkd theirs\n{inserted}")
        where = stack.enter_context(Namespace())
        stack.enter_context(where.enter())
        nft = stack.enter_context(contextlib.closing(LibNft()))
        nft.commit((Replace(table),))
        nft.read()
        for _ in range(rounds):
            for seconds, port in ((alone, nft), (beside, _Overtaken(nft, where))):
                where.run([NFT, "-f", str(tampering)], timeout=_PATIENCE)
                seconds.append(_pass_seconds(port, table))
    yield Section(
        f"a pass that undoes {rules:,} foreign rules",
        "the same without another commit; by medians",
        [
            Figure("alone", alone),
            Figure("with a commit between read and write", beside, baseline=alone, by_median=True, most=_MOST_RATIO),
        ],
        [f"{rounds} rounds each"],
    )


def _pass_seconds(nft: Any, table: Table) -> float:
    began = time.perf_counter()
    outcome = reconcile(nft, table)
    seconds = time.perf_counter() - began
    if not outcome.in_sync or len(outcome.drifts) < 2:
        raise SystemExit(f"error: not put right: {outcome.error}")
    return seconds
