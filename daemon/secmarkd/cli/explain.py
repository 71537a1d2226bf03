"""The verb explain: a packet in words, its label, and the rule that decided, from the reference evaluator."""

from __future__ import annotations

import argparse

from secmarkd.cli.files import rule_json, selectors
from secmarkd.cli.output import Colour, Output
from secmarkd.cli.tools import Tools
from secmarkd.cli.words import EXAMPLE, parse_packet
from secmarkd.model.evaluate import Decision, evaluate
from secmarkd.model.packet import Direction, Packet
from secmarkd.model.protocols import protocol_name
from secmarkd.service.exits import Exit
from secmarkd.service.loading import load

DESCRIPTION = f"""\
Tell which label a packet gets, and which rule decides. The answer comes from the label map, not from the kernel.

  secmarkctl explain {EXAMPLE}

  in | out | forward   from this host's point of view
  PROTOCOL             tcp, udp, icmp, … or a number
  from ADDR[:PORT]     or: from ADDR port NAME
  to ADDR[:PORT]
  on IFACE             via IFACE is the second one of a forwarded packet
  reply | untracked    what conntrack says; otherwise the packet goes the way that the connection was opened
  syn | established    a TCP packet opens its connection unless it is a reply or `established` is said
  expected             announced by a conntrack helper, as an FTP data connection is
  user NAME            the local process, and
  cgroup PATH          where it runs
"""


def explain(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Parse, evaluate, print."""
    packet, assumed = parse_packet(arguments.words)
    loaded, label_map = load(arguments.config_dir)
    decision = evaluate(label_map, packet, loaded.environment)
    out = Output.on(tools.out)
    if arguments.json:
        out.json(_json(packet, decision, assumed))
        return Exit.OK
    out.line(f"packet  {_describe(packet)}")
    if assumed:
        out.line(f"        assumed: {', '.join(assumed)}", Colour.FAINT)
    out.line(f"label   {decision.context or 'none: the packet keeps what it has'}", Colour.HEAD)
    out.line(f"role    {decision.role}")
    rule = decision.rule
    out.line(f"by      {f'{rule.label}: {selectors(rule)}' if rule else decision.why}")
    if rule:
        out.line(f"        {rule.origin}", Colour.FAINT)
    return Exit.OK


def _describe(packet: Packet) -> str:
    direction = {Direction.ORIGINAL: "original direction", Direction.REPLY: "reply", Direction.UNKNOWN: "untracked"}
    parts = [f"{packet.hook} {protocol_name(packet.protocol)}"]
    parts.append(f"from {_end(packet.source.family, str(packet.source), packet.source_port)}")
    parts.append(f"to {_end(packet.source.family, str(packet.destination), packet.destination_port)}")
    interfaces = " via ".join(name for name in (packet.input_interface, packet.output_interface) if name)
    parts += [f"on {interfaces}"] if interfaces else []
    words = [direction[packet.direction], *(["opens its connection"] if packet.opens else [])]
    words += [f"user {packet.user}"] if packet.user is not None else []
    words += [f"cgroup {packet.cgroup}"] if packet.cgroup else []
    return f"{' '.join(parts)} ({', '.join(words)})"


def _end(family: int, address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"{address}:{port}" if family == 4 else f"[{address}]:{port}"


def _json(packet: Packet, decision: Decision, assumed: tuple[str, ...]) -> dict[str, object]:
    return {
        "packet": _describe(packet),
        "assumed": list(assumed),
        "context": str(decision.context) if decision.context else None,
        "role": decision.role,
        "why": decision.why,
        "rule": rule_json(decision.rule) if decision.rule else None,
    }
