# SPDX-License-Identifier: GPL-2.0-or-later
"""A stop that is asked for while a pass runs: it is abandoned at its next read or commit, unless it has written something.

A change that has begun is finished, and read back, so that the labels are whole and the journal says what is so: its
commits are atomic, and each takes milliseconds, or seconds for 100,000 elements. To stop between them would leave maps half
filled.
"""

from __future__ import annotations

from collections.abc import Callable

from secmarkd.ports import Nft
from secmarkd.table.table import Table
from secmarkd.table.transaction import Transaction


class Interrupted(Exception):
    """A pass was abandoned between two of its parts, because the service is to stop."""


class InterruptibleNft:
    """The port `Nft` for passes that can be abandoned. Interrupted from `read`, `commit` and `commit_at` where they are."""

    def __init__(self, nft: Nft, stop_asked: Callable[[], bool]) -> None:
        self._nft = nft
        self._stop_asked = stop_asked
        self._written = False
        """Whether the pass may have written something."""

    def begin(self) -> None:
        """A pass begins."""
        self._written = False

    def read(self) -> Table | None:
        """See ports.Nft."""
        self._go_on()
        return self._nft.read()

    def commit(self, transaction: Transaction) -> None:
        """See ports.Nft."""
        self._go_on()
        self._written = True
        self._nft.commit(transaction)

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        """See ports.Nft."""
        self._go_on()
        self._written = True
        self._nft.commit_at(transaction, generation)

    def check(self, transaction: Transaction) -> None:
        """See ports.Nft."""
        self._nft.check(transaction)

    def generation(self) -> int:
        """See ports.Nft."""
        return self._nft.generation()

    def flags(self) -> tuple[str, ...] | None:
        """See ports.Nft."""
        return self._nft.flags()

    def before_waiting(self, announce: Callable[[float], None]) -> None:
        """See ports.Nft."""
        self._nft.before_waiting(announce)

    def while_waiting(self, act: Callable[[], None]) -> None:
        """See ports.Nft."""
        self._nft.while_waiting(act)

    def close(self) -> None:
        """See ports.Nft."""
        self._nft.close()

    def _go_on(self) -> None:
        if not self._written and self._stop_asked():
            raise Interrupted
