# SPDX-License-Identifier: GPL-2.0-or-later
"""On the way from one table to another no packet is let down: neither those that come, nor those that are in the middle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from secmarkd.change.element_changes import MOST_INTERVAL_CHANGES, element_changes
from secmarkd.change.plan import plan
from secmarkd.change.staged_reload import PREFIX, stages
from secmarkd.compiler.compile import compile_table
from secmarkd.evaluate import evaluate
from secmarkd.model.label_map import LabelMap, Mode
from secmarkd.table.elements import Elements
from secmarkd.table.table import BaseHook, Chain, Lookup, Object, Statement, Table, Verdict
from tests.support.interpreter import Interpreter, Operand
from tests.support.label_maps import DEFAULTS, ENVIRONMENT, random_label_map, random_packet, without_contradictions

SEEDS = st.integers(0, 2**32 - 1)
PACKETS = 10


def _maps(seed: int) -> tuple[LabelMap, LabelMap]:
    """Two label maps: related, as after an edit, or of nothing in common; sometimes with contexts of another level."""
    random = Random(seed)
    before = without_contradictions(random_label_map(random, size=10))
    after = without_contradictions(random_label_map(random, size=10))
    if random.random() < 0.5:
        kept = [rule for rule in before.rules if random.random() < 0.7]
        after = without_contradictions(replace(after, rules=(*kept, *after.rules[: random.randrange(4)])))
    if random.random() < 0.3:
        level = "s0:c1"
        rules = tuple(replace(rule, context=replace(rule.context, level=level)) for rule in after.rules)
        after = without_contradictions(replace(after, rules=rules))
    return before, after


def _compiled(label_map: LabelMap) -> Table:
    return compile_table(label_map, Mode.LABEL, ENVIRONMENT)


def _said(table: Table) -> list[Statement]:
    """All that packets meet: the rules of base chains and of the chains that these lead to."""
    chains = {each.name: each for each in table.chains}
    names = [each.name for each in table.chains if each.base]
    said: list[Statement] = []
    for name in names:  # grows as it goes
        for statement in (each for rule in chains[name].rules for each in rule):
            said.append(statement)
            if isinstance(statement, Verdict) and statement.chain and statement.chain not in names:
                names.append(statement.chain)
    return said


DEFAULT_LABELS = {str(each) for each in (DEFAULTS.server, DEFAULTS.client, DEFAULTS.icmp, DEFAULTS.forward, None)}


@given(seed=SEEDS)
def test_every_stage_labels_as_before_or_as_the_last_one(seed: int) -> None:
    """As before only until maps are filled; of what the old rules find there already, more may be new."""
    before, after = _maps(seed)
    live, desired = _compiled(before), _compiled(after)
    way = stages(live, desired)
    assert way[-1] == desired
    random = Random(seed)
    old, *interpreters = [Interpreter(each) for each in (live, *way)]
    for _ in range(PACKETS):
        packet = random_packet(random, after)
        decision = evaluate(after, packet, ENVIRONMENT)
        expected = str(decision.context) if decision.context else None
        got = [each.run(packet) for each in interpreters]
        if len(got) > 1 and got[0] != expected:
            assert got[0] == old.run(packet) or str(got[0]) not in DEFAULT_LABELS
            got[0] = expected
        assert got == [expected] * len(way)


def _way(live: Table, desired: Table) -> tuple[Table, ...]:
    """The tables of a reload, the first and the last included."""
    return (live, desired) if len(plan(desired, live, staged=True)) == 1 else (live, *stages(live, desired))


def _during_a_commit(before: Table, after: Table) -> Table:
    """What a packet meets that begins when the new rules are in force, and interval maps have nothing new yet; in older
    kernels, where what goes has gone."""
    there = {each.name: each for each in before.maps}
    maps = []
    for each in after.maps:
        old = there.get(each.name)
        stays = old is not None and element_changes(each, old) is not None
        kept = set(old.elements.items()) & set(each.elements.items()) if old is not None and stays else ()
        maps.append(replace(each, elements=Elements.of(each.elements.width, kept)) if each.interval else each)
    return replace(after, maps=tuple(maps))


@given(seed=SEEDS)
def test_interval_maps_that_are_not_filled_yet_are_not_missed(seed: int) -> None:
    before, after = _maps(seed)
    random = Random(seed)
    for one, next_one in pairwise(_way(_compiled(before), _compiled(after))):
        during = Interpreter(_during_a_commit(one, next_one))
        for _ in range(PACKETS):
            packet = random_packet(random, random.choice((before, after)))
            known = {Interpreter(one).run(packet), Interpreter(next_one).run(packet)}
            got = during.run(packet)
            assert got in known or str(got) not in DEFAULT_LABELS, (packet, got, known)


class Overtaken(Interpreter):
    """A packet that has begun with the rules of a table; a commit overtakes it after so many lookups and jumps.

    What it has of the old rules stays what it was. From then on it meets the new content of maps and chains that stay, and
    nothing in those that are deleted, or deleted and added anew.
    """

    def __init__(self, before: Table, after: Table, steps: int) -> None:
        super().__init__(replace(before, objects=(*before.objects, *after.objects)))
        self._after, self._steps = Interpreter(after), steps
        self._maps_before = {each.name: each for each in before.maps}
        self._maps_after = {each.name: each for each in after.maps}
        self.steps = 0

    def _overtaken(self) -> bool:
        self.steps += 1
        return self.steps > self._steps

    def find(self, name: str) -> Chain:
        if not self._overtaken():
            return super().find(name)
        return next((each for each in self._after.table.chains if each.name == name), Chain(name, ()))

    def lookup(self, name: str, values: tuple[Operand, ...]) -> str | None:
        if not self._overtaken() and name in self._maps_before:
            return super().lookup(name, values)
        old, new = self._maps_before.get(name), self._maps_after.get(name)
        stays = new is not None and (old is None or element_changes(new, old) is not None)
        return self._after.lookup(name, values) if stays else None


@given(seed=SEEDS)
def test_a_packet_that_a_commit_overtakes_gets_the_old_label_or_the_new(seed: int) -> None:
    """Or another one that the new label map has for it, where several maps have gained something; never a default that
    neither has."""
    before, after = _maps(seed)
    random = Random(seed)
    for one, next_one in pairwise(_way(_compiled(before), _compiled(after))):
        for _ in range(PACKETS):
            packet = random_packet(random, random.choice((before, after)))
            known = {Interpreter(one).run(packet), Interpreter(next_one).run(packet)}
            steps, overtaken = 0, Overtaken(one, next_one, 0)
            while True:
                got = overtaken.run(packet)
                assert got in known or str(got) not in DEFAULT_LABELS, (packet, steps, got, known)
                if overtaken.steps < steps:
                    break
                steps += 1
                overtaken = Overtaken(one, next_one, steps)


@given(seed=SEEDS)
def test_what_rules_use_is_there_for_one_transaction_more(seed: int) -> None:
    """Objects need not be: rules and elements point at them, and the kernel frees them after the last packet (RCU)."""
    before, after = (_compiled(each) for each in _maps(seed))
    for one, next_one in pairwise((before, *stages(before, after))):
        said = _said(one)
        maps, there = ({each.name: each for each in table.maps} for table in (one, next_one))
        for name in {each.map for each in said if isinstance(each, Lookup)}:
            assert name in there, "a map that packets in the middle look up is gone"
            assert element_changes(there[name], maps[name]) is not None, "such a map is made anew"
        entered = {each.chain for each in said if isinstance(each, Verdict) and each.chain}
        assert entered <= {each.name for each in next_one.chains}
        assert {(each.name, each.base) for each in one.chains if each.base} & {
            (each.name, each.base) for each in next_one.chains if each.base
        }


def _example() -> Table:
    return _compiled(without_contradictions(random_label_map(Random(4), size=20)))


def test_single_changes_need_no_stages() -> None:
    table = _example()
    assert stages(table, table) == (table,)
    largest = max(table.maps, key=lambda each: len(each.elements))
    fewer = replace(largest.elements, data=largest.elements.data[: -(largest.elements.width + 4)])
    live = replace(
        table, maps=tuple(replace(each, elements=fewer) if each == largest else each for each in table.maps)
    )
    assert stages(live, table) == (table,)


def test_a_base_chain_of_another_priority_hangs_twice_for_a_while() -> None:
    desired = _example()
    hooked = {each.name: each for each in desired.chains if each.base}
    moved = replace(hooked["input"], base=BaseHook("input", 7))
    live = replace(desired, chains=tuple(moved if each.name == "input" else each for each in desired.chains))
    first, second, last = stages(live, desired)
    bases = [{each.name: each.base for each in table.chains if each.base} for table in (first, second, last)]
    assert bases[0]["input"] == moved.base
    assert bases[0][PREFIX + "input"] == bases[1][PREFIX + "input"] == bases[1]["input"] == hooked["input"].base
    assert PREFIX + "input" not in bases[2]


def test_an_object_of_another_context_is_there_under_another_name_first() -> None:
    desired = _example()
    changed = desired.objects[0]
    live = replace(
        desired, objects=(replace(changed, context="system_u:object_r:was_packet_t:s0"), *desired.objects[1:])
    )
    filled, entering, renewed, leaving, last = stages(live, desired)
    there = Object(PREFIX + changed.name, changed.kind, changed.context)
    for table in (filled, entering):
        assert {live.objects[0], there} <= set(table.objects)
    for table in (renewed, leaving):
        assert {changed, there} <= set(table.objects)
    assert last == desired


def test_an_interval_map_that_changes_much_is_made_anew_while_nobody_looks_it_up() -> None:
    desired = _example()
    each = next(one for one in desired.maps if one.interval)
    wide = b"".join(
        bytes([0] * (each.elements.width - 1) + [number]) + bytes(4) for number in range(MOST_INTERVAL_CHANGES + 1)
    )
    live_map = replace(each, elements=replace(each.elements, data=wide))
    live = replace(desired, maps=tuple(live_map if one == each else one for one in desired.maps))
    way = stages(live, desired)
    looked_up = [{said.map for said in _said(table) if isinstance(said, Lookup)} for table in way]
    assert [each.name in names for names in looked_up] == [True, False, False, True, True]
    assert [PREFIX + each.name in names for names in looked_up] == [False, True, True, False, False]
    assert [live_map in table.maps for table in way] == [True, True, False, False, False]
    assert [each in table.maps for table in way] == [False, False, True, True, True]
    renamed = replace(each, name=PREFIX + each.name)
    assert [renamed in table.maps for table in way] == [True, True, True, True, False]


def test_an_interval_map_where_a_range_is_another_is_not_changed_in_place() -> None:
    desired = _example()
    each = next(one for one in desired.maps if one.interval)
    (key, name), *others = each.elements.items()
    other = next(one.name for one in desired.objects if one.name != name)
    live_map = replace(each, elements=Elements.of(each.elements.width, [(key, other), *others]))
    live = replace(desired, maps=tuple(live_map if one == each else one for one in desired.maps))
    assert len(plan(desired, live)) == 1
    assert len(plan(desired, live, staged=True)) == 5
