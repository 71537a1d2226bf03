# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads our table by raw netlink: what is no element is decoded only when it has changed, elements always."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from secmarkd.adapters.host.cgroups import inode, paths
from secmarkd.adapters.netlink.dump import Interrupted, NetlinkDump
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.errors import StateUnknown
from secmarkd.netlink.elements import fill, parse_elements
from secmarkd.netlink.sets import RECORDED_TYPEOFS, typeofs_of
from secmarkd.netlink.structure import Structure
from secmarkd.netlink.table import decode_table, foreign_rules
from secmarkd.table.cgroups import cgroups_of, with_paths
from secmarkd.table.elements import Elements
from secmarkd.table.foreign import Json
from secmarkd.table.table import NAME, Map, Table

_ATTEMPTS = 8
_SECONDS = 1.0
"""How often at least, and how long, a table is read anew that comes and goes, or that others change meanwhile."""
_CHANGING = "the ruleset changes too fast to be read"


@dataclass(frozen=True, slots=True)
class _Known:
    """What the kernel said of the table's structure, and what that is: its maps are empty."""

    structure: Structure
    table: Table


class Reader:
    """Our table in the network namespace in which the first question is asked. Errors are OSError and StateUnknown."""

    def __init__(self, netlink: Callable[[], Netlink], open_lists: Callable[[], NetlinkDump] = NetlinkDump) -> None:
        """`netlink` gives a socket for questions, which stays its owner's."""
        self._questions = netlink
        self._open_lists = open_lists
        self._lists: NetlinkDump | None = None
        self._known: _Known | None = None
        self._typeofs: frozenset[bytes] = RECORDED_TYPEOFS
        self._ours: int | None = None

    def written(self, generation: int) -> None:
        """The transaction of this number, and nobody else's, was ours and wrote whole maps. What libnftables has noted of
        them is then not strange, of whatever version it is."""
        self._ours = generation

    def foreign_rules(self) -> tuple[tuple[str, int], ...]:
        """Of the table that was read last, chain and handle of each rule in which something is foreign."""
        return () if self._known is None else foreign_rules(self._known.structure, self._known.table)

    def read(self) -> Table | None:
        """The table; None when it is known to be absent. StateUnknown when neither can be said."""
        try:
            return self._read()
        except Interrupted:
            self.close()
            raise StateUnknown(_CHANGING, operation="read") from None
        except ValueError as error:
            self.close()
            raise StateUnknown(f"cannot decode the kernel's answer: {error}", operation="read") from error
        except BaseException:
            # Answers to what was asked may still come, to the old socket.
            self.close()
            raise

    def close(self) -> None:
        """Give the socket back; a later read opens another."""
        if self._lists is not None:
            self._lists.close()
            self._lists = None

    def _read(self) -> Table | None:
        netlink, lists = self._questions(), self._opened()
        end = time.monotonic() + _SECONDS
        for attempt in itertools.count(1):
            if attempt > _ATTEMPTS and time.monotonic() > end:
                break
            generation = netlink.generation()
            try:
                structure = lists.structure(NAME)
                if generation == self._ours == netlink.generation():
                    self._typeofs = self._typeofs.union(*map(typeofs_of, structure.sets))
                known = self._decoded(structure)
                table = None if known is None else fill(known.table, self._elements)
                # Each list is of one generation. They are of one table where nothing was committed meanwhile, or nothing
                # of this table's structure: who commits to other tables does not keep us from reading this one.
                same = table is None or netlink.generation() == generation or lists.structure(NAME) == structure
            except FileNotFoundError:  # the table, a map or a rule's set has gone meanwhile
                continue
            if same:
                self._known = known
                return table
        raise StateUnknown(_CHANGING, operation="read")

    def _opened(self) -> NetlinkDump:
        if self._lists is None:
            self._lists = self._open_lists()
        return self._lists

    def _decoded(self, structure: Structure) -> _Known | None:
        """The table with empty maps; as it was decoded before, when nothing of it has changed since."""
        if self._known is not None and self._known.structure == structure:
            return replace(self._known, table=_located(self._known.table))
        table = decode_table(structure, lambda name: self._opened().elements(NAME, name), self._typeofs)
        if table is None:
            return None
        return _Known(structure, _located(table))

    def _elements(self, each: Map) -> tuple[Elements, list[Json]]:
        return parse_elements(each.key, each.interval, self._opened().elements(NAME, each.name))


def _located(table: Table) -> Table:
    """The table with the paths that its cgroups have now: the rules stay as they are when a unit's cgroup goes, or is made
    again under another number."""
    cgroups = set(cgroups_of(table.chains))
    if all(each.path and inode(each.path) == each.inode for each in cgroups):
        return table
    return with_paths(table, paths({each.inode for each in cgroups}))
