# SPDX-License-Identifier: GPL-2.0-or-later
"""Which changes of elements nft can be trusted with."""

from __future__ import annotations

import pytest

from secmarkd.change.element_changes import element_changes
from secmarkd.table.elements import Field
from secmarkd.table.table import ObjectKind
from tests.support.tables import Values, make_map

K = ObjectKind.COUNTER


@pytest.mark.parametrize(
    ("key", "values", "possible"),
    [
        ((Field.INTERFACE,), ("a*",), False),
        ((Field.INTERFACE,), ("eth0",), True),
        ((Field.PORT, Field.INTERFACE), (5, "a*"), True),
        ((Field.IPV4,), ((1 << 32) - 1,), False),
        ((Field.IPV4,), (1,), True),
    ],
)
def test_what_nft_would_not_delete_makes_the_map_be_recreated(
    key: tuple[Field, ...], values: tuple[Values, ...], possible: bool
) -> None:
    live, desired = make_map("m", key, K, (values, "s"), interval=True), make_map("m", key, K, interval=True)
    assert (element_changes(desired, live) is not None) is possible
    assert element_changes(live, desired) is not None
