# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m tests.support.tight_writer SECONDS TEXT…`: commits the texts in turn, with that pause, until it is killed.

Says a line on stdout after the first round.
"""

from __future__ import annotations

import itertools
import sys
import time

from nftables import Nftables

if __name__ == "__main__":
    nft, pause = Nftables(), float(sys.argv[1])
    for number, text in enumerate(itertools.cycle(sys.argv[2:]), start=1):
        status, _, said = nft.cmd(text)
        if status:
            sys.exit(said)
        if number == len(sys.argv) - 2:
            print("going", flush=True)
        if pause:
            time.sleep(pause)
