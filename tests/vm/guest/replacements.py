# SPDX-License-Identifier: GPL-2.0-or-later
"""Replaces one label map by another and back again, by the passes that a reload makes: `replacements.py DIR DIR COUNT`.

Run it with PYTHONPATH=/usr/lib/secmarkd/python.
"""

from __future__ import annotations

import sys

from secmarkd.adapters.loading.process import load
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.reconcile import Action, reconcile


def main(one: str, other: str, count: int) -> None:
    tables = [load(["/usr/lib/secmarkd", each])[0].table for each in (one, other)]
    nft = LibNft()
    for number in range(count):
        outcome = reconcile(nft, tables[number % 2], staged=True)
        if outcome.action is not Action.REBUILT:
            sys.exit(f"pass {number}: {outcome.action} {outcome.error}")
    nft.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
