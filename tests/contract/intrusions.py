# SPDX-License-Identifier: GPL-2.0-or-later
"""What others may do to a table, each in nft's words and as the table that it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from secmarkd.table.elements import Elements, Field
from secmarkd.table.table import (
    Chain,
    Foreign,
    Key,
    Map,
    Match,
    Object,
    ObjectKind,
    Rule,
    Statement,
    Table,
    Verdict,
)
from tests.support.tables import Values, find_map, make_map, replace_map, with_elements


@dataclass(frozen=True)
class Intrusion:
    """What someone else does to our table, and how it has to be read back."""

    name: str
    text: str
    effect: Callable[[Table], Table | None]

    def __str__(self) -> str:
        return self.name


def _with_foreign(what: str, name: str, text: str) -> Callable[[Table], Table]:
    return lambda table: replace(table, foreign=(Foreign(what, name, text),))


def _with_rule(chain: str, *statements: Statement) -> Callable[[Table], Table]:
    def effect(table: Table) -> Table:
        rule: Rule = statements
        chains = [replace(one, rules=(*one.rules, rule)) if one.name == chain else one for one in table.chains]
        return replace(table, chains=tuple(chains))

    return effect


def _with_chain_base(chain: str, **changed: str) -> Callable[[Table], Table]:
    def effect(table: Table) -> Table:
        return replace(
            table,
            chains=tuple(
                replace(one, base=replace(one.base, **changed)) if one.name == chain and one.base else one  # type: ignore[arg-type]
                for one in table.chains
            ),
        )

    return effect


def _without_element(name: str, *values: Values) -> Callable[[Table], Table]:
    def effect(table: Table) -> Table:
        map_ = find_map(table, name)
        gone = with_elements(map_, (values, "s_http")).as_dict()
        left = {key: target for key, target in map_.elements.items() if key not in gone}
        return replace_map(table, name, Elements.of(map_.elements.width, left))

    return effect


def with_objects(table: Table, *added: Object) -> tuple[Object, ...]:
    return tuple(sorted((*table.objects, *added), key=lambda one: one.name))


def port_map(name: str, kind: ObjectKind) -> Map:
    return make_map(name, (Field.PORT,), kind)


_STATEMENT = "statement"
_PORT_IN_F = "th dport @f"
_VERDICTS = "type inet_service : verdict"
"""What is in a foreign map is not read."""

INTRUSIONS = (
    Intrusion("rule", "add rule inet secmarkd done drop", _with_rule("done", Foreign(_STATEMENT, "", "drop"))),
    Intrusion(
        "rule that could be ours",
        "add rule inet secmarkd done meta l4proto 6 return",
        _with_rule("done", Match(Key.L4PROTO, 6), Verdict("return")),
    ),
    Intrusion(
        "rule comment",
        'add rule inet secmarkd done accept comment "x"',
        _with_rule("done", Verdict("accept"), Foreign("rule", "", 'comment "x"')),
    ),
    Intrusion(
        "counter in a rule",
        "add rule inet secmarkd done counter accept",
        _with_rule("done", Foreign(_STATEMENT, "", "counter"), Verdict("accept")),
    ),
    Intrusion(
        "equality that is no bit test",
        "add rule inet secmarkd done ct state == new accept",
        _with_rule(
            "done",
            Foreign(_STATEMENT, "", "ct state == 0x8"),
            Verdict("accept"),
        ),
    ),
    Intrusion(
        "set",
        "add set inet secmarkd f { type mark; }",
        _with_foreign("set", "f", "type mark"),
    ),
    Intrusion(
        "quota",
        "add quota inet secmarkd f { over 5 mbytes }",
        _with_foreign("quota", "f", "quota"),
    ),
    Intrusion(
        "map to something else",
        "add map inet secmarkd f { type inet_service : mark; }",
        _with_foreign("map", "f", "type inet_service : mark"),
    ),
    Intrusion(
        "map with a size",
        "add map inet secmarkd f { type inet_service : counter; size 7; }",
        lambda table: replace(
            table,
            maps=tuple(sorted((*table.maps, port_map("f", ObjectKind.COUNTER)), key=lambda one: one.name)),
            foreign=(Foreign("map", "f", "size 7"),),
        ),
    ),
    Intrusion(
        "counter with a comment",
        'add counter inet secmarkd zz { comment "x"; }',
        lambda table: replace(
            table,
            objects=with_objects(table, Object("zz", ObjectKind.COUNTER)),
            foreign=(Foreign("counter", "zz", 'comment "x"'),),
        ),
    ),
    Intrusion(
        "element with a comment",
        'add element inet secmarkd m_port { 6 . 7 comment "x" : "s_http" }',
        _with_foreign("element", "m_port", '[{"elem": {"comment": "x", "val": {"concat": [6, 7]}}}, "s_http"]'),
    ),
    Intrusion(
        "set that a rule uses",
        "add set inet secmarkd f { type inet_service; }; add rule inet secmarkd done tcp dport @f drop",
        lambda table: _with_rule("done", Foreign(_STATEMENT, "", _PORT_IN_F), Foreign(_STATEMENT, "", "drop"))(
            _with_foreign("set", "f", "type inet_service")(table)
        ),
    ),
    Intrusion(
        "map to verdicts, and where it leads",
        "add chain inet secmarkd theirs; "
        "add map inet secmarkd f { type inet_service : verdict; elements = { 7 : jump theirs } }",
        lambda table: replace(
            table,
            chains=tuple(sorted((*table.chains, Chain("theirs", ())), key=lambda one: one.name)),
            foreign=(Foreign("map", "f", _VERDICTS),),
        ),
    ),
    Intrusion("deleted element", "delete element inet secmarkd m_port { 6 . 80 }", _without_element("m_port", 6, 80)),
    Intrusion(
        "flushed map",
        "flush map inet secmarkd m_ranges",
        lambda table: replace_map(table, "m_ranges", Elements(find_map(table, "m_ranges").elements.width)),
    ),
    Intrusion(
        "flushed chain",
        "flush chain inet secmarkd done",
        lambda table: replace(
            table, chains=tuple(replace(one, rules=()) if one.name == "done" else one for one in table.chains)
        ),
    ),
    Intrusion("policy", "add chain inet secmarkd routed { policy drop; }", _with_chain_base("routed", policy="drop")),
    Intrusion(
        "dormant table",
        "add table inet secmarkd { flags dormant; }",
        lambda table: replace(table, flags=("dormant",)),
    ),
    Intrusion("deleted table", "delete table inet secmarkd", lambda table: None),
    Intrusion("flush ruleset", "flush ruleset", lambda table: None),
)  # fmt: skip
