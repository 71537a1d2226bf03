# SPDX-License-Identifier: GPL-2.0-or-later
"""What others can make many of costs as much as there is of it, never the square: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secmarkd.change.diff import diff
from secmarkd.change.plan import LARGE_ACTIVATION, plan
from secmarkd.errors import Conflict
from secmarkd.reconcile import MANY, _with, reconcile
from secmarkd.table.drift import Change, Drift, Thing
from secmarkd.table.elements import Elements, Field
from secmarkd.table.table import BaseHook, Chain, Foreign, Map, Object, ObjectKind, Rule, Table, Verdict
from secmarkd.table.transaction import Replace, Transaction
from tests.fakes.nft import FakeNft
from tests.support.counting import calls, grows_linearly
from tests.support.service_rig import Rig, configuration

pytestmark = pytest.mark.fault(47)

DESIRED = configuration(80, 443).table
FEW = 60
"""Eight times as many are enough to tell a line from a square."""


def foreign_rules(number: int) -> tuple[Rule, ...]:
    return tuple((Foreign("statement", "", f"drop {each}"), Verdict("accept")) for each in range(number))


def in_front(table: Table, number: int) -> Table:
    """With foreign rules before those of each chain."""
    return replace(
        table, chains=tuple(replace(each, rules=foreign_rules(number) + each.rules) for each in table.chains)
    )


def with_chains(table: Table, number: int) -> Table:
    theirs = tuple(Chain(f"z{each:06}", ()) for each in range(number))
    return replace(table, chains=tuple(sorted((*table.chains, *theirs), key=lambda each: each.name)))


def with_objects(table: Table, number: int) -> Table:
    theirs = tuple(Object(f"z{each:06}", ObjectKind.COUNTER) for each in range(number))
    return replace(table, objects=tuple(sorted((*table.objects, *theirs))))


def with_foreign(table: Table, number: int) -> Table:
    return replace(table, foreign=tuple(Foreign("set", f"z{each:06}", "{}") for each in range(number)))


def with_elements(table: Table, number: int) -> Table:
    first = next(each for each in table.maps if each.name == "server_port")
    more = {b"\x11" + each.to_bytes(2, "big"): "s_http_server_packet_t" for each in range(number)}
    elements = Elements.of(first.elements.width, first.elements.as_dict() | more)
    return replace(
        table, maps=tuple(replace(first, elements=elements) if each is first else each for each in table.maps)
    )


ADDITIONS = [in_front, with_chains, with_objects, with_foreign, with_elements]


@pytest.mark.parametrize("add", ADDITIONS)
def test_a_pass_costs_as_much_as_there_is_of_what_is_foreign(add: Callable[[Table, int], Table]) -> None:
    def work(number: int) -> Callable[[], object]:
        nft = FakeNft(add(DESIRED, number))
        return lambda: reconcile(nft, DESIRED)

    grows_linearly(work, FEW)


@pytest.mark.parametrize("add", ADDITIONS)
def test_so_does_one_whose_write_was_refused_for_what_others_did_meanwhile(
    add: Callable[[Table, int], Table],
) -> None:
    """What differed before and after is told together, without looking for each in the other."""

    def work(number: int) -> Callable[[], object]:
        nft = FakeNft(add(DESIRED, number))
        nft.fail_next("commit", Conflict("no", operation="commit"))
        return lambda: reconcile(nft, DESIRED)

    grows_linearly(work, FEW)


def test_where_very_much_differs_that_one_is_not_much_more_than_one_without() -> None:
    live = in_front(DESIRED, MANY + 1)
    alone, beside = FakeNft(live), FakeNft(live)
    beside.fail_next("commit", Conflict("no", operation="commit"))
    assert calls(lambda: reconcile(beside, DESIRED)) < 1.5 * calls(lambda: reconcile(alone, DESIRED))


class Overtaken(FakeNft):
    """Somebody adds a counter before our first commit, which therefore does not fit."""

    def commit(self, transaction: Transaction) -> None:
        if not any(each.name == "theirs" for each in (self.table or DESIRED).objects) and not self.commits:
            self.change(lambda table: replace(table, objects=(*table.objects, Object("theirs", ObjectKind.COUNTER))))
            raise Conflict("no", operation="commit")
        super().commit(transaction)


@pytest.mark.parametrize(
    ("number", "last"),
    [(1, "unexpected object: counter theirs"), (MANY + 1, "table changed: table inet secmarkd")],
    ids=["each thing where these are few", "that there was something where a sum is told anyway"],
)
def test_a_commit_between_read_and_write_is_told(number: int, last: str) -> None:
    nft = Overtaken(in_front(DESIRED, number))
    outcome = reconcile(nft, DESIRED)
    assert outcome.in_sync
    assert nft.table == DESIRED
    assert str(outcome.drifts[-1]).startswith(last)


@pytest.mark.parametrize("add", ADDITIONS)
@pytest.mark.parametrize("beside", [0, 1], ids=["", "and another commit"])
def test_the_whole_service_costs_no_more_than_that(add: Callable[[Table, int], Table], beside: int) -> None:
    """Its journal lines, its status and whom it names included."""

    def work(number: int) -> Callable[[], object]:
        rig = Rig().started()
        rig.nft.change(lambda table: add(table, number))
        rig.nft.fail_next("commit", Conflict("no", operation="commit"), times=beside)
        return rig.hear

    grows_linearly(work, FEW)


def test_so_does_drift_that_is_only_reported_again_and_again() -> None:
    def work(number: int) -> Callable[[], object]:
        rig = Rig(configuration(80, 443, on_drift="report")).started()
        rig.nft.change(lambda table: in_front(table, number))
        rig.hear()
        rig.nft.change(lambda table: in_front(table, 1))

        def again() -> None:
            rig.hear()
            rig.run(10)

        return again

    grows_linearly(work, FEW)


def test_rules_in_another_order_cost_as_much_as_there_are() -> None:
    def work(number: int) -> Callable[[], object]:
        desired = Table(chains=(Chain("input", foreign_rules(number), BaseHook("input", 50)),))
        live = replace(desired, chains=(replace(desired.chains[0], rules=foreign_rules(number)[::-1]),))
        return lambda: diff(desired, live)

    grows_linearly(work, FEW)


def test_a_first_activation_does_not_look_through_all_ports_in_use_for_each_element() -> None:
    fields = (Field.PROTOCOL, Field.PORT)
    in_use = frozenset((6, port) for port in range(1, 60_000, 2))

    def activation(number: int, used: frozenset[tuple[int, int]]) -> int:
        ports = {b"\x06" + each.to_bytes(2, "big"): "s_web" for each in range(1, number)}
        table = Table(maps=(Map("server_port", fields, ObjectKind.SECMARK, False, Elements.of(3, ports)),))
        return calls(lambda: plan(table, None, used))

    number = 8 * LARGE_ACTIVATION
    assert activation(number, in_use) < 3 * activation(number, frozenset({(6, 1)})) + 2 * len(in_use)


# --- and the quick way finds the same as the slow one ---

DRIFTS = st.lists(
    st.builds(
        Drift,
        thing=st.just(Thing.RULE),
        change=st.sampled_from([Change.UNEXPECTED, Change.MISSING]),
        name=st.sampled_from(["chain a rule 1", "chain a rule 2", "chain b rule 1"]),
    ),
    max_size=8,
).map(tuple)


@given(DRIFTS, DRIFTS)
def test_what_is_told_of_two_reads_is_the_first_and_what_is_new_in_the_second_in_their_order(
    first: tuple[Drift, ...], second: tuple[Drift, ...]
) -> None:
    assert _with(first, second) == first + tuple(each for each in second if each not in first)


RULES = st.lists(st.sampled_from(foreign_rules(4)), max_size=8).map(tuple)


def slowly_left_over(rules: tuple[Rule, ...], others: tuple[Rule, ...]) -> list[tuple[int, Rule]]:
    """The rules, with their places, that are left when each of the others has taken one that is equal away from the
    others: by searching."""
    left, found = list(others), []
    for place, rule in enumerate(rules):
        if rule in left:
            left.remove(rule)
        else:
            found.append((place, rule))
    return found


@given(RULES, RULES)
def test_rules_that_are_missing_or_added_are_those_that_a_search_finds(
    desired: tuple[Rule, ...], live: tuple[Rule, ...]
) -> None:
    tables = [Table(chains=(Chain("a", rules, BaseHook("input", 50)),)) for rules in (desired, live)]
    found = diff(*tables)
    # Rules that both begin or end with count for neither side; a search from the ends is as good as one from the start.
    head = next((n for n, (one, two) in enumerate(zip(desired, live, strict=False)) if one != two), None)
    head = min(len(desired), len(live)) if head is None else head
    rest = desired[head:], live[head:]
    tail = 0
    while tail < min(map(len, rest)) and rest[0][-1 - tail] == rest[1][-1 - tail]:
        tail += 1
    mine, others = (each[: len(each) - tail] for each in rest)
    missing = [(place + head + 1, rule) for place, rule in slowly_left_over(mine, others)]
    added = [(place + head + 1, rule) for place, rule in slowly_left_over(others, mine)]
    if desired == live:
        assert found == ()
    elif not missing and not added:
        assert [(each.change, each.name) for each in found] == [(Change.MOVED, "chain a")]
    else:
        places = [(missing[n : n + 1] or added[n : n + 1])[0][0] for n in range(max(len(missing), len(added)))]
        assert [each.name for each in found] == [f"chain a rule {place}" for place in places]
        assert sum(each.change is not Change.UNEXPECTED for each in found) == len(missing)
        assert sum(each.change is not Change.MISSING for each in found) == len(added)


FOREIGN = st.lists(st.sampled_from([Foreign("set", name, "{}") for name in "abc"]), max_size=6).map(
    lambda each: tuple(sorted(each, key=lambda one: one.name))
)


@given(FOREIGN, FOREIGN)
def test_foreign_things_are_told_as_a_search_would_find_them(
    desired: tuple[Foreign, ...], live: tuple[Foreign, ...]
) -> None:
    left, added = list(desired), []
    for each in live:
        if each in left:
            left.remove(each)
        else:
            added.append(each)
    expected = [(Change.UNEXPECTED, f"set {each.name}") for each in added]
    expected += [(Change.MISSING, f"set {each.name}") for each in left]
    assert [(each.change, each.name) for each in diff(Table(foreign=desired), Table(foreign=live))] == expected


USED = st.frozensets(st.tuples(st.sampled_from([6, 17]), st.integers(0, 40)), max_size=12)
SPANS = st.dictionaries(
    st.tuples(st.sampled_from([6, 17]), st.integers(0, 20).map(lambda each: 2 * each), st.integers(0, 1)),
    st.just("s_web"), min_size=1, max_size=20,
)  # fmt: skip


@given(USED, SPANS, st.booleans())
def test_what_is_in_use_at_a_first_activation_is_what_a_search_finds(
    used: frozenset[tuple[int, int]], spans: dict[tuple[int, int, int], str], interval: bool
) -> None:
    def key(protocol: int, low: int, more: int) -> bytes:
        first = bytes([protocol]) + low.to_bytes(2, "big")
        return first + bytes([protocol]) + (low + more).to_bytes(2, "big") if interval else first

    width = 6 if interval else 3
    many = {key(132, 2 * each, 0): "s_web" for each in range(LARGE_ACTIVATION)}
    chosen = {key(*each): name for each, name in spans.items()}
    fields = (Field.PROTOCOL, Field.PORT)
    map_ = Map("server_port", fields, ObjectKind.SECMARK, interval, Elements.of(width, many | chosen))
    first = plan(Table(maps=(map_,)), None, used)[0][0]
    assert isinstance(first, Replace)
    assert first.table.maps[0].elements.as_dict().keys() == {
        key(protocol, low, more)
        for protocol, low, more in spans
        if any(protocol == one and low <= port <= low + (more if interval else 0) for one, port in used)
    }
