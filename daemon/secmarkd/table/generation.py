# SPDX-License-Identifier: GPL-2.0-or-later
"""The number of the ruleset's last transaction, which every commit raises: 32 bits, of which 0 is skipped.

nf_tables_commit in net/netfilter/nf_tables_api.c: `while (++base_seq == 0)`. Transactions that change nothing, fail, or are
only tried out raise nothing. Each network namespace counts for itself.
"""

from __future__ import annotations

_MASK = (1 << 32) - 1


def newer(one: int, other: int) -> bool:
    """Whether `one` comes after `other`; of two numbers, the half of the circle that lies ahead is later."""
    return 0 < (one - other) & _MASK <= _MASK >> 1


def successor(generation: int) -> int:
    """The number after this one."""
    return (generation + 1) & _MASK or 1
