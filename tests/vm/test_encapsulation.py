# SPDX-License-Identifier: GPL-2.0-or-later
"""A confined server that answers plain answers through every encapsulation that the kernel makes, under enforcing.

Such a packet comes to the output hook again as the outer packet, still with the application's socket: SELinux then asks
whether the *application* may send what has the outer packet's label.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from domains import confined
from labelling import apply, cable
from machine import Machine
from talking import Talker
from tunnels import WAYS, addresses, joining, parting

PORT = 80
LABELS = """
[labels.tunnel]                    # an administrator who names the tunnels themselves
type = "intranet_packet_t"
protocol = ["esp", "ah", "gre", 4, 41]
udp = [4500, 4789, 6081, 51820]
"""
GROUPS = {
    "in IP": [each for each in WAYS if WAYS[each].device and not WAYS[each].over_udp and "IPv" not in each],
    "in UDP": [each for each in WAYS if WAYS[each].over_udp and "wireguard" not in each],
    "IPsec": [each for each in WAYS if "IPv" in each],
}
WIREGUARD = ["wireguard", "wireguard6"]
"""It clears the label of what it carries and keeps the socket (wg_reset_packet): the outer packet has its own label."""


def test_every_way_is_in_a_group() -> None:
    assert {each for group in (*GROUPS.values(), WIREGUARD) for each in group} == set(WAYS)


@pytest.fixture(scope="module")
def prepared(installing: Machine) -> Machine:
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    installing.run(
        "ip -6 address add 2001:db8::1/64 dev peer nodad; ip -n peer -6 address add 2001:db8::2/64 dev host nodad"
    )
    apply(installing, LABELS)
    installing.enforcing()
    installing.snapshot("cabled")
    return installing


@pytest.fixture
def vm(prepared: Machine) -> Machine:
    """Labelled and enforcing, on one cable with `peer`, over IPv4 and IPv6."""
    prepared.restore("cabled")
    return prepared


def serve(vm: Machine, domain: str = "smd_server_t") -> Talker:
    """A server that sends back what comes; in its domain it may use http_server_packet_t alone."""
    server = Talker(vm, domain)
    for host in ("0.0.0.0", "::"):
        server.listen(PORT, host, connection=host)
        server.echo(host)
    return server


def ask(client: Talker, host: str) -> str:
    """Have a program of the other host talk with the server: `ok`, or what went wrong."""
    try:
        if (word := client.connect(PORT, host)) != "ok":
            return word
        client.send("hello")
        word = client.receive()
        return "ok" if word == "hello" else word
    finally:
        client.close()


def through(vm: Machine, names: Iterable[str]) -> dict[tuple[str, int], str]:
    """What went wrong by which way, over which IP."""
    found: dict[tuple[str, int], str] = {}
    client, apart = Talker(vm, "unconfined_t", netns="peer"), ""
    for name in names:
        way = WAYS[name]
        vm.run(f"{apart}\n{joining(way)}")
        found |= {(name, family): ask(client, addresses(way, family)[0]) for family in way.families}
        apart = parting()
    vm.run(apart)
    client.end()
    return {way: word for way, word in found.items() if word != "ok"}


def refusals(vm: Machine) -> list[str]:
    """What the server was refused."""
    return [each.raw.partition("denied")[2] for each in vm.denials() if each.source == "smd_server_t"]


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_server_answers_through_every_encapsulation(vm: Machine, group: str) -> None:
    serve(vm)
    assert ask(Talker(vm, "unconfined_t", netns="peer"), "192.0.2.1") == "ok"
    assert through(vm, GROUPS[group]) == {}
    assert refusals(vm) == []


def test_through_wireguard_a_server_has_to_be_allowed_to_send_the_tunnels_label(vm: Machine) -> None:
    server = serve(vm)
    assert set(through(vm, WIREGUARD[:1]).values()) == {"timeout"}
    denied = {(permission, each.target) for each in vm.denials() for permission in each.permissions}
    assert denied == {("send", "intranet_packet_t")}
    server.end()
    confined(vm, "smd_tunnelled", {"http_server_packet_t": "send recv", "intranet_packet_t": "send"})
    serve(vm, "smd_tunnelled_t")
    assert through(vm, WIREGUARD) == {}


def test_without_its_label_kept_it_would_not(vm: Machine) -> None:
    """The test's own proof: what is tested here does depend on the rule at the head of output."""
    serve(vm)
    directions = [
        f"add rule inet secmarkd output ct direction {each} goto output_{each}" for each in ("original", "reply")
    ]
    vm.run("nft -f -", input="\n".join(["flush chain inet secmarkd output", *directions, ""]))
    assert through(vm, ["gre"]) == {("gre", 4): "timeout", ("gre", 6): "timeout"}
    assert {each.target for each in vm.denials() if each.source == "smd_server_t"} == {"intranet_packet_t"}
