# SPDX-License-Identifier: GPL-2.0-or-later
"""The cgroups that a table's rules name, by path and by number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from secmarkd.model.quoting import is_quotable
from secmarkd.table.table import CgroupId, Chain, Match, Statement, Table


def cgroup_level(path: str | None) -> int:
    """The depth of a cgroup below the root, as `socket cgroupv2 level N` counts it; 0 for none."""
    return 0 if path is None else path.count("/") + 1


def cgroups_of(chains: Iterable[Chain]) -> Iterator[CgroupId]:
    """Those that the rules of these chains name; each one, as often as they do."""
    for chain in chains:
        for rule in chain.rules:
            for statement in rule:
                if isinstance(statement, Match) and isinstance(statement.value, CgroupId):
                    yield statement.value


def writable(cgroup: CgroupId) -> bool:
    """Whether nft can be told of it: by a path at whose depth sockets are looked at."""
    return is_quotable(cgroup.path) and cgroup_level(cgroup.path) == cgroup.level


def with_cgroups(table: Table, numbers: Mapping[str, int]) -> Table:
    """The same table where cgroups of these paths were removed and made again, and have these inode numbers now."""
    return _changed(table, lambda each: replace(each, inode=numbers.get(each.path, each.inode)))


def with_paths(table: Table, paths: Mapping[int, str]) -> Table:
    """The same table with the paths of cgroups by their inode numbers, as far as they are known."""
    return _changed(table, lambda each: replace(each, path=paths.get(each.inode, "")))


def _changed(table: Table, change: Callable[[CgroupId], CgroupId]) -> Table:
    def changed(statement: Statement) -> Statement:
        if not isinstance(statement, Match) or not isinstance(statement.value, CgroupId):
            return statement
        return replace(statement, value=change(statement.value))

    chains = tuple(
        replace(chain, rules=tuple(tuple(map(changed, rule)) for rule in chain.rules)) for chain in table.chains
    )
    return replace(table, chains=chains)
