# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers that secmarkd speaks netlink with are those of the kernel's headers."""

from __future__ import annotations

import pytest

from secmarkd.netlink.numbers import Numbers
from tests.support.header_numbers import expected_names, recorded

TABLES = Numbers.__subclasses__()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_number_of_a_table_is_the_headers(table: type[Numbers]) -> None:
    headers = recorded()
    numbers = {name: value for name, value in vars(table).items() if name.isupper()}
    assert numbers
    assert numbers == {name: headers.get(f"{table.prefix}{name}") for name in numbers}


def test_every_recorded_number_is_one_that_secmarkd_has() -> None:
    assert set(recorded()) == expected_names()
