# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection keeps the role of its opening, sentence by sentence as the contract has it; for evaluator and compiler."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secmarkd.compiler.compile import compile_table
from secmarkd.evaluate import evaluate
from secmarkd.model.address import parse_address, parse_prefix
from secmarkd.model.context import Context
from secmarkd.model.label_map import Defaults, Environment, LabelMap, Layer, Mode, Origin, Role, Rule
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import DCCP, SCTP, TCP, UDP
from tests.support.interpreter import Interpreter

US, THEM = parse_address("192.0.2.1"), parse_address("192.0.2.2")
OPENED = [TCP, SCTP, DCCP]
NAMED, OTHER_NAMED, UNNAMED, EPHEMERAL = 53, 873, 39999, 50000


def context(name: str) -> Context:
    return Context("system_u", "object_r", f"{name}_packet_t", "s0")


DEFAULTS = Defaults(server=context("server"), client=context("client"), icmp=context("icmp"))


def named(name: str, port: int, *protocols: int) -> list[Rule]:
    """The rules of `[labels.NAME]` with a port."""
    return [rule(name, role, protocol=each, ports=(port, port)) for role in PART for each in protocols]


def rule(name: str, role: Role, **selectors: Any) -> Rule:
    return Rule(
        label=name, context=context(f"{name}_{role}"), role=role, origin=Origin("50-a.toml", 1, name),
        layer=Layer.ADMINISTRATOR, **selectors,
    )  # fmt: skip


PART = (Role.SERVER, Role.CLIENT)
RULES = [
    each
    for name, port in (("dns", NAMED), ("rsync", OTHER_NAMED), ("gluster", EPHEMERAL))
    for each in named(name, port, TCP, UDP, SCTP, DCCP)
]


def packet(hook: Hook, direction: Direction, protocol: int, source: int, destination: int, **more: Any) -> Packet:
    incoming = hook is Hook.INPUT
    interface = more.pop("interface", "eth0")
    return Packet(
        hook=hook, direction=direction, protocol=protocol, source_port=source, destination_port=destination,
        source=THEM if incoming else US, destination=US if incoming else THEM,
        input_interface=interface if incoming else "", output_interface="" if incoming else interface, **more,
    )  # fmt: skip


def label(found: Packet, *more: Rule) -> str:
    """What the packet is labelled, without its end; evaluator and ruleset agree on it."""
    label_map = LabelMap(rules=(*RULES, *more), defaults=DEFAULTS)
    expected = str(evaluate(label_map, found, Environment()).context)
    assert Interpreter(compile_table(label_map, Mode.LABEL, Environment())).run(found) == expected
    return expected.removeprefix("system_u:object_r:").removesuffix("_packet_t:s0")


def incoming(protocol: int, source: int, destination: int, **more: Any) -> Packet:
    return packet(Hook.INPUT, Direction.ORIGINAL, protocol, source, destination, **more)


def outgoing(protocol: int, source: int, destination: int, **more: Any) -> Packet:
    return packet(Hook.OUTPUT, Direction.ORIGINAL, protocol, source, destination, **more)


def answer(to: Packet, saved: str | None) -> Packet:
    """A packet of the other direction of a connection, on which that label was saved."""
    hook = Hook.OUTPUT if to.hook is Hook.INPUT else Hook.INPUT
    assert to.source_port is not None
    assert to.destination_port is not None
    return packet(
        hook, Direction.REPLY, to.protocol, to.destination_port, to.source_port,
        saved=None if saved is None else context(saved),
    )  # fmt: skip


@pytest.mark.parametrize("protocol", OPENED)
@pytest.mark.parametrize("port", [NAMED, OTHER_NAMED, EPHEMERAL])
def test_a_client_that_opens_from_a_named_port_to_an_unnamed_one_stays_a_client(protocol: int, port: int) -> None:
    opening = outgoing(protocol, port, UNNAMED, opens=True, new=True)
    assert label(opening) == "client"
    assert label(replace(opening, opens=False, new=False, saved=context("client"))) == "client"
    assert label(answer(opening, "client")) == "client"


