# SPDX-License-Identifier: GPL-2.0-or-later
"""What the process with libnftables can be asked. The daemon knows this, and nothing of what answers it."""

from __future__ import annotations

from dataclasses import dataclass

from secmarkd.table.transaction import Transaction

MODULE = "secmarkd.adapters.nftables.worker"


@dataclass(frozen=True, slots=True)
class Commit:
    """Ask to carry out a transaction, or with `dry` to have it validated only: answered by None."""

    transaction: Transaction
    dry: bool = False
