"""Reads our table: its maps' elements by raw netlink, all else by libnftables, and that only when it may have changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from secmarkd.errors import StateUnknown
from secmarkd.kernel.cgroups import inode
from secmarkd.kernel.netlink_dump import Interrupted, NetlinkDump
from secmarkd.kernel.netlink_gen import Netlink
from secmarkd.ruleset.elements import Elements
from secmarkd.ruleset.foreign import Json
from secmarkd.ruleset.raw_elements import fill, parse_elements
from secmarkd.ruleset.table import NAME, Key, Map, Match, Table

_ATTEMPTS = 8
"""Readings of a table that comes and goes, or that others change meanwhile, before giving up."""
_LONG_READ = 0.2
"""Seconds. A longer read is not repeated because something changed elsewhere: every list in it is of one generation, and
under steady writing by others no long read would ever find the ruleset still."""
_CHANGING = "the ruleset changes too fast to be read"


@dataclass(frozen=True, slots=True)
class _Known:
    """What libnftables said of the table's structure."""

    fingerprint: bytes
    cgroups: tuple[int, ...]
    """The cgroups that rules name, as `_cgroup_ids` has them."""
    structure: Table


ListStructure = Callable[[tuple[str, ...]], Table | None]
"""Lists the table with these flags, its maps empty, by libnftables; None when that finds none."""


class Reader:
    """Our table in the network namespace in which the first question is asked. Errors are OSError and KernelError."""

    def __init__(
        self,
        netlink: Callable[[], Netlink],
        list_structure: ListStructure,
        open_lists: Callable[[], NetlinkDump] = NetlinkDump,
    ) -> None:
        """`netlink` gives a socket for questions, which stays its owner's."""
        self._questions = netlink
        self._list_structure = list_structure
        self._open_lists = open_lists
        self._lists: NetlinkDump | None = None
        self._known: _Known | None = None

    def read(self) -> Table | None:
        """The table; None when it is known to be absent. StateUnknown when neither can be said."""
        try:
            return self._read()
        except Interrupted:
            self.close()
            raise StateUnknown(_CHANGING, operation="read") from None
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
        netlink = self._questions()
        for _ in range(_ATTEMPTS):
            generation, start = netlink.generation(), time.monotonic()
            flags = netlink.table_flags(NAME)
            known, table = (None, None) if flags is None else self._table(flags)
            still = netlink.generation() == generation
            if still and table is None and flags is not None:
                raise StateUnknown("the table that is there cannot be listed", operation="read")
            long = table is not None and time.monotonic() - start > _LONG_READ
            if still or (long and known is not None and self._dump().fingerprint(NAME) == known.fingerprint):
                self._known = known
                return table
        raise StateUnknown(_CHANGING, operation="read")

    def _table(self, flags: tuple[str, ...]) -> tuple[_Known | None, Table | None]:
        """What is known of the structure, and the whole table; None for what has gone meanwhile."""
        try:
            known = self._structure(flags)
            return known, None if known is None else self._filled(known.structure)
        except FileNotFoundError:
            return None, None

    def _dump(self) -> NetlinkDump:
        if self._lists is None:
            self._lists = self._open_lists()
        return self._lists

    def _structure(self, flags: tuple[str, ...]) -> _Known | None:
        """The table with empty maps; as libnftables listed it before, when nothing of it has changed since."""
        fingerprint = self._dump().fingerprint(NAME)
        known = self._known
        if known is not None and known.fingerprint == fingerprint and known.cgroups == _cgroup_ids(known.structure):
            return known
        structure = self._list_structure(flags)
        return None if structure is None else _Known(fingerprint, _cgroup_ids(structure), structure)

    def _filled(self, structure: Table) -> Table:
        """With the elements."""
        try:
            return fill(structure, self._elements)
        except ValueError as error:
            raise StateUnknown(f"nobody can read the kernel's answer: {error}", operation="read") from error

    def _elements(self, each: Map) -> tuple[Elements, list[Json]]:
        return parse_elements(each.key, each.interval, self._dump().elements(NAME, each.name))


def _cgroup_ids(table: Table) -> tuple[int, ...]:
    """Inode numbers of the cgroups that rules name, 0 for one that is not there.

    A rule holds a cgroup by that number, and libnftables looks for its path: where cgroups come and go, the same rule is
    listed differently.
    """
    matches = (each for chain in table.chains for rule in chain.rules for each in rule if isinstance(each, Match))
    return tuple(inode(str(each.value)) or 0 for each in matches if each.key is Key.CGROUP)
