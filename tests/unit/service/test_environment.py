# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine changes under the labels: cgroups that come, go, and come again."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secmarkd.adapters.host.cgroup_watch import CgroupEvents
from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import CgroupMissing, ConfigError, Problem, SecmarkdError
from secmarkd.events import (
    CgroupsNotWatched,
    DriftDetected,
    DriftRepaired,
    EnvironmentChanged,
    EnvironmentNotFollowed,
    LabelsReplaced,
    Priority,
)
from secmarkd.model.label_map import Environment, OnDrift
from secmarkd.ports import CgroupNews
from secmarkd.service.environment import AT_ONCE, CALM, GONE_SETTLES
from secmarkd.service.status import State
from secmarkd.table.cgroups import with_cgroups
from secmarkd.table.table import CgroupId, Chain, Key, Match, Table
from secmarkd.table.transaction import Replace
from tests.support.service_rig import Rig, configuration

pytestmark = pytest.mark.fault(50)

BAD = ConfigError([Problem("50-web.toml", 2, "labels.http.tcp", "contradicts")])


def test_another_machine_brings_other_labels_without_a_reload() -> None:
    rig = Rig().started()
    followed = configuration(80, 443, 9000)
    rig.loader.recompiled = lambda loaded, environment: replace(followed, environment=environment)
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.run(300)
    assert rig.nft.table == followed.table
    assert rig.loader.loads == 1
    events = rig.journal.take()
    assert [type(event) for event in events] == [EnvironmentChanged, LabelsReplaced]
    assert all(event.PRIORITY >= Priority.NOTICE for event in events)
    rig.run(600)
    assert rig.journal.take() == []


def cannot_compile(rig: Rig, why: SecmarkdError) -> list[Environment]:
    """From now on the labels cannot be compiled anew; for which environments that was tried."""
    tried: list[Environment] = []

    def refused(loaded: Loaded, environment: Environment) -> Loaded:
        tried.append(environment)
        raise why

    rig.loader.recompiled = refused
    return tried


def test_a_change_of_the_machine_that_contradicts_the_labels_leaves_them() -> None:
    rig = Rig().started()
    cannot_compile(rig, BAD)
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.run(300)
    assert isinstance(rig.journal.take()[-1], EnvironmentNotFollowed)
    assert rig.service.status.state is State.IN_SYNC


def test_what_cannot_be_followed_is_told_once_and_tried_again_only_in_time() -> None:
    rig = Rig().started()
    tried = cannot_compile(rig, BAD)
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.run(300)
    rig.journal.take()
    for _ in range(3):
        rig.drop_element()
        rig.hear()
        assert DriftDetected in [type(event) for event in rig.journal.take()]
        rig.run(10)
    assert len(tried) == 1
    rig.run(300)
    assert len(tried) == 2
    assert rig.journal.take() == []


def read_by(rig: Rig, read: Callable[[], Environment]) -> None:
    """From now on the machine is read by this."""
    rig.read_environment = read


def test_a_machine_that_cannot_be_read_has_not_changed() -> None:
    rig = Rig().started()

    def unreadable() -> Environment:
        raise OSError(23, "Too many open files in system")

    read_by(rig, unreadable)
    rig.run(600)
    assert rig.journal.take() == []
    assert rig.service.status.state is State.IN_SYNC


# --- cgroups ---


def in_cgroup(number: int | None = 7, **settings: Any) -> Rig:
    """A service whose labels are for a cgroup, with this inode number or not there."""
    here = Environment(cgroups={} if number is None else {"a.slice": number})
    rig = Rig(configuration(80, cgroup="a.slice", environment=here, **settings))
    rig.environment = here
    return rig.started()


def test_the_cgroups_that_labels_name_are_watched() -> None:
    rig = in_cgroup()
    assert rig.cgroup_events.followed == {"a.slice"}
    rig.reload(configuration(80))
    assert rig.cgroup_events.followed == frozenset()


def test_a_cgroup_that_comes_is_followed_at_once() -> None:
    rig = in_cgroup(None)
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.hear_of_cgroups(came=True)
    assert isinstance(rig.journal.take()[0], EnvironmentChanged)