@pytest.mark.parametrize("protocol", OPENED)
@pytest.mark.parametrize("port", [NAMED, OTHER_NAMED, EPHEMERAL])
def test_a_peer_that_opens_from_a_named_port_to_an_unnamed_one_gets_a_servers_answers(
    protocol: int, port: int
) -> None:
    opening = incoming(protocol, port, UNNAMED, opens=True, new=True)
    assert label(opening) == "server"
    assert label(answer(opening, "server")) == "server"


@pytest.mark.parametrize("port", [NAMED, OTHER_NAMED, EPHEMERAL])
def test_a_datagram_that_others_send_first_is_an_opening_whatever_its_source_port(port: int) -> None:
    opening = incoming(UDP, port, UNNAMED, new=True)
    assert label(opening) == "server"
    assert label(answer(opening, "server")) == "server"


@pytest.mark.parametrize("port", [NAMED, EPHEMERAL])
def test_a_datagram_from_a_named_port_to_an_unnamed_one_is_a_services_answer_each_time(port: int) -> None:
    name = {NAMED: "dns", EPHEMERAL: "gluster"}[port]
    late = outgoing(UDP, port, UNNAMED, new=True)
    assert label(late) == f"{name}_server"
    assert label(replace(late, new=False)) == f"{name}_server"
    assert label(answer(late, None)) == f"{name}_server"


@pytest.mark.parametrize("source", [NAMED, UNNAMED])
def test_every_other_datagram_that_this_host_sends_first_is_an_opening(source: int) -> None:
    assert label(outgoing(UDP, source, OTHER_NAMED, new=True)) == "rsync_client"
    assert label(outgoing(UDP, UNNAMED, UNNAMED, new=True)) == "client"


def test_a_label_without_ports_is_no_reason_to_take_a_datagram_for_an_answer() -> None:
    of_network = rule("lan", Role.SERVER, remote=parse_prefix("192.0.2.0/24"))
    assert label(outgoing(UDP, UNNAMED, UNNAMED, new=True), of_network) == "client"


@pytest.mark.parametrize("protocol", OPENED)
@pytest.mark.parametrize("port", [NAMED, EPHEMERAL])
def test_a_service_whose_connection_was_forgotten_keeps_its_label_whoever_speaks_first(
    protocol: int, port: int
) -> None:
    name = {NAMED: "dns", EPHEMERAL: "gluster"}[port]
    assert label(outgoing(protocol, port, UNNAMED, new=True)) == f"{name}_server"
    assert label(incoming(protocol, UNNAMED, port, new=True)) == f"{name}_server"
    assert label(answer(outgoing(protocol, port, UNNAMED), None)) == f"{name}_server"
    assert label(answer(incoming(protocol, UNNAMED, port), None)) == f"{name}_server"


def test_a_second_path_that_an_sctp_server_opens_is_the_servers() -> None:
    heartbeat = outgoing(SCTP, NAMED, 40000, new=True)
    assert label(heartbeat) == "dns_server"
    assert label(answer(heartbeat, None)) == "dns_server"


@pytest.mark.parametrize(
    "selectors",
    [{"user": 1000}, {"remote": parse_prefix("192.0.2.0/24")}, {"interface": "eth*"}, {"protocol": TCP}],
    ids=["user", "remote", "interface", "protocol"],
)
def test_in_doubt_a_label_without_ports_takes_no_service_that_has_one(selectors: dict[str, Any]) -> None:
    of_clients = rule("corp", Role.CLIENT, **selectors)
    forgotten = outgoing(TCP, NAMED, 40000, new=True, user=1000)
    assert label(forgotten, of_clients) == "dns_server"
    assert label(replace(answer(forgotten, None), user=1000), of_clients) == "dns_server"
    assert label(replace(forgotten, opens=True), of_clients) == "corp_client"


def test_in_doubt_a_narrower_label_of_the_role_that_its_port_says_decides() -> None:
    of_network = rule("lan", Role.SERVER, remote=parse_prefix("192.0.2.0/24"))
    assert label(outgoing(TCP, NAMED, 40000, new=True), of_network) == "lan_server"
    assert label(outgoing(UDP, NAMED, 40000, new=True), of_network) == "lan_server"


