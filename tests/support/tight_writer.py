"""`python -m tests.support.tight_writer TEXT…`: commits the texts in turn, without a pause, until it is killed.

Says a line on stdout after the first round.
"""

from __future__ import annotations

import itertools
import sys

from nftables import Nftables

if __name__ == "__main__":
    nft = Nftables()
    for number, text in enumerate(itertools.cycle(sys.argv[1:]), start=1):
        status, _, said = nft.cmd(text)
        if status:
            sys.exit(said)
        if number == len(sys.argv) - 1:
            print("going", flush=True)