def test_one_that_went_is_given_time_to_come_again() -> None:
    rig = in_cgroup()
    rig.environment = Environment()
    rig.hear_of_cgroups(went=True)
    assert rig.journal.take() == []
    rig.run(GONE_SETTLES)
    assert [str(each) for each in rig.journal.take()] == [
        "cgroup a.slice: was present, now gone; updating the labels"
    ]


def _with_dead_cgroups(table: Table) -> Table:
    """As rules that hold a cgroup which is gone are listed."""
    dead = Match(Key.CGROUP, CgroupId(1, 4711))
    chains = (
        replace(chain, rules=tuple(
            tuple(dead if isinstance(each, Match) and each.key is Key.CGROUP else each for each in rule)
            for rule in chain.rules
        ))
        for chain in table.chains
    )  # fmt: skip
    return replace(table, chains=tuple(chains))


def test_one_that_was_made_anew_has_its_rules_written_anew_without_compiling_and_is_no_drift() -> None:
    rig = in_cgroup()
    tried = cannot_compile(rig, BAD)
    rig.environment = Environment(cgroups={"a.slice": 8})
    assert rig.nft.table is not None
    wanted, rig.nft.table = rig.nft.table, _with_dead_cgroups(rig.nft.table)
    assert rig.nft.table != wanted
    rig.hear_of_cgroups(came=True)
    events = rig.journal.take()
    assert [type(event) for event in events] == [EnvironmentChanged, LabelsReplaced]
    assert "another of that name" in str(events[0])
    assert "this machine changed" in str(events[1])
    assert tried == []
    assert rig.nft.table == with_cgroups(wanted, {"a.slice": 8}) != wanted
    assert rig.service.status.state is State.IN_SYNC


@pytest.mark.parametrize("on_drift", OnDrift)
def test_what_someone_did_meanwhile_is_told_as_drift(on_drift: OnDrift) -> None:
    rig = in_cgroup(on_drift=on_drift)
    rig.environment = Environment(cgroups={"a.slice": 8})
    assert rig.nft.table is not None
    rig.nft.table = _with_dead_cgroups(rig.nft.table)
    rig.nft.change(_with_a_chain)
    rig.hear()
    events = rig.journal.take()
    assert [type(event) for event in events] == [EnvironmentChanged, DriftDetected, DriftRepaired, LabelsReplaced]
    assert "unexpected chain: chain theirs" in str(events[1])
    assert "by nft (process " in str(events[1])
    assert "theirs" not in str(events[3])


def _with_a_chain(table: Table) -> Table:
    return replace(table, chains=tuple(sorted((*table.chains, Chain("theirs", ())), key=lambda each: each.name)))


def test_one_that_goes_while_its_rules_are_written_is_no_failure() -> None:
    rig = in_cgroup()
    found = iter([8])
    read_by(rig, lambda: Environment(cgroups={"a.slice": next(found, 9)}))
    assert rig.nft.table is not None
    rig.nft.table = _with_dead_cgroups(rig.nft.table)
    rig.nft.fail_next("commit", CgroupMissing("cgroupv2 path fails", operation="commit"))
    commits = len(rig.nft.commits)
    rig.hear_of_cgroups(came=True)
    events = rig.journal.take()
    assert [type(event) for event in events] == [EnvironmentChanged, EnvironmentChanged, LabelsReplaced]
    assert "this machine changed" in str(events[-1])
    assert rig.service.status.state is State.IN_SYNC
    assert not any(isinstance(each, Replace) for transaction in rig.nft.commits[commits:] for each in transaction)


def test_one_that_nft_cannot_find_though_it_is_there_is_a_failure() -> None:
    rig = in_cgroup()
    rig.environment = Environment(cgroups={"a.slice": 8})
    assert rig.nft.table is not None
    rig.nft.table = _with_dead_cgroups(rig.nft.table)
    rig.nft.fail_next("commit", CgroupMissing("cgroupv2 path fails", operation="commit"))
    rig.hear_of_cgroups(came=True)
    assert rig.says.startswith("degraded: ")
    rig.run(1)
    assert rig.says.startswith("in sync: ")
    assert "this machine changed" in rig.journal.take_lines()[-2]


