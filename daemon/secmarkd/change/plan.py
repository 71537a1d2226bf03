# SPDX-License-Identifier: GPL-2.0-or-later
"""From a difference to the smallest safe transactions that remove it.

Elements and unreferenced objects are put right one by one. Anything else rewrites all rules within their chains, and the
maps that differ by more (Rebuild): in one transaction where someone else made the difference, in stages where what is live
was right up to now, and where a base chain hangs before or behind its place. Only where there is something that cannot be
addressed so (other table flags, a comment on the table, a name that no command can have, two chains of one name) is the
table deleted and added anew in one transaction (Replace): a packet that is between the new base chain and the old one at
the commit then meets neither.

A table that was left behind by the process that owned it is adopted first, as it is, and put right as any other.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise

from secmarkd.change.element_changes import element_changes
from secmarkd.change.rebuild import rebuild, rebuildable
from secmarkd.change.staged_reload import elements_move, hangs_elsewhere, stages
from secmarkd.nft.names import can_be_named
from secmarkd.table.elements import Elements, Field, key_width
from secmarkd.table.table import Map, Table
from secmarkd.table.transaction import (
    AddElements,
    AddObjects,
    Adopt,
    Command,
    DeleteObjects,
    Replace,
    Transaction,
)

LARGE_ACTIVATION = 512
"""Elements that one first transaction may have. From the moment the kernel prepares the first secmark object SELinux
checks every packet, and until the commit nothing labels them: so the first transaction must be short."""

InUse = frozenset[tuple[int, int]]
"""Protocol and port of what listens or is connected now."""


def plan(
    desired: Table, live: Table | None, in_use: InUse = frozenset(), *, staged: bool = False
) -> tuple[Transaction, ...]:
    """The transactions, in order, that make `desired` of `live`; none when they are equal.

    More than one for a large first activation, where the first one already labels every packet (those of `in_use` as
    desired, the rest by default), and where `staged` spares packets that are in the middle of the live rules.
    """
    if live is None:
        return _activation(desired, in_use)
    if desired == live:
        return ()
    if _was_left_behind(live, desired):
        adopted = plan(desired, replace(live, flags=desired.flags), staged=staged)
        return _after_adoption(Adopt(desired.flags), adopted)
    small = _single_changes(desired, live)
    if small is not None and not (staged and elements_move(live, desired)):
        return (small,)
    if not rebuildable(live, desired):
        return ((Replace(desired),),)
    way = stages(live, desired) if staged or hangs_elsewhere(live, desired) else (desired,)
    return tuple((rebuild(before, after),) for before, after in pairwise((live, *way)))


def halves(transaction: Transaction) -> tuple[Transaction, ...]:
    """Two transactions that together do the same, where it need not happen at once: elements may come one after another
    into a table that labels every packet already, and whatever it is after an adoption. None at all for any other."""
    if len(transaction) > 1 and all(isinstance(each, AddElements) for each in transaction):
        middle = len(transaction) // 2
        return transaction[:middle], transaction[middle:]
    match transaction:
        case (Adopt(), _, *_):
            return transaction[:1], transaction[1:]
        case (AddElements(map_, elements),) if len(elements) > 1:
            entries, middle = list(elements.items()), len(elements) // 2
            first, second = (Elements.of(elements.width, half) for half in (entries[:middle], entries[middle:]))
            return (AddElements(map_, first),), (AddElements(map_, second),)
        case _:
            return ()


def _was_left_behind(live: Table, desired: Table) -> bool:
    """Whether nothing is wrong with the table's flags but that its owner has ended (Linux 6.9, nft_table_is_orphan)."""
    orphaned = "persist" in live.flags and "owner" not in live.flags
    return orphaned and desired.flags == tuple(sorted(("owner", *live.flags)))


def _after_adoption(adopt: Adopt, transactions: tuple[Transaction, ...]) -> tuple[Transaction, ...]:
    """The same, in one transaction with the adoption. A table that is made anew has its owner by that."""
    match transactions:
        case ((Replace(),),):
            return transactions
        case (first, *rest):
            return ((adopt, *first), *rest)
        case _:
            return ((adopt,),)


def _activation(desired: Table, in_use: InUse) -> tuple[Transaction, ...]:
    if desired.element_count() <= LARGE_ACTIVATION:
        return ((Replace(desired),),)
    first = [_used_now(each, in_use) for each in desired.maps]
    rest = [(each, _without(each, taken)) for each, taken in zip(desired.maps, first, strict=True)]
    second: Transaction = tuple(AddElements(each, elements) for each, elements in rest if elements)
    start = tuple(replace(each, elements=taken) for each, taken in zip(desired.maps, first, strict=True))
    return ((Replace(replace(desired, maps=start)),), second)


def _used_now(each: Map, in_use: InUse) -> Elements:
    """The elements of a map whose service is in use; all of a small map's."""
    if len(each.elements) * 4 <= LARGE_ACTIVATION:
        return each.elements
    if Field.PORT not in each.key or Field.PROTOCOL not in each.key:
        return Elements(each.elements.width)
    port, protocol = _place(each.key, Field.PORT), _place(each.key, Field.PROTOCOL)
    last = key_width(each.key, interval=False) if each.interval else 0
    used: dict[int, list[bytes]] = {}
    for number, used_port in sorted(in_use):
        used.setdefault(number, []).append(used_port.to_bytes(2, "big"))

    def is_used(key: bytes) -> bool:
        # Any user may open tens of thousands of ports, so they are not looked through for each element.
        ports, first = used.get(key[protocol], ()), key[port : port + 2]
        place = bisect_left(ports, first)
        return place < len(ports) and ports[place] <= key[last + port : last + port + 2]

    return Elements.of(each.elements.width, ((key, name) for key, name in each.elements.items() if is_used(key)))


def _place(fields: tuple[Field, ...], field: Field) -> int:
    """Where a field begins in a packed key."""
    return sum(each.width for each in fields[: fields.index(field)])


def _without(each: Map, taken: Elements) -> Elements:
    there = taken.as_dict()
    return Elements.of(each.elements.width, ((key, name) for key, name in each.elements.items() if key not in there))


def _single_changes(desired: Table, live: Table) -> Transaction | None:
    """Single changes, or None where they would not do or would take longer than making maps anew."""
    if _structure(desired) != _structure(live):
        return None
    wanted, there = set(desired.objects), set(live.objects)
    missing, added = wanted - there, there - wanted
    if {each.name for each in missing} & {each.name for each in added}:
        return None
    if not all(can_be_named(each.name) for each in added):
        return None
    elements: list[Command] = []
    for mine, other in zip(desired.maps, live.maps, strict=True):
        changes = element_changes(mine, other)
        if changes is None:
            return None
        elements += changes
    commands: list[Command] = []
    if missing:
        commands.append(AddObjects(tuple(sorted(missing))))
    commands += elements
    if added:
        commands.append(DeleteObjects(tuple(sorted(added))))
    return tuple(commands)


def _structure(table: Table) -> Table:
    """The table without what single changes can put right."""
    empty = tuple(replace(each, elements=Elements(each.elements.width)) for each in table.maps)
    return replace(table, objects=(), maps=empty)
