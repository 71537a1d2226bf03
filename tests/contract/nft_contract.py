# SPDX-License-Identifier: GPL-2.0-or-later
"""What every `ports.Nft` does: one suite for the fake, for libnftables in a network namespace, and for secmark objects in
the virtual machine with SELinux. A world is the port and a way for others to change the ruleset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from secmarkd.change.plan import plan
from secmarkd.change.rebuild import rebuild
from secmarkd.compiler.compile import OWNED
from secmarkd.errors import Conflict, KernelError, NotSupported
from secmarkd.ports import Nft
from secmarkd.table.elements import Elements
from secmarkd.table.generation import successor
from secmarkd.table.table import (
    Mark,
    ObjectKind,
    Table,
)
from secmarkd.table.transaction import (
    AddElements,
    AddObjects,
    Adopt,
    DeleteElements,
    DeleteObjects,
    Remove,
    Replace,
)
from tests.contract.intrusions import INTRUSIONS, Intrusion, port_map, with_objects
from tests.support.tables import Values, find_map, full_table, make_object, replace_map, with_elements


class World(Protocol):
    """An nftables under test."""

    kind: ObjectKind

    @property
    def nft(self) -> Nft:
        """The port."""

    def change(self, text: str, effect: Callable[[Table], Table | None]) -> None:
        """Someone else runs `text` by nft; `effect` is what that does to our table."""


class NftContract:
    """The behaviours. Subclasses give the fixture `world`, whose nftables is without our table."""

    @pytest.fixture
    def full(self, world: World) -> Table:
        """Our table with everything in it, loaded."""
        table = full_table(world.kind)
        world.nft.commit((Replace(table),))
        return table

    # --- reading and replacing ---

    def test_a_table_is_rebuilt_within_its_chains(self, world: World) -> None:
        before = full_table(world.kind)
        after = replace(before, chains=before.chains[:1], maps=before.maps[:2])
        after = replace(after, chains=tuple(replace(each, rules=()) for each in after.chains))
        world.nft.commit((Replace(before),))
        world.nft.commit((rebuild(before, after),))
        assert world.nft.read() == after
        world.nft.commit((rebuild(after, before),))
        assert world.nft.read() == before

    def test_a_policy_is_put_right_by_a_rebuild(self, world: World) -> None:
        before = full_table(world.kind)
        chains = [
            replace(each, base=replace(each.base, policy="drop")) if each.base else each for each in before.chains
        ]
        after = replace(before, chains=tuple(chains))
        assert after != before
        world.nft.commit((Replace(before),))
        world.nft.commit((rebuild(before, after),))
        assert world.nft.read() == after
        world.nft.commit((rebuild(after, before),))
        assert world.nft.read() == before

    def test_a_table_that_is_another_is_not_rebuilt(self, world: World) -> None:
        before = full_table(world.kind)
        world.nft.commit((Replace(replace(before, chains=(), maps=())),))
        with pytest.raises(Conflict):
            world.nft.commit((rebuild(before, replace(before, maps=())),))
        assert world.nft.read() == replace(before, chains=(), maps=())

    def test_the_generation_rises_with_each_commit_and_only_with_that(self, world: World) -> None:
        before = world.nft.generation()
        world.nft.commit((Replace(full_table(world.kind)),))
        written = world.nft.generation()
        assert written == successor(before)
        world.nft.read()
        world.nft.check((Replace(Table()),))
        assert world.nft.generation() == written
        world.change("add chain inet secmarkd theirs", lambda table: table)
        assert world.nft.generation() == successor(written)

    def test_the_table_is_known_to_exist_without_being_read(self, world: World) -> None:
        assert world.nft.flags() is None
        world.nft.commit((Replace(Table()),))
        assert world.nft.flags() == ()
        world.nft.commit((Remove(),))
        assert world.nft.flags() is None

    def test_a_table_that_its_owner_left_behind_is_adopted_as_it_is(self, world: World) -> None:
        owned = replace(full_table(world.kind), flags=OWNED)
        try:
            world.nft.commit((Replace(owned),))
        except NotSupported:  # nft before 1.1.0 can own nothing; see tests/netns/test_ownership.py
            assert world.nft.read() is None
            return
        world.nft.close()
        assert world.nft.flags() == ("persist",)
        assert world.nft.read() == replace(owned, flags=("persist",))
        smaller = replace(owned, chains=())
        world.nft.commit((Adopt(OWNED), rebuild(owned, smaller)))
        assert world.nft.flags() == OWNED
        assert world.nft.read() == smaller
        world.nft.commit((rebuild(smaller, owned),))
        assert world.nft.read() == owned

    def test_a_table_that_nobody_left_behind_is_not_adopted(self, world: World) -> None:
        world.nft.commit((Replace(Table()),))
        with pytest.raises(Conflict):
            world.nft.commit((Adopt(OWNED),))
        assert world.nft.read() == Table()

    def test_a_table_that_is_not_there_reads_as_none(self, world: World) -> None:
        assert world.nft.read() is None

    def test_what_was_committed_reads_back_equal(self, world: World, full: Table) -> None:
        assert world.nft.read() == full

    def test_an_empty_table_is_not_an_absent_one(self, world: World) -> None:
        world.nft.commit((Replace(Table()),))
        assert world.nft.read() == Table()

    def test_a_replaced_table_has_nothing_of_the_old_one(self, world: World, full: Table) -> None:
        smaller = Table(objects=(make_object("s_ssh", world.kind),), maps=(port_map("m_other", world.kind),))
        world.nft.commit((Replace(smaller),))
        assert world.nft.read() == smaller

    def test_replacing_a_table_by_itself_changes_nothing(self, world: World, full: Table) -> None:
        world.nft.commit((Replace(full),))
        assert world.nft.read() == full

    def test_removing_works_whether_or_not_there_is_a_table(self, world: World, full: Table) -> None:
        world.nft.commit((Remove(),))
        world.nft.commit((Remove(),))
        assert world.nft.read() is None

    def test_a_check_changes_nothing(self, world: World, full: Table) -> None:
        world.nft.check((Remove(),))
        world.nft.check((Replace(Table()),))
        assert world.nft.read() == full

    # --- elements ---

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("m_port", (6, 443)),
            ("m_protocol", (50,)),
            ("m_interface", (6, 22, "br-lan.7")),
            ("m_user", (0, 6, 22)),
            ("m_ranges", ((9001, 9001), 6)),
            ("m_ranges", ((1, 2), 17)),
            ("m_address", ((13 << 24, (13 << 24) + 255),)),
            ("m_address", (((1 << 32) - 256, (1 << 32) - 1),)),
            ("m_remote4", (80, (0, (1 << 32) - 1), 6, "eth0")),
            ("m_remote4", (80, 1, 17, "eth0")),
            ("m_remote6", ((1 << 127), (80, 90), 6)),
            ("m_remote6", (((1 << 127), (1 << 128) - 1), 80, 6)),
            ("m_wildcard", ((1, 2), "br*")),
        ],
        ids=str,
    )
    def test_an_element_comes_and_goes(
        self, world: World, full: Table, name: str, values: tuple[Values, ...]
    ) -> None:
        map_ = find_map(full, name)
        added = with_elements(map_, (values, "s_default"))
        world.nft.commit((AddElements(map_, added),))
        more = Elements.of(added.width, {**map_.elements.as_dict(), **added.as_dict()})
        assert world.nft.read() == replace_map(full, name, more)
        world.nft.commit((DeleteElements(map_, added),))
        assert world.nft.read() == full

    def test_adding_an_element_that_is_there_changes_nothing(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        world.nft.commit((AddElements(map_, map_.elements),))
        assert world.nft.read() == full

    @pytest.mark.parametrize("name", ["m_port", "m_ranges", "m_address"])
    def test_an_element_is_retargeted_in_one_transaction(self, world: World, full: Table, name: str) -> None:
        map_ = find_map(full, name)
        width = map_.elements.width
        retargeted = Elements.of(width, dict.fromkeys(map_.elements.as_dict(), "s_default"))
        world.nft.commit((DeleteElements(map_, map_.elements), AddElements(map_, retargeted)))
        assert world.nft.read() == replace_map(full, name, retargeted)

    def test_elements_added_and_deleted_are_none_at_all(self, world: World, full: Table) -> None:
        nothing = Elements(find_map(full, "m_port").elements.width)
        world.nft.commit(
            (AddElements(find_map(full, "m_port"), nothing), DeleteElements(find_map(full, "m_port"), nothing))
        )
        assert world.nft.read() == full

    def test_the_last_address_alone_cannot_be_deleted_from_an_interval_map(self, world: World, full: Table) -> None:
        """A bug of nft 1.0.6 and 1.1.3: without a word it deletes nothing. Only replacing the map or the table helps."""
        map_ = find_map(full, "m_address")
        last = with_elements(map_, (((1 << 32) - 1,), "s_default"))
        world.nft.commit((AddElements(map_, last),))
        world.nft.commit((DeleteElements(map_, last),))
        more = Elements.of(last.width, {**map_.elements.as_dict(), **last.as_dict()})
        assert world.nft.read() == replace_map(full, "m_address", more)

    # --- conflicts, which leave everything as it was ---

    def test_a_key_with_another_object_conflicts(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        wrong = with_elements(map_, ((6, 79), "s_default"), ((6, 80), "s_default"))
        with pytest.raises(Conflict) as caught:
            world.nft.commit((AddElements(map_, wrong),))
        assert "m_port" in caught.value.offender
        assert "80" in caught.value.offender
        assert world.nft.read() == full

    @pytest.mark.parametrize(
        ("name", "values"), [("m_ranges", ((8500, 8600), 6)), ("m_address", ((10 << 24) + 1,))], ids=str
    )
    def test_an_overlapping_key_conflicts(
        self, world: World, full: Table, name: str, values: tuple[Values, ...]
    ) -> None:
        map_ = find_map(full, name)
        with pytest.raises(Conflict):
            world.nft.commit((AddElements(map_, with_elements(map_, (values, "s_default"))),))
        assert world.nft.read() == full

    def test_an_element_for_an_object_that_is_not_there_conflicts(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        with pytest.raises(Conflict):
            world.nft.commit((AddElements(map_, with_elements(map_, ((6, 79), "s_nothing"))),))
        assert world.nft.read() == full

    def test_deleting_an_element_that_is_not_there_conflicts(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        with pytest.raises(Conflict) as caught:
            world.nft.commit((DeleteElements(map_, with_elements(map_, ((6, 80), "s_http"), ((6, 79), "s_http"))),))
        assert "79" in caught.value.offender
        assert world.nft.read() == full

    @pytest.mark.fault(13)
    def test_an_object_in_use_cannot_be_deleted(self, world: World, full: Table) -> None:
        with pytest.raises(Conflict) as caught:
            world.nft.commit((DeleteObjects((make_object("s_ssh", world.kind),)),))
        assert caught.value.offender == f"{world.kind} s_ssh"
        assert world.nft.read() == full

    def test_an_object_that_is_not_there_cannot_be_deleted(self, world: World, full: Table) -> None:
        with pytest.raises(Conflict):
            world.nft.commit((DeleteObjects((make_object("s_nothing", world.kind),)),))

    def test_nothing_can_be_added_to_a_table_that_is_not_there(self, world: World) -> None:
        map_ = find_map(full_table(world.kind), "m_port")
        with pytest.raises(Conflict):
            world.nft.commit((AddElements(map_, map_.elements),))
        with pytest.raises(Conflict):
            world.nft.commit((AddObjects((make_object("s_new", world.kind),)),))
        assert world.nft.read() is None

    def test_a_transaction_that_fails_at_its_end_did_nothing(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        missing = with_elements(map_, ((6, 79), "s_http"))
        with pytest.raises(Conflict):
            world.nft.commit((Replace(Table(maps=(map_,), objects=full.objects)), DeleteElements(map_, missing)))
        assert world.nft.read() == full

    def test_a_rule_that_names_what_is_not_there_is_refused(self, world: World, full: Table) -> None:
        chains = tuple(
            replace(one, rules=((Mark(world.kind, "s_nothing"),),)) if one.name == "empty" else one
            for one in full.chains
        )
        with pytest.raises(KernelError):
            world.nft.commit((Replace(replace(full, chains=chains)),))
        assert world.nft.read() == full

    def test_a_check_reports_what_a_commit_would(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        with pytest.raises(Conflict):
            world.nft.check((DeleteElements(map_, with_elements(map_, ((6, 79), "s_http"))),))

    # --- elements, if nobody has committed since ---

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("m_port", (6, 443)),
            ("m_protocol", (50,)),
            ("m_interface", (6, 22, "br-lan.7")),
            ("m_user", (0, 6, 22)),
            ("m_user", (70000, 6, 22)),
            ("m_ranges", ((9001, 9001), 6)),
            ("m_ranges", ((1, 2), 17)),
            ("m_remote4", (80, (0, (1 << 32) - 1), 6, "eth0")),
            ("m_remote6", (((1 << 127), (1 << 128) - 1), 80, 6)),
            ("m_wildcard", ((1, 2), "br*")),
        ],
        ids=str,
    )
    def test_an_element_comes_and_goes_at_a_generation(
        self, world: World, full: Table, name: str, values: tuple[Values, ...]
    ) -> None:
        map_ = find_map(full, name)
        added = with_elements(map_, (values, "s_default"))
        before = world.nft.generation()
        world.nft.commit_at((AddElements(map_, added),), before)
        more = Elements.of(added.width, {**map_.elements.as_dict(), **added.as_dict()})
        assert world.nft.read() == replace_map(full, name, more)
        assert world.nft.generation() == successor(before)
        world.nft.commit_at((DeleteElements(map_, added),), successor(before))
        assert world.nft.read() == full

    @pytest.mark.parametrize("name", ["m_port", "m_ranges", "m_remote6"])
    def test_elements_are_retargeted_at_a_generation(self, world: World, full: Table, name: str) -> None:
        map_ = find_map(full, name)
        other = Elements.of(map_.elements.width, dict.fromkeys(map_.elements.as_dict(), "s_default"))
        transaction = (DeleteElements(map_, map_.elements), AddElements(map_, other))
        world.nft.commit_at(transaction, world.nft.generation())
        assert world.nft.read() == replace_map(full, name, other)

    @pytest.mark.fault(11)
    def test_at_another_generation_nothing_is_changed(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        heard = world.nft.generation()
        world.change("add chain inet secmarkd theirs", lambda table: table)
        for generation in (heard, successor(world.nft.generation())):
            with pytest.raises(Conflict):
                world.nft.commit_at((DeleteElements(map_, map_.elements),), generation)
        live = world.nft.read()
        assert live is not None
        assert find_map(live, "m_port") == map_

    def test_elements_that_are_otherwise_conflict_at_their_generation_too(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        there, missing, lost = (
            with_elements(map_, ((6, port), target))
            for port, target in ((80, "s_default"), (79, "s_http"), (79, "s_nothing"))
        )
        before = world.nft.generation()
        for command in (AddElements(map_, there), DeleteElements(map_, missing), AddElements(map_, lost)):
            with pytest.raises(Conflict):
                world.nft.commit_at((AddElements(map_, with_elements(map_, ((6, 1), "s_http"))), command), before)
        assert world.nft.read() == full
        assert world.nft.generation() == before
        world.nft.commit_at((DeleteElements(map_, map_.elements),), before)
        assert world.nft.read() == replace_map(full, "m_port", Elements(map_.elements.width))

    def test_elements_that_are_there_already_are_no_new_generation(self, world: World, full: Table) -> None:
        map_ = find_map(full, "m_port")
        before = world.nft.generation()
        world.nft.commit_at((AddElements(map_, map_.elements),), before)
        assert world.nft.generation() == before

    def test_what_is_more_than_a_few_plain_elements_is_refused(self, world: World, full: Table) -> None:
        ranges, ports = find_map(full, "m_address"), find_map(full, "m_port")
        many = with_elements(ports, *(((6, port), "s_http") for port in range(1, 3000)))
        for command in (AddElements(ranges, ranges.elements), Remove(), AddElements(ports, many)):
            with pytest.raises(ValueError, match=r"m_address|Remove|elements"):
                world.nft.commit_at((command,), world.nft.generation())
        assert world.nft.read() == full

    # --- objects ---

    def test_objects_come_and_go(self, world: World, full: Table) -> None:
        added = make_object("s_new", world.kind)
        world.nft.commit((AddObjects((added,)),))
        assert world.nft.read() == replace(full, objects=with_objects(full, added))
        world.nft.commit((DeleteObjects((added,)),))
        assert world.nft.read() == full

    def test_an_object_and_what_refers_to_it_come_and_go_together(self, world: World, full: Table) -> None:
        map_, added = find_map(full, "m_port"), make_object("s_new", world.kind)
        element = with_elements(map_, ((6, 79), "s_new"))
        world.nft.commit((AddObjects((added,)), AddElements(map_, element)))
        world.nft.commit((DeleteElements(map_, element), DeleteObjects((added,))))
        assert world.nft.read() == full

    # --- others ---

    @pytest.mark.parametrize("intrusion", INTRUSIONS, ids=str)
    def test_what_others_do_to_the_table_is_seen(self, world: World, full: Table, intrusion: Intrusion) -> None:
        world.change(intrusion.text, intrusion.effect)
        assert world.nft.read() == intrusion.effect(full)

    @pytest.mark.fault(8)
    @pytest.mark.parametrize("intrusion", INTRUSIONS, ids=str)
    def test_whatever_others_did_the_table_can_be_replaced(
        self, world: World, full: Table, intrusion: Intrusion
    ) -> None:
        world.change(intrusion.text, intrusion.effect)
        world.nft.commit((Replace(full),))
        assert world.nft.read() == full

    @pytest.mark.parametrize("intrusion", INTRUSIONS, ids=str)
    @pytest.mark.parametrize("staged", [False, True], ids=["at once", "in stages"])
    def test_whatever_others_did_a_plan_undoes_it(
        self, world: World, full: Table, intrusion: Intrusion, staged: bool
    ) -> None:
        world.change(intrusion.text, intrusion.effect)
        live = world.nft.read()
        for transaction in plan(full, live, staged=staged):
            world.nft.commit(transaction)
        assert world.nft.read() == full
        if live is not None and live.flags == full.flags:
            assert not any(isinstance(each, Replace) for each in plan(full, live)[0])

    @pytest.mark.parametrize("intrusion", INTRUSIONS, ids=str)
    def test_whatever_others_did_the_table_can_be_removed(
        self, world: World, full: Table, intrusion: Intrusion
    ) -> None:
        world.change(intrusion.text, intrusion.effect)
        world.nft.commit((Remove(),))
        assert world.nft.read() is None
