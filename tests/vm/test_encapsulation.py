"""A confined server that answers plain answers through every encapsulation that the kernel makes, under enforcing.

Such a packet comes to the output hook again as the outer packet, still with the application's socket: SELinux then asks
whether the *application* may send what has the outer packet's label.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from labelling import apply, cable
from machine import Machine
from talking import PATIENCE, Talker, converse, hang_up
from tunnels import WAYS, addresses, join, part

PORT = 80
LABELS = """
[labels.tunnel]                    # an administrator who names the tunnels themselves
type = "intranet_packet_t"
protocol = ["esp", "ah", "gre", 4, 41]
udp = [4789, 6081, 51820]
"""
GROUPS = {
    "in IP": [each for each in WAYS if WAYS[each].device and not WAYS[each].over_udp and "IPv" not in each],
    "in UDP": [each for each in WAYS if WAYS[each].over_udp],
    "IPsec": [each for each in WAYS if "IPv" in each or each == "esp in udp"],
}


def test_every_way_is_in_a_group() -> None:
    assert {each for group in GROUPS.values() for each in group} == set(WAYS)


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


@pytest.fixture
def ends(vm: Machine) -> tuple[Talker, Talker]:
    """A server that may use http_server_packet_t alone, and a client on the other host."""
    server = Talker(vm, "smd_server_t")
    server.listen(PORT, "0.0.0.0", connection="listener 4")
    server.listen(PORT, "::", connection="listener 6")
    return server, Talker(vm, "unconfined_t", netns="peer")


def trouble(server: Talker, client: Talker, host: str, family: int) -> str:
    """What went wrong between them, if anything."""
    try:
        connected = client.connect(PORT, host, seconds=PATIENCE)
        assert connected == "ok", connected
        assert server.accept(listener=f"listener {family}") == "ok"
        converse(client, server)
        converse(server, client)
        hang_up(client, server)
    except AssertionError as error:
        return str(error).splitlines()[0]
    return ""


def through(vm: Machine, ends: tuple[Talker, Talker], names: Iterable[str]) -> dict[tuple[str, int], str]:
    """What went wrong by which way, over which IP."""
    found = {}
    for name in names:
        join(vm, WAYS[name])
        for family in WAYS[name].families:
            found[name, family] = trouble(*ends, addresses(WAYS[name], family)[0], family)
        part(vm)
    return {way: what for way, what in found.items() if what}


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_server_answers_through_every_encapsulation(vm: Machine, ends: tuple[Talker, Talker], group: str) -> None:
    assert trouble(*ends, "192.0.2.1", 4) == ""
    assert through(vm, ends, GROUPS[group]) == {}
    assert [each for each in vm.denials() if each.source == "smd_server_t"] == []


def test_without_its_label_kept_it_would_not(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    """The test's own proof: what is tested here does depend on the rule at the head of output."""
    vm.run(
        "nft flush chain inet secmarkd output; nft add rule inet secmarkd output ct direction reply goto output_reply"
    )
    assert through(vm, ends, ["gre"]) != {}
    assert {each.target for each in vm.denials() if each.source == "smd_server_t"} == {"intranet_packet_t"}


def test_a_server_answers_in_a_vrf(vm: Machine) -> None:
    vm.run(
        "ip link add red type vrf table 10; ip link set red up; ip link set peer master red; "
        "sysctl -qw net.ipv4.tcp_l3mdev_accept=1"
    )
    server, client = Talker(vm, "smd_server_t"), Talker(vm, "unconfined_t", netns="peer")
    server.listen(PORT, "0.0.0.0", connection="listener 4")
    assert trouble(server, client, "192.0.2.1", 4) == ""
    assert [each for each in vm.denials() if each.source == "smd_server_t"] == []
