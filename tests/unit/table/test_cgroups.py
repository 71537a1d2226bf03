# SPDX-License-Identifier: GPL-2.0-or-later
"""Cgroups as rules hold them: by level and inode, with a path for nft and for people."""

from __future__ import annotations

from pathlib import Path

from secmarkd.adapters.host.cgroups import inode, paths
from secmarkd.nft.render import render_statement
from secmarkd.table.cgroups import cgroups_of, with_cgroups, with_paths, writable
from secmarkd.table.table import CgroupId, Chain, Key, Match, Table, Verdict


def a_table(*cgroups: CgroupId) -> Table:
    return Table(chains=(Chain("c", tuple((Match(Key.CGROUP, each), Verdict("accept")) for each in cgroups)),))


def test_the_path_is_no_part_of_what_is_compared() -> None:
    assert a_table(CgroupId(1, 7, "a")) == a_table(CgroupId(1, 7))
    assert a_table(CgroupId(1, 7, "a")) != a_table(CgroupId(1, 8, "a"))
    assert a_table(CgroupId(1, 7, "a")) != a_table(CgroupId(2, 7, "a"))


def test_one_that_was_made_again_has_another_number() -> None:
    table = a_table(CgroupId(1, 7, "a"), CgroupId(2, 8, "a/b"))
    assert list(cgroups_of(with_cgroups(table, {"a": 9}).chains)) == [CgroupId(1, 9), CgroupId(2, 8)]


def test_paths_are_found_by_numbers(tmp_path: Path) -> None:
    for path in ("a", "a/b", "a/b/c", "d"):
        (tmp_path / path).mkdir()
    numbers = {path: inode(path, str(tmp_path)) or 0 for path in ("a/b/c", "d")}
    assert paths(numbers.values(), str(tmp_path)) == {number: path for path, number in numbers.items()}
    assert paths([], str(tmp_path)) == {}
    assert paths([1], str(tmp_path)) == {}
    (named, unnamed) = cgroups_of(
        with_paths(a_table(CgroupId(1, numbers["d"]), CgroupId(3, 4711)), {numbers["d"]: "d"}).chains
    )
    assert (named.path, unnamed.path) == ("d", "")


def test_only_one_with_a_path_of_its_level_can_be_written() -> None:
    assert writable(CgroupId(2, 7, "a/b"))
    assert not writable(CgroupId(1, 7, "a/b"))
    assert not writable(CgroupId(1, 7))
    assert not writable(CgroupId(1, 7, 'a"b'))


def test_one_without_a_path_is_shown_by_its_number() -> None:
    assert render_statement(Match(Key.CGROUP, CgroupId(2, 4711))) == "socket cgroupv2 level 2 inode 4711"
