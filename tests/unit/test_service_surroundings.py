"""The machine changes under the labels: ephemeral ports, and cgroups that come, go, and come again."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from secmarkd.errors import ConfigError, Problem, Upgraded
from secmarkd.events import (
    DriftDetected,
    EndedForUpgrade,
    EnvironmentChanged,
    EnvironmentNotFollowed,
    LabelsReplaced,
    Priority,
)
from secmarkd.kernel.cgroup_events import CgroupEvents
from secmarkd.model.labels import Environment
from secmarkd.ports import CgroupNews
from secmarkd.ruleset.table import Key, Match, Table
from secmarkd.service.exits import Exit
from secmarkd.service.loading import Loaded
from secmarkd.service.status import State
from secmarkd.service.surroundings import GONE_SETTLES
from tests.support.service_rig import Rig, configuration

BAD = ConfigError([Problem("50-web.toml", 2, "labels.http.tcp", "contradicts")])


def test_other_ephemeral_ports_bring_other_labels_without_a_reload() -> None:
    rig = Rig().started()
    followed = configuration(80, 443, 9000)
    rig.loader.recompiled = lambda loaded, environment: replace(followed, environment=environment)
    rig.environment = Environment(ephemeral=(1024, 65535))
    rig.run(300)
    assert rig.nft.table == followed.table
    assert rig.loader.loads == 1
    events = rig.journal.take()
    assert [type(event) for event in events] == [EnvironmentChanged, LabelsReplaced]
    assert all(event.PRIORITY >= Priority.NOTICE for event in events)
    rig.run(600)
    assert rig.journal.take() == []


def test_a_change_of_the_machine_that_contradicts_the_labels_leaves_them() -> None:
    rig = Rig().started()

    def contradiction(loaded: Loaded, environment: Environment) -> Loaded:
        raise BAD

    rig.loader.recompiled = contradiction
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.run(300)
    assert isinstance(rig.journal.take()[-1], EnvironmentNotFollowed)
    assert rig.service.status.state is State.IN_SYNC


def test_a_change_of_the_machine_that_an_upgrade_keeps_from_being_followed_ends_the_service_too() -> None:
    rig = Rig().started()

    def upgraded(loaded: Loaded, environment: Environment) -> Loaded:
        raise Upgraded

    rig.loader.recompiled = upgraded
    rig.environment = Environment(cgroups={"a.slice": 7})
    rig.run(300)
    assert rig.service.exit_status is Exit.FAILURE
    assert [type(event) for event in rig.journal.take()] == [EndedForUpgrade]


def contradicted(rig: Rig) -> list[Environment]:
    """From now on the labels cannot be compiled anew; for which environments that was tried."""
    tried: list[Environment] = []

    def contradiction(loaded: Loaded, environment: Environment) -> Loaded:
        tried.append(environment)
        raise BAD

    rig.loader.recompiled = contradiction
    return tried


def test_what_cannot_be_followed_is_told_once_and_tried_again_only_in_time() -> None:
    rig = Rig().started()
    tried = contradicted(rig)
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


def test_a_machine_that_cannot_be_read_has_not_changed() -> None:
    rig = Rig().started()

    def unreadable(_: object) -> Environment:
        raise OSError(23, "Too many open files in system")

    object.__setattr__(rig.service._surroundings._world, "read_environment", unreadable)
    rig.run(600)
    assert rig.journal.take() == []
    assert rig.service.status.state is State.IN_SYNC


# --- cgroups ---


def in_cgroup(number: int | None = 7) -> Rig:
    """A service whose labels are for a cgroup, with this inode number or not there."""
    here = Environment(cgroups={} if number is None else {"a.slice": number})
    rig = Rig(configuration(80, cgroup="a.slice", environment=here))
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
        "cgroup a.slice: was there, is gone; the labels are made anew for it"
    ]


def _with_dead_cgroups(table: Table) -> Table:
    """As rules that hold a cgroup which is gone are listed."""
    dead = Match(Key.CGROUP, "4711")
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
    tried = contradicted(rig)
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
    assert rig.nft.table == wanted
    assert rig.service.status.state is State.IN_SYNC


def test_who_commits_at_that_time_is_still_named() -> None:
    rig = in_cgroup()
    rig.environment = Environment(cgroups={"a.slice": 8})
    rig.drop_element()
    rig.hear()
    assert DriftDetected in [type(event) for event in rig.journal.take()]


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
