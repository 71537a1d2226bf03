# SPDX-License-Identifier: GPL-2.0-or-later
"""Which field of a map's key each of nft's expressions is that a map of ours is looked up by."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from secmarkd.selectors.every import SELECTORS
from secmarkd.selectors.selector import Ends
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

_CHAINS = tuple(Ends(*each) for each in product((True, False), repeat=3))

FIELD_OF: Mapping[Key, Field] = {
    each.in_key.expression(ends, family): each.in_key.field(family)
    for each in SELECTORS
    if each.in_key is not None
    for ends in _CHAINS
    for family in (4, 6)
}
META_NUMBERS: Mapping[int, Key] = {
    each.in_key.meta: each.in_key.expression(_CHAINS[0], 0)
    for each in SELECTORS
    if each.in_key is not None and each.in_key.meta
}
"""Numbers of the socket by NFT_META_*."""
