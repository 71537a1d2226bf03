# SPDX-License-Identifier: GPL-2.0-or-later
"""What else sets labels: looked for seldom, said once, and again only when it is another."""

from __future__ import annotations

from dataclasses import replace

from secmarkd.errors import StateUnknown
from secmarkd.events import OtherTablesLabel, OtherTablesLabelNoMore, Priority
from secmarkd.service.neighbours import APART, SETTLES
from secmarkd.table.other_labels import Does, OtherLabels
from tests.fakes.labellers import EVIL
from tests.support.service_rig import Rig, configuration

ANOTHER = replace(EVIL, table="third", does=Does.CONNECTIONS)


def beside(*others: object) -> Rig:
    """A service that has just started beside these."""
    rig = Rig()
    rig.labellers.others = OtherLabels(others)  # type: ignore[arg-type]
    rig.service.tick()
    return rig


def test_it_is_looked_for_at_the_start_and_said_with_its_place() -> None:
    rig = beside(EVIL)
    told = rig.journal.take()[-1]
    assert isinstance(told, OtherTablesLabel)
    assert told.PRIORITY is Priority.WARNING
    assert "table inet other, chain evil (input at priority 60)" in str(told)
    assert "after secmarkd" in str(told)
    assert rig.service.status.other_labels == (EVIL,)
    assert rig.service.status.state == "in sync"
    assert rig.published[-1].other_labels == (EVIL,)


def test_where_nobody_else_labels_nothing_is_said() -> None:
    rig = beside()
    assert not [each for each in rig.journal.take() if isinstance(each, OtherTablesLabel)]
    assert rig.labellers.looks == 1


def test_it_is_said_once_and_again_only_when_the_set_is_another() -> None:
    rig = beside(EVIL)
    rig.journal.take()
    rig.run(3600)
    assert rig.labellers.looks > 5
    assert rig.journal.take() == []
    rig.labellers.others = OtherLabels((EVIL, ANOTHER))
    rig.service.ask_verify()
    rig.run(0)
    (told,) = rig.journal.take()
    assert isinstance(told, OtherTablesLabel)
    assert "third" in str(told)
    assert "chain evil (input at priority 60): sets the label of packets" not in str(told)
    rig.labellers.others = OtherLabels((ANOTHER,))
    rig.service.ask_verify()
    rig.run(0)
    (gone,) = rig.journal.take()
    assert isinstance(gone, OtherTablesLabelNoMore)
    assert "table inet other" in str(gone)
    assert "1 other still does" in str(gone)


def test_after_others_commits_it_is_looked_for_a_little_later_and_not_for_each() -> None:
    rig = beside()
    rig.run(APART)
    looks = rig.labellers.looks
    rig.nft.change_elsewhere()
    rig.hear()
    assert rig.labellers.looks == looks
    rig.run(SETTLES)
    assert rig.labellers.looks == looks + 1
    for _ in range(600):
        rig.nft.change_elsewhere()
        rig.hear()
        rig.run(0.1)
    assert rig.labellers.looks <= looks + 3


def test_our_own_commits_are_no_reason_to_look() -> None:
    rig = beside()
    rig.run(APART)
    looks = rig.labellers.looks
    rig.reload(configuration(80, 443, 8080))
    rig.run(APART)
    assert rig.labellers.looks == looks


def test_a_look_that_takes_long_is_seldom_repeated() -> None:
    rig = beside()
    look = rig.labellers.look

    def slowly() -> OtherLabels:
        rig.clock.now += 0.5
        return look()

    rig.labellers.look = slowly  # type: ignore[method-assign]
    looks = rig.labellers.looks
    for _ in range(290):
        rig.nft.change_elsewhere()
        rig.hear()
        rig.run(1)
    assert rig.labellers.looks - looks <= 3


def test_what_a_look_that_was_cut_short_did_not_find_is_not_said_to_be_gone() -> None:
    rig = beside(EVIL)
    rig.journal.take()
    rig.labellers.others = OtherLabels((), whole=False)
    rig.service.ask_verify()
    rig.run(0)
    assert rig.journal.take() == []
    assert rig.service.status.other_labels == (EVIL,)
    assert rig.service.status.other_labels_whole is False


def test_a_look_that_fails_changes_nothing() -> None:
    rig = beside(EVIL)
    rig.journal.take()
    rig.labellers.others = StateUnknown("the kernel does not answer", operation="look")
    rig.service.ask_verify()
    rig.run(0)
    assert rig.journal.take() == []
    assert rig.service.status.other_labels == (EVIL,)
    assert rig.service.running