def test_at_the_start_one_that_has_gone_is_left_out_of_the_next_try() -> None:
    rig = Rig(configuration(80, cgroup="a.slice", environment=Environment(cgroups={"a.slice": 7})))
    rig.nft.fail_next("commit", CgroupMissing("cgroupv2 path fails", operation="commit"))
    rig.service.tick()
    rig.configuration = configuration(80, cgroup="a.slice")
    rig.run(2)
    assert rig.service.status.state is State.IN_SYNC
    assert rig.loader.loads == 2


def test_a_unit_that_restarts_without_end_is_followed_less_and_less_often() -> None:
    rig = in_cgroup()
    for number in range(3000):  # five minutes
        rig.environment = Environment(cgroups={"a.slice": 8 + number})
        rig.hear_of_cgroups(came=True)
        rig.run(0.1)
        if number < AT_ONCE:
            assert EnvironmentChanged in [type(event) for event in rig.journal.take()]
    assert 10 < len(rig.journal.take()) < 40
    rig.run(CALM)
    rig.journal.take()
    rig.environment = Environment(cgroups={"a.slice": 1})
    rig.hear_of_cgroups(came=True)
    assert len(rig.journal.take()) > 0


def test_where_cgroups_cannot_be_watched_that_is_told_once_for_each_label_map() -> None:
    rig = Rig(configuration(80, cgroup="a.slice"))
    rig.cgroup_events.refused = OSError(errno.ENOSPC, "No space left on device")
    rig.service.tick()
    said = "WARNING cannot watch cgroups (No space left on device): new cgroups may take up to 5 min to be labelled"
    assert rig.journal.take_lines().count(said) == 1
    rig.run(600)
    assert rig.journal.take() == []
    rig.reload(configuration(80))
    assert CgroupsNotWatched not in [type(event) for event in rig.journal.take()]


def test_what_changed_between_the_load_and_the_watch_is_seen() -> None:
    rig = Rig(configuration(80, cgroup="a.slice"))
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.service.tick()
    rig.journal.take()
    rig.run(0)
    assert isinstance(rig.journal.take()[0], EnvironmentChanged)


def test_news_of_others_wake_nobody() -> None:
    rig = in_cgroup()
    rig.hear_of_cgroups()
    assert rig.wakes == 0


# --- the kernel's own words, of ordinary folders ---


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[CgroupEvents]:
    events = CgroupEvents(str(tmp_path))
    yield events
    events.close()


def told(events: CgroupEvents) -> CgroupNews:
    select.select([events], [], [], 5)
    return events.take()


QUIET = CgroupNews(came=False, went=False)


def test_a_cgroup_and_what_it_is_in_are_told_as_they_come_and_go(tmp_path: Path, kernel: CgroupEvents) -> None:
    (tmp_path / "other.slice").mkdir()
    kernel.follow({"system.slice/a.service/sub"})
    (tmp_path / "other.slice/a.service").mkdir()
    (tmp_path / "b.slice").mkdir()
    assert kernel.take() == QUIET
    for path in ("system.slice", "system.slice/a.service", "system.slice/a.service/sub"):
        (tmp_path / path).mkdir()
        assert told(kernel) == CgroupNews(came=True, went=False)
    (tmp_path / "system.slice/b.service").mkdir()
    assert kernel.take() == QUIET
    (tmp_path / "system.slice/a.service/sub").rmdir()
    assert told(kernel) == CgroupNews(came=False, went=True)
    (tmp_path / "system.slice/a.service/sub").mkdir()
    assert told(kernel) == CgroupNews(came=True, went=False)


def test_a_folder_that_was_removed_is_watched_again_when_it_is_back(tmp_path: Path, kernel: CgroupEvents) -> None:
    path = tmp_path / "a.slice/b.service"
    path.mkdir(parents=True)
    kernel.follow({"a.slice/b.service"})
    path.rmdir()
    path.parent.rmdir()
    assert told(kernel).went
    path.parent.mkdir()
    assert told(kernel).came
    path.mkdir()
    assert told(kernel).came


def test_what_is_no_longer_followed_is_not_told(tmp_path: Path, kernel: CgroupEvents) -> None:
    (tmp_path / "a.slice").mkdir()
    kernel.follow({"a.slice/b.service", "c.slice"})
    kernel.follow({"c.slice"})
    (tmp_path / "a.slice/b.service").mkdir()
    assert kernel.take() == QUIET
    kernel.follow(set())
    os.mkdir(tmp_path / "c.slice")
    assert kernel.take() == QUIET
