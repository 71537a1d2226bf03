# SPDX-License-Identifier: GPL-2.0-or-later
"""What others do to the table of a service among fakes (`service_rig`), once or again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from secmarkd.table.elements import Elements
from secmarkd.table.table import Table
from tests.support.service_rig import Rig, configuration

DESIRED = configuration(80, 443).table
"""The table of `Rig()`."""


def flushed(table: Table) -> None:
    """`nft flush ruleset`."""


def with_a_port(table: Table) -> Table:
    """One more element in every map."""
    other = configuration(80, 443, 9999).table
    return replace(table, maps=other.maps)


def emptied(table: Table) -> Table:
    """No elements."""
    return replace(table, maps=tuple(replace(each, elements=Elements(each.elements.width)) for each in table.maps))


def without_chains(table: Table) -> Table:
    """No chains: what is no element has to be read."""
    return replace(table, chains=())


def kinds(rig: Rig) -> list[str]:
    """The kinds of the events that were logged since the last time."""
    return [type(event).__name__ for event in rig.journal.take()]


def repeat(rig: Rig, times: int, seconds: float, act: Callable[[], None]) -> None:
    """Act again and again, with the service awake in between."""
    for _ in range(times):
        act()
        rig.hear()
        rig.run(seconds)
