# SPDX-License-Identifier: GPL-2.0-or-later
"""A label that names a user waits until the user can be looked up, follows it, and never costs the others anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from secmarkd.compiler.compile import compile_table
from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import Problem, WorkerFailed
from secmarkd.events import (
    ConfigurationProblem,
    ConfigurationWritable,
    DriftDetected,
    DriftRepaired,
    EnvironmentChanged,
    LabelsReplaced,
    NameFound,
    NamesNotLookedUp,
    NameWaits,
    Ready,
)
from secmarkd.model.label_map import Environment, LabelMap, Mode, Origin, Role, Rule
from secmarkd.model.names import Found, Name, NameKind
from secmarkd.model.note import Note, Severity
from secmarkd.model.protocols import TCP
from secmarkd.model.sources import Mention, Thing
from secmarkd.service.environment import MOST_WAITING
from secmarkd.service.names import LATE, MOST_EVENTS, SETTLES
from secmarkd.service.status import State
from tests.support.service_rig import DEFAULTS, HTTP, Rig, configuration

pytestmark = pytest.mark.fault(51)

ALICE = Name(NameKind.USER, "alice")
ORIGIN = Origin("50-mail.toml", 4, "labels.mail.user")
WHY = "it is not known now; write the uid"
RULES = (
    Rule(label="http", context=HTTP, role=Role.SERVER, origin=ORIGIN, protocol=TCP, ports=(80, 80)),
    *(
        Rule(
            label="mail", context=HTTP, role=Role.CLIENT, origin=ORIGIN, protocol=TCP, ports=(port, port),
            user_name="alice",
        )
        for port in (25, 587)
    ),
)  # fmt: skip
NOT_FOUND = Found({}, {ALICE: WHY})


def with_alice(uid: int | None = None, **settings: Any) -> Loaded:
    """A configuration whose only label is for what alice sends."""
    numbers = {} if uid is None else {ALICE: uid}
    loaded = compiled(configuration(80, **settings), Environment(names=numbers))
    return replace(
        loaded,
        names=frozenset({ALICE}),
        missing={} if uid is not None else {ALICE: WHY},
        mentions=(Mention("mail", Thing.NAME, ALICE, ORIGIN),),
    )


def compiled(loaded: Loaded, environment: Environment) -> Loaded:
    table = compile_table(LabelMap(rules=RULES, defaults=DEFAULTS), Mode.LABEL, environment)
    return replace(loaded, table=table, environment=environment)


def rig_with(loaded: Loaded) -> Rig:
    rig = Rig(loaded)
    rig.loader.recompiled = compiled
    return rig


def until_begun(rig: Rig) -> None:
    """Let time pass until names are looked up again."""
    before = len(rig.lookups.begun)
    while len(rig.lookups.begun) == before:
        rig.run(0.5)


def in_kernel(rig: Rig) -> Mapping[str, int]:
    """How many elements each map has that asks for users."""
    assert rig.nft.table is not None
    return {each.name: len(each.elements) for each in rig.nft.table.maps if "user" in each.name}


def test_the_others_come_at_once_and_what_waits_is_said_once_with_place_and_fix() -> None:
    rig = rig_with(with_alice())
    rig.service.tick()
    events = rig.journal.take()
    assert [str(event) for event in events if isinstance(event, NameWaits)] == [
        f'50-mail.toml:4: labels.mail.user: waits for the user "alice": {WHY}'
    ]
    assert any(isinstance(event, Ready) for event in events)
    assert in_kernel(rig) == {}
    status = rig.service.status
    assert status.state is State.IN_SYNC
    assert status.waiting == (f'50-mail.toml:4: labels.mail.user: waits for the user "alice": {WHY}',)
    assert "waiting for 1 user, group, service or cgroup" in rig.says


def test_it_is_looked_up_less_and_less_often_and_never_less_often_than_every_resync() -> None:
    rig = rig_with(with_alice()).started()
    began, times = rig.clock.now, []
    for _ in range(12):
        until_begun(rig)
        times.append(round(rig.clock.now - began))
        rig.answer(NOT_FOUND)
    waits = [after - before for before, after in zip([0, *times], times, strict=False)]
    assert waits[:6] == [1, 2, 4, 8, 16, 32]
    assert max(waits) <= 300
    assert rig.journal.take() == []


def test_its_label_takes_effect_when_it_is_found() -> None:
    rig = rig_with(with_alice()).started()
    rig.run(1)
    rig.answer(Found({ALICE: 1000}))
    assert [str(event) for event in rig.journal.take() if isinstance(event, NameFound)] == [
        '50-mail.toml:4: labels.mail.user: the user "alice" is 1000 now: its labels take effect'
    ]
    assert in_kernel(rig) == {"client_user_port": 2}
    assert rig.service.status.waiting == ()
    rig.run(200)
    assert rig.journal.take() == []


@pytest.mark.parametrize(("found", "kinds"), [
    (Found({ALICE: 1001}), [EnvironmentChanged, LabelsReplaced]),
    (NOT_FOUND, [NameWaits, LabelsReplaced]),
])  # fmt: skip
def test_a_uid_that_changes_and_a_user_that_vanishes_are_followed(found: Found, kinds: list[type]) -> None:
    rig = rig_with(with_alice(1000)).started()
    rig.run(300)
    rig.answer(found)
    assert [type(event) for event in rig.journal.take()] == kinds
    assert in_kernel(rig) == ({"client_user_port": 2} if found.numbers else {})


def test_a_directory_that_is_away_takes_no_label_away() -> None:
    rig = rig_with(with_alice(1000)).started()
    rig.run(300)
    rig.answer(Found({}, {ALICE: "its lookup failed"}, frozenset({ALICE})))
    assert in_kernel(rig) == {"client_user_port": 2}
    assert rig.service.status.waiting == ()
    assert rig.journal.take() == []


def test_a_change_of_the_files_is_looked_at_soon() -> None:
    rig = rig_with(with_alice(1000)).started()
    rig.name_events.changed = True
    rig.service.names_changed()
    rig.run(SETTLES)
    assert rig.lookups.begun == [{ALICE}]


def test_without_names_nothing_is_ever_looked_up() -> None:
    rig = Rig().started()
    rig.name_events.changed = True
    rig.service.names_changed()
    rig.run(3000)
    assert rig.lookups.begun == []


def test_a_lookup_that_hangs_is_given_up_and_keeps_nothing_from_being_repaired() -> None:
    rig = rig_with(with_alice()).started()
    rig.run(1)
    assert len(rig.lookups.begun) == 1
    rig.drop_element()
    rig.hear()
    assert [type(event) for event in rig.journal.take()] == [DriftDetected, DriftRepaired]
    rig.run(LATE)
    assert rig.lookups.abandoned == 1
    assert [type(event) for event in rig.journal.take()] == [NamesNotLookedUp]
    rig.run(10)
    assert len(rig.lookups.begun) == 2


def test_a_lookup_that_fails_is_logged_once_and_tried_again() -> None:
    rig = rig_with(with_alice()).started()
    rig.lookups.refused = WorkerFailed("died of SIGKILL", operation="look up")
    rig.run(100)
    assert [type(event) for event in rig.journal.take()] == [NamesNotLookedUp]
    assert len(rig.lookups.begun) > 3
    assert rig.service.running
    rig.lookups.refused = None
    until_begun(rig)
    rig.answer(Found({ALICE: 7}))
    assert NameFound in [type(event) for event in rig.journal.take()]


def test_a_failed_answer_is_no_end_either() -> None:
    rig = rig_with(with_alice()).started()
    rig.run(1)
    rig.answer(WorkerFailed("died", operation="look up"))
    rig.run(10)
    assert len(rig.lookups.begun) >= 2


def test_what_a_reload_no_longer_names_is_looked_up_no_more() -> None:
    rig = rig_with(with_alice()).started()
    rig.run(1)
    rig.reload(configuration(80))
    assert rig.lookups.abandoned == 1
    begun = len(rig.lookups.begun)
    rig.run(1000)
    assert len(rig.lookups.begun) == begun
    assert rig.service.status.waiting == ()


def test_a_reload_says_what_waits_only_if_that_is_new() -> None:
    rig = rig_with(with_alice()).started()
    assert NameWaits not in [type(event) for event in rig.reload(with_alice())]


def test_a_contradiction_by_numbers_alone_is_logged_and_in_the_status_once() -> None:
    problem = Problem("50-mail.toml", 4, "labels.mail.user", "labels a packet as A, which B labels as C")
    loaded = replace(with_alice(1000), contradicting=(problem,))
    rig = rig_with(loaded)
    rig.service.tick()
    assert ConfigurationProblem in [type(event) for event in rig.journal.take()]
    assert rig.service.status.state is State.IN_SYNC
    assert rig.service.status.waiting == (str(problem),)
    assert ConfigurationProblem not in [type(event) for event in rig.reload(loaded)]


def test_a_configuration_that_others_may_write_is_logged_once() -> None:
    warning, note = Note("writable", "/etc/a", severity=Severity.WARNING), Note("odd", "/etc/b")
    loaded = replace(with_alice(), notes=(warning, note))
    rig = rig_with(loaded)
    rig.service.tick()
    told = [str(event) for event in rig.journal.take() if isinstance(event, ConfigurationWritable)]
    assert told == ["/etc/a: writable"]
    assert ConfigurationWritable not in [type(event) for event in rig.reload(loaded)]
    rig.reload(with_alice())
    assert ConfigurationWritable in [type(event) for event in rig.reload(loaded)]


def test_a_flood_of_names_is_summed_up() -> None:
    many = [Name(NameKind.USER, f"user{number:03}") for number in range(MOST_EVENTS + 30)]
    loaded = replace(
        with_alice(),
        names=frozenset(many),
        missing=dict.fromkeys(many, WHY),
        mentions=tuple(Mention("mail", Thing.NAME, name, ORIGIN) for name in many),
    )
    rig = rig_with(loaded)
    rig.service.tick()
    waits = [event for event in rig.journal.take() if isinstance(event, NameWaits)]
    assert len(waits) == MOST_EVENTS + 1
    assert 'user "user020" and 29 other names' in str(waits[-1])
    assert len(rig.service.status.waiting) == MOST_EVENTS + 30


def test_a_status_does_not_grow_without_end() -> None:
    many = [Name(NameKind.USER, f"user{number:03}") for number in range(MOST_WAITING + 30)]
    mentions = tuple(Mention("mail", Thing.NAME, name, ORIGIN) for name in many)
    loaded = replace(with_alice(), names=frozenset(many), missing=dict.fromkeys(many, WHY), mentions=mentions)
    rig = rig_with(loaded).started()
    assert len(rig.service.status.waiting) == MOST_WAITING + 1
    assert rig.service.status.waiting[-1] == "and 30 more; `secmarkctl check` shows all"
