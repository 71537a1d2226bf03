# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables, and what somebody may have made of them, each with its name as drift and what puts it right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from secmarkd.compiler.compile import compile_table
from secmarkd.model.label_map import Mode
from secmarkd.reconcile import Action
from secmarkd.table.drift import Change, Thing
from secmarkd.table.elements import Elements, Field
from secmarkd.table.table import BaseHook, Chain, Foreign, Map, Object, ObjectKind, Table, Verdict
from tests.support.label_maps import ENVIRONMENT, random_label_map, without_contradictions

SEEDS = st.integers(0, 2**32 - 1)


def table_of(seed: int) -> Table:
    label_map = without_contradictions(random_label_map(Random(seed)))
    return compile_table(label_map, Mode.LABEL, ENVIRONMENT)


def ports_table(count: int) -> Table:
    """A table with one hash map of `count` ports."""
    elements = Elements.of(3, {b"\x06" + port.to_bytes(2, "big"): "s_web" for port in range(1, count + 1)})
    ports = Map("server_port", (Field.PROTOCOL, Field.PORT), ObjectKind.SECMARK, False, elements)
    context = "system_u:object_r:web_packet_t:s0"
    chain = Chain("input", ((Verdict("accept"),), (Verdict("return"),)), BaseHook("input", 50))
    return Table((Object("s_web", ObjectKind.SECMARK, context),), (ports,), (chain,))


Tampering = Callable[[Table], Table]


def without_element(table: Table) -> Table:
    return with_elements(table, dict(list(table.maps[0].elements.items())[1:]))


def with_element(table: Table) -> Table:
    return with_elements(table, table.maps[0].elements.as_dict() | {b"\x11\xff\xff": "s_web"})


def with_elements(table: Table, elements: dict[bytes, str]) -> Table:
    return replace(table, maps=(replace(table.maps[0], elements=Elements.of(3, elements)),))


def retargeted(table: Table) -> Table:
    other = Object("s_other", ObjectKind.SECMARK, "system_u:object_r:other_packet_t:s0")
    elements = table.maps[0].elements.as_dict() | {b"\x06\x00\x01": "s_other"}
    return replace(with_elements(table, elements), objects=(other, *table.objects))


def other_context(table: Table) -> Table:
    return replace(table, objects=(replace(table.objects[0], context="system_u:object_r:evil_packet_t:s0"),))


def without_rules(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], rules=()),))


def edited_rule(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], rules=((Verdict("accept"),), (Verdict("accept"),))),))


def moved_rules(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], rules=table.chains[0].rules[::-1]),))


def added_rule(table: Table) -> Table:
    rules = (*table.chains[0].rules, (Foreign("statement", "", '{"drop": null}'),))
    return replace(table, chains=(replace(table.chains[0], rules=rules),))


def other_policy(table: Table) -> Table:
    return replace(table, chains=(replace(table.chains[0], base=BaseHook("input", 50, "drop")),))


def without_chain(table: Table) -> Table:
    return replace(table, chains=())


def without_map(table: Table) -> Table:
    return replace(table, maps=())


def foreign_set(table: Table) -> Table:
    return replace(table, foreign=(Foreign("set", "theirs", "{}"),))


def with_comment(table: Table) -> Table:
    return replace(table, foreign=(Foreign("table", "secmarkd", '{"comment": "theirs"}'),))


def dormant(table: Table) -> Table:
    return replace(table, flags=("dormant",))


TAMPERINGS: list[tuple[Tampering, Thing, Change, Action]] = [
    (without_element, Thing.ELEMENT, Change.MISSING, Action.REPAIRED),
    (with_element, Thing.ELEMENT, Change.UNEXPECTED, Action.REPAIRED),
    (retargeted, Thing.ELEMENT, Change.RETARGETED, Action.REPAIRED),
    (other_context, Thing.OBJECT, Change.CHANGED, Action.REBUILT),
    (without_rules, Thing.RULE, Change.MISSING, Action.REBUILT),
    (edited_rule, Thing.RULE, Change.CHANGED, Action.REBUILT),
    (moved_rules, Thing.RULE, Change.MOVED, Action.REBUILT),
    (added_rule, Thing.RULE, Change.UNEXPECTED, Action.REBUILT),
    (other_policy, Thing.CHAIN, Change.CHANGED, Action.REBUILT),
    (without_chain, Thing.CHAIN, Change.MISSING, Action.REBUILT),
    (without_map, Thing.MAP, Change.MISSING, Action.REBUILT),
    (foreign_set, Thing.FOREIGN, Change.UNEXPECTED, Action.REBUILT),
    (with_comment, Thing.FOREIGN, Change.UNEXPECTED, Action.REPLACED),
    (dormant, Thing.TABLE, Change.CHANGED, Action.REPLACED),
]
