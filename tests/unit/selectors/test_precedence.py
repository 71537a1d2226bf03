# SPDX-License-Identifier: GPL-2.0-or-later
"""Which label wins, sentence by sentence as the README has it; by hand, for evaluator and compiler."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from secmarkd.compiler.compile import NamesContradict, compile_table, compile_without_contradicting_names
from secmarkd.errors import ConfigError
from secmarkd.evaluate import Contradiction, evaluate
from secmarkd.model.address import parse_address, parse_prefix
from secmarkd.model.context import Context
from secmarkd.model.label_map import Defaults, Environment, LabelMap, Layer, Mode, Origin, Ownership, Role, Rule
from secmarkd.model.names import Name, NameKind
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import TCP
from tests.support.interpreter import Interpreter
from tests.support.label_maps import existing


def context(name: str) -> Context:
    return Context("system_u", "object_r", f"{name}_packet_t", "s0")


DEFAULTS = Defaults(server=context("server"), client=context("client"), icmp=context("icmp"))
CGROUPS = ("system.slice", "system.slice/a.service")
ENVIRONMENT = Environment(cgroups=existing(*CGROUPS))
PACKET = Packet(
    hook=Hook.OUTPUT, direction=Direction.ORIGINAL, protocol=TCP, opens=True, output_interface="eth0",
    source=parse_address("198.51.100.1"), source_port=40000,
    destination=parse_address("192.0.2.1"), destination_port=443,
    user=1000, group=50, cgroup="system.slice/a.service",
)  # fmt: skip

Selectors = dict[str, Any]
CGROUP: Selectors = {"cgroup": "system.slice"}
USER: Selectors = {"user": 1000}
GROUP: Selectors = {"group": 50}
REMOTE: Selectors = {"remote": parse_prefix("192.0.2.0/24")}
LOCAL: Selectors = {"local": parse_prefix("198.51.100.0/24")}
INTERFACE: Selectors = {"interface": "eth*"}
PORTS: Selectors = {"protocol": TCP, "ports": (443, 443)}
PROTOCOL: Selectors = {"protocol": TCP}
EVERY_SELECTOR = (CGROUP, USER, GROUP, REMOTE, LOCAL, INTERFACE, PORTS, PROTOCOL)


def rule(label: str, line: int = 1, layer: Layer = Layer.ADMINISTRATOR, **selectors: Any) -> Rule:
    origin = Origin("50-a.toml", line, f"labels.{label}")
    return Rule(label=label, context=context(label), role=Role.CLIENT, origin=origin, layer=layer, **selectors)


def winner(*rules: Rule, packet: Packet = PACKET, environment: Environment = ENVIRONMENT) -> str:
    """The type that packet gets, whatever the order of the rules."""
    found = set()
    for each in (rules, rules[::-1]):
        label_map = LabelMap(rules=each, defaults=DEFAULTS)
        found.add(str(evaluate(label_map, packet, environment).context))
        found.add(str(Interpreter(compile_table(label_map, Mode.LABEL, environment)).run(packet)))
    (text,) = found
    return text.split(":")[2].removesuffix("_packet_t")


def refused(*rules: Rule, environment: Environment = ENVIRONMENT) -> str:
    with pytest.raises(ConfigError) as caught:
        compile_table(LabelMap(rules=rules, defaults=DEFAULTS), Mode.LABEL, environment)
    return str(caught.value)


@pytest.mark.parametrize(("more", "less"), list(pairwise(EVERY_SELECTOR)))
def test_the_more_selective_rule_wins(more: Selectors, less: Selectors) -> None:
    assert winner(rule("more", **more), rule("less", **less)) == "more"


@pytest.mark.parametrize("place", range(len(EVERY_SELECTOR) - 1))
def test_one_selector_outweighs_all_that_come_after_it(place: int) -> None:
    rest = {name: value for each in EVERY_SELECTOR[place + 1 :] for name, value in each.items()}
    assert winner(rule("more", **EVERY_SELECTOR[place]), rule("less", **rest)) == "more"


@pytest.mark.parametrize("selector", EVERY_SELECTOR[:-2])
def test_one_selector_more_wins_over_one_less(selector: Selectors) -> None:
    assert winner(rule("more", **selector, **PORTS), rule("less", **selector, **PROTOCOL)) == "more"
    assert winner(rule("more", **selector, **PORTS), rule("less", **selector)) == "more"


NARROWER: list[tuple[Selectors, Selectors]] = [
    ({"cgroup": "system.slice/a.service"}, CGROUP),
    ({"remote": parse_prefix("192.0.2.0/25")}, REMOTE),
    ({"remote": parse_prefix("192.0.2.1")}, {"remote": parse_prefix("192.0.2.0/31")}),
    ({"local": parse_prefix("198.51.100.0/25")}, LOCAL),
    ({"interface": "eth0"}, INTERFACE),
    ({"interface": "eth*"}, {"interface": "et*"}),
    (PORTS, {"protocol": TCP, "ports": (443, 444)}),
    ({"protocol": TCP, "ports": (400, 500)}, {"protocol": TCP, "ports": (1, 65535)}),
]  # fmt: skip


@pytest.mark.parametrize(("narrow", "wide"), NARROWER)
def test_between_the_same_selectors_the_narrower_value_wins(narrow: Selectors, wide: Selectors) -> None:
    assert winner(rule("narrow", **narrow), rule("wide", **wide)) == "narrow"


@pytest.mark.parametrize(("narrow", "wide"), NARROWER[:-2])
def test_a_narrower_value_does_not_win_over_more_selectors(narrow: Selectors, wide: Selectors) -> None:
    assert winner(rule("narrow", **narrow), rule("more", **wide, **PORTS)) == "more"


@pytest.mark.parametrize(("high", "low"), list(pairwise(sorted(Layer, reverse=True))))
def test_between_equal_rules_the_higher_folder_wins(high: Layer, low: Layer) -> None:
    assert winner(rule("high", layer=high, **PORTS), rule("low", layer=low, **PORTS)) == "high"


def test_a_narrower_rule_wins_over_a_higher_folder() -> None:
    assert winner(rule("narrow", layer=Layer.VENDOR, **PORTS), rule("wide", **PROTOCOL)) == "narrow"


def test_what_nothing_names_gets_the_default() -> None:
    assert winner() == "client"
    assert winner(rule("other", protocol=TCP, ports=(80, 80))) == "client"


def test_equal_rules_with_different_contexts_are_refused_with_both_places_and_a_packet() -> None:
    text = refused(rule("a", 3, **PORTS), rule("b", 7, **PORTS))
    assert text.startswith("50-a.toml:3: labels.a: conflicts with 50-a.toml:7: labels.b: the same packet would get ")
    assert "for example `out tcp from " in text


def test_equal_rules_of_one_context_do_not_contradict_each_other() -> None:
    one = rule("a", 3, **PORTS)
    assert winner(one, replace(one, label="b", origin=Origin("60-b.toml", 1, "labels.b"))) == "a"


def test_ranges_that_overlap_without_one_in_the_other_are_refused_for_what_they_share() -> None:
    text = refused(rule("a", protocol=TCP, ports=(400, 450)), rule("b", 2, protocol=TCP, ports=(440, 490)))
    assert ":440`" in text
    with pytest.raises(Contradiction):
        winner(rule("a", protocol=TCP, ports=(400, 450)), rule("b", 2, protocol=TCP, ports=(440, 490)))


def test_what_is_refused_does_not_depend_on_the_cgroups_that_are_there() -> None:
    rules = (rule("a", 1, **CGROUP, **PORTS), rule("b", 2, **CGROUP, **PORTS))
    assert refused(*rules, environment=Environment()) == refused(*rules)


def test_a_rule_for_a_cgroup_that_is_not_there_selects_nothing() -> None:
    assert winner(rule("a", **CGROUP), rule("b", **PROTOCOL), environment=Environment()) == "b"


# --- names that have a number, or none yet ---

ALICE: Selectors = {"user_name": "alice"}
STAFF: Selectors = {"group_name": "staff"}
WEB: Selectors = {"protocol": TCP, "service": "web"}
KNOWN = replace(
    ENVIRONMENT,
    names={
        Name(NameKind.USER, "alice"): 1000,
        Name(NameKind.GROUP, "staff"): 50,
        Name(NameKind.SERVICE, "web", TCP): 443,
    },
)


@pytest.mark.parametrize("named", [ALICE, STAFF, WEB, {**ALICE, **STAFF, **WEB}])
def test_a_rule_for_a_name_without_a_number_selects_nothing_and_takes_effect_with_it(named: Selectors) -> None:
    rules = (rule("named", **named), rule("other", **PROTOCOL))
    assert winner(*rules) == "other"
    assert winner(*rules, environment=KNOWN) == "named"


def test_a_user_that_gets_another_uid_is_followed() -> None:
    rules = (rule("named", **ALICE), rule("other", **PROTOCOL))
    elsewhere = replace(ENVIRONMENT, names={Name(NameKind.USER, "alice"): 1001})
    assert winner(*rules, environment=elsewhere) == "other"
    assert winner(*rules, packet=replace(PACKET, user=1001), environment=elsewhere) == "named"


@pytest.mark.parametrize("named", [ALICE, STAFF, WEB, {**ALICE, **STAFF, **WEB}])
def test_what_is_refused_as_written_does_not_depend_on_what_can_be_looked_up(named: Selectors) -> None:
    rules = (rule("a", 1, **named), rule("b", 2, **named))
    assert "once" in refused(*rules)
    assert "the same packet would get" in refused(*rules, environment=KNOWN)


def test_the_number_of_elements_does_not_depend_on_what_can_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secmarkd.compiler.compile.ELEMENT_LIMIT", 10)
    assert "needs 11 map elements" in refused(*(rule("a", number, user_name=f"u{number}") for number in range(11)))


@pytest.mark.parametrize(
    ("named", "plain"), [(ALICE, USER), (STAFF, GROUP), (WEB, PORTS), ({**ALICE, **PORTS}, {**USER, **WEB})], ids=str
)
def test_a_contradiction_by_the_numbers_of_names_is_refused_and_costs_these_names_alone_at_a_start(
    named: Selectors, plain: Selectors
) -> None:
    rules = (rule("a", 1, **named), rule("b", 2, **plain), rule("c", 3, user=7))
    label_map = LabelMap(rules=rules, defaults=DEFAULTS)
    with pytest.raises(NamesContradict):
        compile_table(label_map, Mode.LABEL, KNOWN)
    table, environment, problems = compile_without_contradicting_names(label_map, Mode.LABEL, KNOWN, Ownership.SHARED)
    assert [problem.line for problem in problems] == [1]
    assert len(environment.names) < len(KNOWN.names)
    assert str(Interpreter(table).run(replace(PACKET, user=7, destination_port=1))).split(":")[2] == "c_packet_t"


def test_a_contradiction_as_written_is_refused_at_a_start_too() -> None:
    label_map = LabelMap(rules=(rule("a", 1, **PORTS), rule("b", 2, **PORTS), rule("c", **ALICE)), defaults=DEFAULTS)
    with pytest.raises(ConfigError):
        compile_without_contradicting_names(label_map, Mode.LABEL, KNOWN, Ownership.SHARED)
