# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb explain: the label of a packet and the rule that decides, from the reference evaluator."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import indent

from secmarkd.adapters.loading.process import load
from secmarkd.compiler.loaded import Loaded
from secmarkd.evaluate import ANNOUNCED, Decision, evaluate
from secmarkd.model.context import parse_context
from secmarkd.model.host import HostNetwork
from secmarkd.model.label_map import LabelMap, Mode, Role
from secmarkd.model.names import Name
from secmarkd.model.note import Note
from secmarkd.model.packet import Direction, Packet
from secmarkd.model.protocols import protocol_name
from secmarkd.model.sources import Thing
from secmarkd.programs.cautions import cautions, translates
from secmarkd.programs.notes import notes_json, roles_of
from secmarkd.programs.output import Colour, Output
from secmarkd.programs.packet_syntax import EXAMPLE, GRAMMAR, parse_words
from secmarkd.programs.packet_values import UNKNOWN, parse_packet
from secmarkd.programs.rules import rule_json, selectors
from secmarkd.programs.unmatched import absent_for_a_reason, in_its_place, unmatched
from secmarkd.programs.wiring import Tools
from secmarkd.selectors.every import BY_PROCESS
from secmarkd.service.exit_codes import Exit

DESCRIPTION = f"""\
Show which label a packet gets, and which rule decides. The answer comes from the label map, not from the kernel.
Describe the packet as the kernel sees it at that hook: after destination NAT and before source NAT, with the bridge as its
interface instead of the bridge's port, inside a tunnel the inner packet.

  secmarkctl explain {EXAMPLE}

{indent(GRAMMAR, "  ")}"""


_PROBE = parse_context("probe_u:probe_r:probe_t")
"""A label that no configuration has."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result for a packet."""

    packet: Packet
    assumed: tuple[str, ...]
    decision: Decision
    notes: tuple[Note, ...]
    """When it would get another label, and what else to know."""


