# SPDX-License-Identifier: GPL-2.0-or-later
"""`ownership = "exclusive"` where nft cannot carry it out: refused with the reason, and nothing changed.

What it does where it works is seen in the virtual machine (tests/vm/test_ownership.py).
"""

from __future__ import annotations

import pytest

from secmarkd.adapters.nftables.port import LibNft
from secmarkd.compiler.compile import OWNED
from secmarkd.errors import NotSupported
from secmarkd.table.table import Table
from secmarkd.table.transaction import Replace
from tests.support.capability import require_bindings
from tests.support.namespace import Namespace


def test_old_nft_says_what_exclusive_ownership_needs(netns: Namespace) -> None:
    require_bindings()
    version = netns.run(["nft", "--version"]).stdout.split()[1]
    with netns.enter():
        nft = LibNft()
        try:
            if version.startswith("v1.0."):
                with pytest.raises(NotSupported, match="cannot keep a table for one owner") as caught:
                    nft.commit((Replace(Table(flags=OWNED)),))
                assert 'set ownership = "shared"' in caught.value.hint
                assert nft.read() is None
            else:
                nft.commit((Replace(Table(flags=OWNED)),))
                assert nft.read() == Table(flags=OWNED)
        finally:
            nft.close()
