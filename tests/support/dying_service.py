# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m tests.support.dying_service POINT FILE [ARGUMENT…]`: secmarkd, killed by SIGKILL at one point of its work.

POINT is such as `before commit 2`: what it is about to ask of nftables, or has just been answered. It counts from when FILE
exists.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from secmarkd.ports import Nft
from secmarkd.programs.secmarkd import main
from secmarkd.programs.wiring import Tools, open_nft
from secmarkd.table.table import Table
from secmarkd.table.transaction import Transaction


class DyingNft:
    """A port `Nft` during whose use the process dies."""

    def __init__(self, nft: Nft, point: str, armed_by: Path) -> None:
        self._nft = nft
        self._point = point
        self._armed_by = armed_by
        self._passed: Counter[str] = Counter()

    def _pass(self, place: str) -> None:
        if self._armed_by.exists():
            self._passed[place] += 1
            if f"{place} {self._passed[place]}" == self._point:
                os.kill(os.getpid(), signal.SIGKILL)

    def read(self) -> Table | None:
        """As ports.Nft."""
        self._pass("before read")
        table = self._nft.read()
        self._pass("after read")
        return table

    def commit(self, transaction: Transaction) -> None:
        """As ports.Nft."""
        self._pass("before commit")
        self._nft.commit(transaction)
        self._pass("after commit")

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        """As ports.Nft."""
        self._pass("before commit")
        self._nft.commit_at(transaction, generation)
        self._pass("after commit")

    def check(self, transaction: Transaction) -> None:
        """As ports.Nft."""
        self._nft.check(transaction)

    def generation(self) -> int:
        """As ports.Nft."""
        return self._nft.generation()

    def flags(self) -> tuple[str, ...] | None:
        """As ports.Nft."""
        return self._nft.flags()

    def before_waiting(self, announce: Callable[[float], None]) -> None:
        """As ports.Nft."""
        self._nft.before_waiting(announce)

    def while_waiting(self, act: Callable[[], None]) -> None:
        """As ports.Nft."""
        self._nft.while_waiting(act)

    def close(self) -> None:
        """As ports.Nft."""
        self._nft.close()


if __name__ == "__main__":
    point, armed_by, *arguments = sys.argv[1:]
    sys.exit(main(arguments, Tools(open_nft=lambda **options: DyingNft(open_nft(**options), point, Path(armed_by)))))
