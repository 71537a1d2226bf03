"""Whatever nft prints of our table is either exactly a thing of ours, or Foreign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secmarkd.ruleset.decode_statement import decode_statement, with_cgroup_levels
from secmarkd.ruleset.encode import render_rule
from secmarkd.ruleset.table import Chain, Foreign, Key, Match, ObjectKind, Statement, Table, Verdict
from tests.support.json_elements import decode_all as decode
from tests.support.nft_json import Dialect, to_json
from tests.support.strategies import tables
from tests.support.tables import full_table

FIXTURES = Path(__file__).parent.parent / "fixtures" / "nft"
VERSIONS = ("1.0.6", "1.1.3")


def recorded(version: str, name: str) -> Any:
    """What that version of nft printed."""
    return json.loads((FIXTURES / version / f"{name}.json").read_text())


@pytest.mark.parametrize("dialect", Dialect)
@given(kind=st.sampled_from(ObjectKind), data=st.data())
def test_a_table_in_any_dialect_is_that_table(dialect: Dialect, kind: ObjectKind, data: st.DataObject) -> None:
    table = data.draw(tables(kind))
    assert decode(to_json(table, dialect)) == table


@pytest.mark.parametrize("version", VERSIONS)
def test_what_each_version_printed_of_the_full_table_is_the_full_table(version: str) -> None:
    assert decode(recorded(version, "full")) == full_table()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_dialect_of_tests_is_the_one_that_was_recorded(version: str) -> None:
    ours = to_json(full_table(), Dialect(version))["nftables"]
    theirs = recorded(version, "full")["nftables"]
    assert [_bare(each) for each in ours[1:]] == [_bare(each) for each in theirs[1:]]


def _bare(entry: Any) -> Any:
    """An entry without what differs from load to load."""
    ((kind, value),) = entry.items()
    unordered = {**value, "elem": sorted(map(json.dumps, value["elem"]))} if "elem" in value else value
    return kind, {word: each for word, each in unordered.items() if word not in ("handle", "packets", "bytes")}


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_of_others_hides(version: str) -> None:
    table = decode(recorded(version, "foreign"))
    assert {(each.what, each.name) for each in table.foreign} >= {
        ("counter", "s_a"), ("ct helper", "h"), ("limit", "l"), ("quota", "q"), ("set", "s1"), ("map", "m"), ("map", "k"),
        ("map", "v"), ("map", "q2"), ("map", "pol"), ("map", "cgm"), ("element", "m"), ("element", "w"),
    }  # fmt: skip
    assert [each.name for each in table.maps] == ["m", "pol", "w"]
    bases = {each.name: each.base for each in table.chains}
    assert bases["nat"] is not None
    assert (bases["nat"].type, bases["nat"].policy) == ("nat", "drop")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_rule_of_others_keeps_its_place(version: str) -> None:
    listing = recorded(version, "foreign")["nftables"]
    (chain,) = (each for each in decode(listing).chains if each.name == "c")
    assert len(chain.rules) == sum("rule" in entry for entry in listing)
    ours = {place: render_rule(rule) for place, rule in enumerate(chain.rules) if not any(map(_is_foreign, rule))}
    assert ours == {
        3: 'meta iifname "a\\*" return',
        9: "meta secmark set ct secmark",
        10: "ct secmark set meta secmark",
        20: "meta skuid 5-9 return",
        27: "tcp flags & (syn | ack) != (syn | ack) return",
        29: "th sport 5 return",
    }
    assert render_rule(chain.rules[0]) == 'counter name "s_a" return {"comment": "rule comment"}'


def _is_foreign(statement: Statement) -> bool:
    return isinstance(statement, Foreign)


TABLE: Any = {"table": {"family": "inet", "name": "secmarkd", "handle": 1}}
HERE: Any = {"family": "inet", "table": "secmarkd"}


def one(kind: str, **value: Any) -> Table:
    """The table of a listing with one entry in it."""
    return decode([TABLE, {kind: {**HERE, **value}}])


def test_things_of_another_table_are_foreign() -> None:
    table = decode([TABLE, {"chain": {"family": "ip", "table": "filter", "name": "x"}}])
    assert table.foreign == (Foreign("chain", "", '{"name": "x"}'),)
    assert table.chains == ()


@pytest.mark.parametrize(
    "listing", [None, {}, {"nftables": {}}, [], [TABLE, "x"], [{"metainfo": {}}], "secmarkd", [{}]]
)
def test_what_is_no_listing_of_a_table_is_refused(listing: Any) -> None:
    with pytest.raises(ValueError, match="listing"):
        decode(listing)


@pytest.mark.parametrize(
    ("element", "why"),
    [
        ([80, "s", "x"], "three parts"),
        (["*", "s"], "a catch-all"),
        ([{"elem": {"val": 80, "timeout": 5}}, "s"], "a timeout"),
        ([{"concat": [80]}, "s"], "a concatenation in a map of one field"),
        ([65536, "s"], "not a port"),
        ([-1, "s"], "not a port"),
        (["http", "s"], "a name"),
        ([80, {"accept": None}], "a verdict"),
        ([{"range": [80, 90]}, "s"], "a range in a map without ranges"),
        (80, "no target"),
    ],
)
def test_an_element_that_is_not_a_key_and_an_object_is_foreign(element: Any, why: str) -> None:
    table = one("map", name="m", type="inet_service", map="counter", elem=[[22, "s"], element])
    assert len(table.maps[0].elements) == 1, why
    assert [each.what for each in table.foreign] == ["element"]


@pytest.mark.parametrize(
    "element",
    [
        [{"range": [90, 80]}, "s"],
        [{"range": [80, 90], "x": 1}, "s"],
        [{"prefix": {"addr": 81, "len": 8}}, "s"],
        [{"prefix": {"addr": 80, "len": 17}}, "s"],
        [{"concat": [80]}, "s"],
    ],
)
def test_a_range_that_is_none_is_foreign(element: Any) -> None:
    table = one("map", name="m", type="inet_service", map="counter", flags=["interval"], elem=[element])
    assert len(table.maps[0].elements) == 0
    assert len(table.foreign) == 1


def test_a_repeated_element_counts_once() -> None:
    table = one("map", name="m", type="inet_service", map="counter", elem=[[80, "s"], [81, "s"], [80, "s"]])
    assert [name for _, name in table.maps[0].elements.items()] == ["s", "s"]


def test_a_repeated_rule_counts_once_and_an_equal_rule_twice() -> None:
    rules = [{"rule": {**HERE, "chain": "c", "handle": handle, "expr": [{"accept": None}]}} for handle in (7, 7, 8)]
    table = decode([TABLE, {"chain": {**HERE, "name": "c"}}, *rules])
    assert table.chains == (Chain("c", ((Verdict("accept"),), (Verdict("accept"),))),)


def test_rules_of_a_chain_that_is_not_listed_are_foreign() -> None:
    assert one("rule", chain="c", handle=1, expr=[{"accept": None}]).foreign[0].what == "rule"


@pytest.mark.parametrize("flags", ["timeout", ["timeout"], {"|": ["timeout", "interval"]}, ["interval", "constant"]])
def test_other_flags_of_a_map_are_foreign(flags: Any) -> None:
    table = one("map", name="m", type="inet_service", map="counter", flags=flags)
    assert table.maps[0].interval == ("interval" in str(flags))
    assert [(each.what, each.name) for each in table.foreign] == [("map", "m")]


@pytest.mark.parametrize("flags", ["owner", ["owner"], {"|": ["owner"]}])
def test_flags_of_the_table_are_read_in_every_spelling(flags: Any) -> None:
    assert decode([{"table": {**TABLE["table"], "flags": flags}}]).flags == ("owner",)


def test_flags_that_the_kernel_told_replace_those_of_the_listing() -> None:
    assert decode([{"table": {**TABLE["table"], "flags": "s_http"}}], flags=("persist", "owner")).flags == (
        "owner",
        "persist",
    )


def test_two_objects_of_one_name_are_an_object_and_a_foreign_one() -> None:
    secmark = {"secmark": {**HERE, "name": "s", "context": "a:b:c"}}
    table = decode([TABLE, {"counter": {**HERE, "name": "s", "packets": 1, "bytes": 2}}, secmark])
    assert len(table.objects) == 1
    assert table.foreign == (Foreign("secmark", "s", '{"context": "a:b:c", "name": "s"}'),)


def test_what_runs_on_by_itself_is_not_part_of_a_foreign_thing() -> None:
    first, second = (one("quota", name="q", bytes=5, used=used) for used in (1, 2))
    assert first == second


@pytest.mark.parametrize(
    "expression",
    [
        {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": "new"}},
        {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new", "snat"]}},
        {"match": {"op": "in", "left": {"meta": {"key": "l4proto"}}, "right": 6}},
        {"match": {"op": "<", "left": {"meta": {"key": "skuid"}}, "right": 6}},
        {"match": {"op": "==", "left": {"ct": {"key": "direction", "dir": "reply"}}, "right": "reply"}},
        {"match": {"op": "==", "left": {"ct": {"key": "direction"}}, "right": ["original", "reply"]}},
        {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 6}},
        {"match": {"op": "==", "left": {"ip saddr": {}}, "right": 6}},
        {"match": {"op": "!=", "left": {"&": [{"ct": {"key": "secmark"}}, 255]}, "right": 0}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@s"}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "::1"}},
        {
            "match": {
                "op": "==",
                "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                "right": {"set": ["1.2.3.4"]},
            }
        },
        {"match": {"op": "==", "left": {"meta": {"key": "skuid"}}, "right": {"set": [1, {"range": [2, 3]}]}}},
        {"counter": None},
        {"counter": {"packets": 1, "bytes": 2}},
        {"counter": {"map": {"key": {"meta": {"key": "l4proto"}}, "data": {"set": []}}}},
        {"secmark": {"map": {"key": {"meta": {"key": "mark"}}, "data": "@m"}}},
        {"mangle": {"key": {"meta": {"key": "secmark"}}, "value": 1}},
        {"accept": {"x": 1}},
        {"jump": {"target": "a", "x": 1}},
        {"goto": None},
        {"drop": None},
        {"match": []},
        {"match": {"op": "==", "left": {"&": []}, "right": []}},
        {},
        [],
        None,
    ],
    ids=json.dumps,
)
def test_a_statement_that_is_not_exactly_ours_is_foreign(expression: Any) -> None:
    assert isinstance(decode_statement(expression), Foreign)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["match", "elem", "counter", "accept", "80", "", "x"]),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(st.sampled_from("match op left right concat range map key expr".split()), some, max_size=3)
    ),
    max_leaves=10,
)


@given(anything)
def test_no_json_makes_the_decoder_stumble(value: Any) -> None:
    decode_statement(value)
    one("map", name="m", type="inet_service", map="counter", elem=[value])
    one("map", name="m", type=["inet_service", "ifname"], map="counter", flags="interval", elem=[value])
    one("map", name=value, type=value, map="counter", flags=value, elem=value)
    one("chain", name="c", type=value, hook=value, prio=value, policy=value)
    one("rule", chain="c", handle=1, expr=value)
    one("secmark", name="s", context=value)
    one("counter", name=value)


A, AB = Match(Key.CGROUP, "a"), Match(Key.CGROUP, "a/b")


def test_a_cgroup_whose_level_is_the_depth_of_its_path_is_ours() -> None:
    chain = Chain("c", ((A, Verdict("accept")), (AB,)))
    assert with_cgroup_levels(chain, [1, 2]) == chain


def test_a_cgroup_at_another_level_is_foreign() -> None:
    ((first, _), second) = with_cgroup_levels(Chain("c", ((A, Verdict("accept")), (AB,))), [1, 1]).rules
    assert first == A
    assert second == (Foreign("statement", "", '{"level": 1, "socket cgroupv2": "a/b"}'),)


def test_where_levels_are_missing_none_is_trusted() -> None:
    rules = with_cgroup_levels(Chain("c", ((A,), (AB,))), [1]).rules
    assert all(isinstance(each, Foreign) for rule in rules for each in rule)
