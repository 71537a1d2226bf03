# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled ruleset gives every packet the label that the reference evaluator gives it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secmarkd.compiler.compile import compile_table
from secmarkd.compiler.names import Namer
from secmarkd.errors import ConfigError
from secmarkd.evaluate import Contradiction, evaluate
from secmarkd.model.label_map import LabelMap, Mode, Rule
from secmarkd.programs.packet_values import parse_packet
from secmarkd.selectors.precedence import kind
from secmarkd.table.table import ObjectKind
from tests.support.interpreter import Interpreter
from tests.support.label_maps import DEFAULTS, ENVIRONMENT, random_label_map, random_packet, without_contradictions

SEEDS = st.integers(0, 2**32 - 1)
PACKETS = 60


@given(seed=SEEDS)
def test_ruleset_and_evaluator_agree_on_every_packet(seed: int) -> None:
    random = Random(seed)
    label_map = without_contradictions(random_label_map(random))
    interpreter = Interpreter(compile_table(label_map, Mode.LABEL, ENVIRONMENT))
    for _ in range(PACKETS):
        packet = random_packet(random, label_map)
        decision = evaluate(label_map, packet, ENVIRONMENT)
        expected = str(decision.context) if decision.context else None
        assert interpreter.run(packet) == expected, (packet, decision)


@given(seed=SEEDS)
def test_rehearsal_and_evaluator_agree_on_every_packet_of_which_nothing_was_saved(seed: int) -> None:
    random = Random(seed)
    label_map = without_contradictions(random_label_map(random))
    namer = Namer(label_map, ObjectKind.COUNTER)
    interpreter = Interpreter(compile_table(label_map, Mode.REHEARSE, ENVIRONMENT))
    for _ in range(PACKETS):
        packet = random_packet(random, label_map, Mode.REHEARSE)
        decision = evaluate(label_map, packet, ENVIRONMENT)
        expected = namer.object_name(str(decision.context)) if decision.context else None
        assert interpreter.run(packet) == expected, (packet, decision)


@given(seed=SEEDS)
def test_rules_that_disagree_on_some_packet_are_refused_at_load(seed: int) -> None:
    random = Random(seed)
    label_map = random_label_map(random, size=30)
    contradicted = False
    for _ in range(PACKETS):
        try:
            evaluate(label_map, random_packet(random, label_map), ENVIRONMENT)
        except Contradiction:
            contradicted = True
    if contradicted:
        with pytest.raises(ConfigError, match="make one of them narrower"):
            compile_table(label_map, Mode.LABEL, ENVIRONMENT)


@example(seed=324812421).via("rules for a protocol that has ports, naming none")
@given(seed=SEEDS)
def test_packet_that_a_contradiction_shows_is_contradicted(seed: int) -> None:
    """One at a time, and only where no more selective rule could decide first."""
    random = Random(seed)
    kept: list[Rule] = []
    for rule in random_label_map(random, size=20).rules:
        if kept and kind(rule) != kind(kept[0]):
            continue
        tried = LabelMap(rules=(*kept, rule), defaults=DEFAULTS)
        try:
            compile_table(tried, Mode.LABEL, ENVIRONMENT)
            kept.append(rule)
        except ConfigError as error:
            for problem in error.problems:
                if "can be looked up" in problem.message:  # no packet matches yet
                    continue
                words = problem.message.split("`")[1]
                packet, _ = parse_packet(words.split())
                with pytest.raises(Contradiction):
                    evaluate(tried, packet, ENVIRONMENT)


@example(seed=4532820).via("three rules for one packet, of which two have one label")
@given(seed=SEEDS)
def test_order_of_rules_changes_nothing(seed: int) -> None:
    random = Random(seed)
    label_map = random_label_map(random)
    shuffled = replace(label_map, rules=tuple(random.sample(label_map.rules, len(label_map.rules))))
    assert _compiled_or_problems(label_map) == _compiled_or_problems(shuffled)


def _compiled_or_problems(label_map: LabelMap) -> object:
    try:
        return compile_table(label_map, Mode.LABEL, ENVIRONMENT)
    except ConfigError as error:
        return error.problems
