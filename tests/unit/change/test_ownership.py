# SPDX-License-Identifier: GPL-2.0-or-later
"""`ownership = "exclusive"`: a table whose owner has ended is owned again, as it is, and as soon as that can be known."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from secmarkd.change.plan import halves, plan
from secmarkd.change.rebuild import rebuild
from secmarkd.compiler.compile import OWNED
from secmarkd.errors import Conflict, TooLarge
from secmarkd.events import DriftDetected, DriftRepaired, Ready
from secmarkd.nft.text import encode
from secmarkd.programs.secmarkctl import main
from secmarkd.programs.wiring import Tools
from secmarkd.reconcile import Action, reconcile
from secmarkd.table.elements import Elements
from secmarkd.table.table import Table
from secmarkd.table.transaction import AddElements, Adopt, DeleteElements, Replace
from tests.fakes.labellers import FakeLabellers
from tests.fakes.nft import FakeNft
from tests.fakes.selinux import FakeSelinux
from tests.support.loads import load
from tests.support.service_rig import OnDrift, Ownership, Rig, configuration

pytestmark = pytest.mark.fault(44)

EXCLUSIVE = configuration(80, 443, ownership=Ownership.EXCLUSIVE)
DESIRED = EXCLUSIVE.table
LEFT = replace(DESIRED, flags=("persist",))
"""What its owner left behind."""


def without_an_element(table: Table) -> Table:
    nft = FakeNft(table)
    map_ = next(each for each in table.maps if each.elements)
    first = dict(list(map_.elements.items())[:1])
    nft.commit((DeleteElements(map_, Elements.of(map_.elements.width, first)),))
    assert nft.table is not None
    return nft.table


# --- plans ---


def test_a_table_that_was_left_behind_is_adopted_as_it_is() -> None:
    assert plan(DESIRED, LEFT) == ((Adopt(OWNED),),)
    assert plan(DESIRED, LEFT, staged=True) == ((Adopt(OWNED),),)
    assert encode((Adopt(OWNED),)) == "add table inet secmarkd { flags owner, persist; }\n"


def test_elements_are_put_right_in_the_transaction_that_adopts() -> None:
    ((adopt, add),) = plan(DESIRED, without_an_element(LEFT))
    assert adopt == Adopt(OWNED)
    assert isinstance(add, AddElements)


def test_rules_are_rebuilt_in_the_transaction_that_adopts() -> None:
    live = replace(LEFT, chains=tuple(replace(each, rules=each.rules[:1]) for each in LEFT.chains))
    adopted = replace(live, flags=OWNED)
    assert plan(DESIRED, live) == ((Adopt(OWNED), rebuild(adopted, DESIRED)),)
    first, *rest = plan(DESIRED, live, staged=True)
    assert first[0] == Adopt(OWNED)
    assert len(rest) > 1
    assert not any(isinstance(each, Adopt) for transaction in rest for each in transaction)
    nft = FakeNft(live)
    assert reconcile(nft, DESIRED, staged=True).action is Action.REBUILT
    assert nft.table == DESIRED


@pytest.mark.parametrize("flags", [(), ("dormant",), ("dormant", "persist"), ("owner",)], ids=str)
def test_any_other_table_is_made_anew(flags: tuple[str, ...]) -> None:
    assert plan(DESIRED, replace(DESIRED, flags=flags)) == ((Replace(DESIRED),),)
    assert plan(replace(DESIRED, flags=()), LEFT) == ((Replace(replace(DESIRED, flags=())),),)


def test_what_is_too_large_at_once_comes_after_the_adoption() -> None:
    ((adopt, add),) = plan(DESIRED, without_an_element(LEFT))
    assert halves((adopt, add)) == ((adopt,), (add,))
    assert halves((adopt,)) == ()


def test_a_table_that_cannot_be_adopted_after_all_is_made_anew() -> None:
    nft = FakeNft(LEFT)
    nft.fail_next("commit", Conflict("the table was not left behind", operation="commit"))
    assert reconcile(nft, DESIRED).action is Action.REPLACED
    assert nft.table == DESIRED
    nft.table = LEFT
    nft.fail_next("commit", TooLarge("too large", operation="commit"))
    assert isinstance(reconcile(nft, DESIRED).error, TooLarge)


# --- the service ---


def test_a_restart_owns_the_table_again_without_a_word_of_other_labels() -> None:
    rig = Rig(EXCLUSIVE, table=LEFT)
    rig.service.tick()
    assert rig.nft.table == DESIRED
    assert rig.nft.commits == [(Adopt(OWNED),)]
    assert [type(each) for each in rig.journal.take()][1:] == [Ready]


def test_ownership_that_was_lost_is_taken_back_by_the_periodic_verification() -> None:
    rig = Rig(EXCLUSIVE).started()
    rig.nft.lose_owner()
    rig.run(EXCLUSIVE.settings.resync)
    assert rig.nft.table == DESIRED
    drift, repaired = rig.journal.take()
    assert isinstance(drift, DriftDetected)
    assert (drift.object, drift.expected, drift.found) == ("table inet secmarkd", "owner persist", "persist")
    assert isinstance(repaired, DriftRepaired)


def test_the_end_of_the_process_that_owned_the_table_is_noticed_at_once() -> None:
    rig = Rig(EXCLUSIVE).started()
    rig.nft.lose_owner()
    rig.service.child_ended()
    rig.run(0)
    assert rig.nft.table == DESIRED
    assert [type(each) for each in rig.journal.take()] == [DriftDetected, DriftRepaired]


def test_the_end_of_any_other_process_is_no_reason_to_read() -> None:
    for loaded in (EXCLUSIVE, configuration(80)):
        rig = Rig(loaded).started()
        before = rig.nft.reads
        rig.service.child_ended()
        rig.run(0)
        assert rig.nft.reads == before
        assert rig.journal.take() == []


def test_a_process_that_ends_before_the_first_pass_is_no_matter() -> None:
    rig = Rig(EXCLUSIVE)
    rig.service.child_ended()
    rig.service.tick()
    assert rig.nft.table == DESIRED


def test_lost_ownership_is_only_told_where_drift_is() -> None:
    rig = Rig(configuration(80, ownership=Ownership.EXCLUSIVE, on_drift=OnDrift.REPORT)).started()
    rig.nft.lose_owner()
    for _ in range(3):
        rig.service.child_ended()
        rig.run(0)
    assert rig.nft.flags() == ("persist",)
    assert [type(each) for each in rig.journal.take()] == [DriftDetected]


def test_a_verb_leaves_a_table_that_its_owner_left_behind_as_it_can_be_taken_over(tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    (tmp_path / "labels.d/50-web.toml").write_text("[labels.http]\ntcp = [80]\n")
    (tmp_path / "secmarkd.toml").write_text('mode = "rehearse"\nownership = "exclusive"\n')
    loaded = load(str(tmp_path))
    nft = FakeNft(replace(loaded.table, flags=("persist",)))
    tools = Tools(lambda: nft, FakeSelinux, out=io.StringIO(), err=io.StringIO(), open_labellers=FakeLabellers)
    folders = ["--config-dir", str(tmp_path), "--runtime-dir", str(tmp_path)]
    assert main(["plan", *folders], tools) == 0
    assert main(["apply", *folders], tools) == 0
    assert nft.commits == []
    nft.table = Table(flags=("persist",))
    assert main(["apply", *folders], tools) == 0
    assert nft.table == replace(loaded.table, flags=("persist",))