def explain(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Parse, evaluate, print."""
    packet, assumed = parse_packet(arguments.words, may_be_unknown=True)
    loaded, label_map = load(arguments.config_dir)
    given = parse_words(arguments.words).values
    unnamed = (each for each in BY_PROCESS if getattr(packet, each.name) == UNKNOWN)
    unknown = frozenset(filter(None, (each.items[0].names(given[each.name].text) for each in unnamed)))
    if not unknown <= loaded.names:  # a label may wait for the name, but none does
        parse_packet(arguments.words)
    answer = _answer(packet, assumed, unknown, loaded, label_map)
    network = tools.read_network()
    if network is not None:
        answer = replace(answer, notes=(*answer.notes, *_on_this_host(answer, loaded, network)))
    out = Output.on(tools.out)
    if arguments.json:
        out.json(_json(answer))
    else:
        _print(answer, out)
    return Exit.OK


def _answer(
    packet: Packet, assumed: tuple[str, ...], unknown: frozenset[Name], loaded: Loaded, label_map: LabelMap
) -> Answer:
    """`unknown` has the names of the packet's process that cannot be looked up."""
    decision = evaluate(label_map, packet, loaded.environment)
    marked = decision
    if _inherits(packet, loaded, label_map):
        marked = Decision(None, None, ANNOUNCED, decision.role)
    process = _process_assumed(packet, decision, label_map)
    notes = (*_waiting(packet, unknown, loaded, label_map), *_notes(packet, marked, loaded, label_map))
    return Answer(packet, (*assumed, *process), marked, notes)


def _inherits(packet: Packet, loaded: Loaded, label_map: LabelMap) -> bool:
    """Whether an announced packet gets the label of another connection, which was not said."""
    if not packet.expected or packet.saved is not None:
        return False
    return evaluate(label_map, replace(packet, saved=_PROBE), loaded.environment).context == _PROBE


def _process_assumed(packet: Packet, decision: Decision, label_map: LabelMap) -> Iterator[str]:
    """What was left out of the local process, where some label asks for it."""
    of_role = [rule for rule in label_map.rules if rule.role is decision.role]
    if packet.saved is not None:
        if packet.user is None and decision.role is not Role.FORWARD:
            yield "no local process that the hook sees"
        return
    for each in BY_PROCESS:
        if getattr(packet, each.name) is None and any(map(each.given, of_role)):
            yield f"a {each.name} that no label names"


def _waiting(packet: Packet, unknown: frozenset[Name], loaded: Loaded, label_map: LabelMap) -> Iterator[Note]:
    """What the label would be if what is missing were there."""
    missing = loaded.cgroups.difference(loaded.environment.cgroups)
    for name in unknown:
        why = loaded.missing.get(name, "it cannot be looked up now")
        yield Note(f"assumed that no label names the {name}: {why}")
    if not missing and not unknown:
        return
    names = {**loaded.environment.names, **dict.fromkeys(unknown, UNKNOWN)}
    everywhere = replace(loaded.environment, cgroups=dict.fromkeys(loaded.cgroups, 0), names=names)
    rule = evaluate(label_map, packet, everywhere).rule
    if rule is None:
        return
    where = f"{rule.label}: {selectors(rule)} ({rule.origin})"
    if rule.cgroup in missing:
        yield Note(f"the cgroup {rule.cgroup} does not exist; once it does, the label is {rule.context} by {where}")
    elif needed := sorted(unknown.intersection(rule.names)):
        yield Note(f"once the {needed[0]} can be looked up, the label is {rule.context} by {where}")


def _notes(packet: Packet, decision: Decision, loaded: Loaded, label_map: LabelMap) -> Iterator[Note]:
    if packet.remembered and packet.saved is None:
        unseen = evaluate(label_map, replace(packet, remembered=False), loaded.environment)
        if unseen.context != decision.context:
            label = unseen.context or "none"
            yield Note(f"if its opening was not seen (add `unseen`), the label is {label} ({unseen.why})")
    if loaded.settings.mode is Mode.REHEARSE:
        rehearsed = replace(packet, saved=None, label=None, remembered=packet.opening_seen)
        counted = evaluate(label_map, rehearsed, loaded.environment)
        if counted.context != decision.context:
            label = counted.context or "nothing"
            yield Note(f"packets get no label while rehearsing; this one is counted as {label} ({counted.why})")
    labelled = decision.context is not None
    yield from map(Note, cautions(packet, labelled, loaded.settings.mode, translates()))


def _on_this_host(answer: Answer, loaded: Loaded, network: HostNetwork) -> Iterator[Note]:
    """What the kernel sees in the place of the packet's interface; what of the rule that decided matches nothing here."""
    packet, rule = answer.packet, answer.decision.rule
    for name in dict.fromkeys(filter(None, (packet.input_interface, packet.output_interface))):
        interface = network.named(name)
        why = in_its_place(interface, network) if interface else absent_for_a_reason(name, network)
        if why:
            yield Note(why)
    if rule is not None:
        of_rule = {(Thing.INTERFACE, rule.interface), (Thing.LOCAL, rule.local)}
        mentions = [
            each for each in loaded.mentions if each.label == rule.label and (each.thing, each.value) in of_rule
        ]
        yield from unmatched(mentions, roles_of(loaded), network)


def _print(answer: Answer, out: Output) -> None:
    decision = answer.decision
    rule = decision.rule
    out.line(f"packet  {_describe(answer.packet)}")
    if answer.assumed:
        out.line(f"        assumed: {', '.join(answer.assumed)}", Colour.FAINT)
    if _inherited(answer):
        out.line(f"label   {ANNOUNCED}; give it as `saved CONTEXT`", Colour.HEAD)
    else:
        out.line(f"label   {decision.context or 'none: the packet keeps its label'}", Colour.HEAD)
    out.line(f"role    {decision.role}")
    why = "no label that names more than ports" if _inherited(answer) else decision.why
    out.line(f"by      {f'{rule.label}: {selectors(rule)}' if rule else why}")
    if rule:
        out.line(f"        {rule.origin}", Colour.FAINT)
    for note in answer.notes:
        out.line(f"note    {note}")


def _inherited(answer: Answer) -> bool:
    return answer.decision.why == ANNOUNCED and answer.packet.saved is None


def _describe(packet: Packet) -> str:
    direction = {Direction.ORIGINAL: "original direction", Direction.REPLY: "reply", Direction.UNKNOWN: "untracked"}
    parts = [f"{packet.hook} {protocol_name(packet.protocol)}"]
    parts.append(f"from {_end(packet.source.family, str(packet.source), packet.source_port)}")
    parts.append(f"to {_end(packet.source.family, str(packet.destination), packet.destination_port)}")
    interfaces = " via ".join(name for name in (packet.input_interface, packet.output_interface) if name)
    parts += [f"on {interfaces}"] if interfaces else []
    words = [direction[packet.direction], *(["opens its connection"] if packet.opens else [])]
    process = ((each.name, getattr(packet, each.name)) for each in BY_PROCESS)
    words += [f"{name} {'unknown' if value == UNKNOWN else value}" for name, value in process if value is not None]
    words += ["expected"] if packet.expected else []
    words += [f"saved {packet.saved}"] if packet.saved else []
    words += [f"labelled {packet.label}"] if packet.label else []
    tracked = packet.direction is not Direction.UNKNOWN
    words += ["opening unseen"] if tracked and not (packet.new or packet.opening_seen) else []
    return f"{' '.join(parts)} ({', '.join(words)})"


def _end(family: int, address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"{address}:{port}" if family == 4 else f"[{address}]:{port}"


def _json(answer: Answer) -> dict[str, object]:
    decision = answer.decision
    return {
        "packet": _describe(answer.packet),
        "assumed": list(answer.assumed),
        "context": str(decision.context) if decision.context else None,
        "role": decision.role,
        "why": decision.why,
        "rule": rule_json(decision.rule) if decision.rule else None,
        "notes": notes_json(answer.notes),
    }
