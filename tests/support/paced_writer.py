# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m tests.support.paced_writer RATE TEXT…`: commits the texts in turn, so many a second, until it is killed.

Says a line on stdout before it begins.
"""

from __future__ import annotations

import itertools
import sys
import time

from nftables import Nftables

if __name__ == "__main__":
    nft, rate = Nftables(), float(sys.argv[1])
    print("going", flush=True)
    start = time.monotonic()
    for number, text in enumerate(itertools.cycle(sys.argv[2:]), start=1):
        status, _, said = nft.cmd(text)
        if status:
            sys.exit(said)
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