def test_an_icmp_error_has_no_label_of_the_connection_that_it_is_about() -> None:
    of_users = rule("alice", Role.CLIENT, user=1000)
    error = replace(
        packet(Hook.INPUT, Direction.REPLY, 1, 0, 0, saved=context("alice_client")),
        source_port=None,
        destination_port=None,
    )
    assert label(error, of_users) == "icmp"
    assert label(replace(error, expected=True), of_users) == "icmp"


def test_in_doubt_a_label_without_ports_does_not_speak_for_the_other_role() -> None:
    of_users = rule("alice", Role.CLIENT, user=1000)
    older = packet(Hook.OUTPUT, Direction.REPLY, TCP, UNNAMED, 40000, user=1000)
    assert label(older, of_users) == "server"


def test_over_loopback_a_forgotten_services_answer_is_in_doubt_at_both_hooks() -> None:
    late = outgoing(UDP, NAMED, 40000, new=True, interface="lo")
    assert label(late) == "dns_server"
    assert label(incoming(UDP, NAMED, 40000, new=True, interface="lo")) == "dns_client"


def test_an_announced_connection_belongs_to_its_parent_before_a_label_that_names_only_its_port() -> None:
    child = incoming(TCP, 20, NAMED, opens=True, new=True, expected=True, saved=context("ftp_client"))
    assert label(child) == "ftp_client"
    assert label(replace(answer(child, "ftp_client"), expected=True)) == "ftp_client"
    assert label(replace(child, saved=None)) == "dns_server"
    narrow = rule("peer", Role.SERVER, remote=parse_prefix("192.0.2.2"))
    assert label(child, narrow) == "peer_server"


def test_a_packet_that_has_a_label_keeps_it_at_output_only() -> None:
    outer = outgoing(UDP, 51820, 51820, new=True, label=context("http_server"))
    assert label(outer) == "http_server"
    assert label(replace(outer, label=None)) == "client"
    assert label(incoming(TCP, 40000, NAMED, opens=True, new=True, label=context("http_server"))) == "dns_server"


# --- a VRF, which shows a packet to output before conntrack knows it: `direction` is what the table remembers ---


def leaving(direction: Direction, protocol: int, source: int, destination: int, **more: Any) -> Packet:
    return packet(Hook.OUTPUT, direction, protocol, source, destination, leaves_vrf=True, **more)


@pytest.mark.parametrize("protocol", [*OPENED, UDP])
@pytest.mark.parametrize("port", [NAMED, OTHER_NAMED, EPHEMERAL])
def test_by_a_vrf_a_peer_that_opened_gets_a_servers_answers(protocol: int, port: int) -> None:
    assert label(leaving(Direction.REPLY, protocol, UNNAMED, port)) == "server"
    assert label(leaving(Direction.REPLY, protocol, NAMED, port)) == "dns_server"


@pytest.mark.parametrize("protocol", OPENED)
@pytest.mark.parametrize("port", [NAMED, OTHER_NAMED, EPHEMERAL])
def test_by_a_vrf_a_client_that_opens_from_a_named_port_is_and_stays_a_client(protocol: int, port: int) -> None:
    assert label(leaving(Direction.UNKNOWN, protocol, port, UNNAMED, opens=True)) == "client"
    assert label(leaving(Direction.ORIGINAL, protocol, port, UNNAMED)) == "client"


@pytest.mark.parametrize("protocol", [*OPENED, UDP])
def test_by_a_vrf_ports_decide_where_nothing_is_remembered(protocol: int) -> None:
    assert label(leaving(Direction.UNKNOWN, protocol, UNNAMED, NAMED)) == "dns_client"
    assert label(leaving(Direction.UNKNOWN, protocol, NAMED, UNNAMED)) == "dns_server"
    assert label(leaving(Direction.UNKNOWN, protocol, NAMED, OTHER_NAMED)) == "rsync_client"
    assert label(leaving(Direction.UNKNOWN, protocol, UNNAMED, UNNAMED)) == "client"
