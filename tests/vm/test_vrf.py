# SPDX-License-Identifier: GPL-2.0-or-later
"""In a VRF, under enforcing, a packet has its label before conntrack knows it: the table itself remembers who opened."""

from __future__ import annotations

import pytest
from domains import confined
from labelling import apply, cable
from machine import Machine
from talking import SILENCE, Talker, converse

UNNAMED = 39999
NAMED = (873, 443)
"""Ports that labels name, from which connections are opened."""
ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
LABELS = """
[labels.http]
tcp = [80, 443]
udp = [80, 443]
"""


@pytest.fixture(scope="module")
def prepared(installing: Machine) -> Machine:
    """A host whose only cable is in a VRF; domains for what no label names."""
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    installing.run(
        "set -e; ip link add red type vrf table 10; ip link set red up; ip link set peer master red; "
        "ip -6 address add 2001:db8::1/64 dev peer nodad; ip -n peer -6 address add 2001:db8::2/64 dev host nodad"
    )
    confined(installing, "smd_plain", {"client_packet_t": "send recv"})
    confined(installing, "smd_default", {"server_packet_t": "send recv"})
    confined(installing, "smd_peer", {"packet_type": "send recv", "unlabeled_t": "send recv"})
    apply(installing, LABELS)
    installing.enforcing()
    installing.snapshot("vrf")
    return installing


@pytest.fixture
def vm(prepared: Machine) -> Machine:
    """Labelled, and enforcing."""
    prepared.restore("vrf")
    return prepared


def refusals(vm: Machine) -> list[str]:
    """The audit log's words for each packet that was refused."""
    return [each.raw.partition("denied")[2] for each in vm.denials()]


def peer(vm: Machine) -> Talker:
    """A program on the other host, which may do everything."""
    return Talker(vm, "smd_peer_t", netns="peer")


def serve(server: Talker, client: Talker, port: int, host: str, name: str, source: int = 0) -> None:
    """A connection to the server, which is in the VRF, called `name` at both ends."""
    server.listen(port, host, connection=f"{name} listener", device="red")
    assert client.connect(port, host, connection=name, source=source) == "ok"
    assert server.accept(connection=name, listener=f"{name} listener") == "ok"


def ask(server: Talker, client: Talker) -> None:
    """A datagram and its answer, twice, from the client's `it` to the server's `listener`."""
    for _ in range(2):
        assert client.send("question") == "ok"
        assert server.receive("listener") == "question"
        assert server.reply("answer") == "ok"
        assert client.receive() == "answer"


@pytest.mark.parametrize("family", ENDS)
@pytest.mark.parametrize(("domain", "port"), [("smd_default_t", UNNAMED), ("smd_server_t", 80)])
def test_a_server_answers_whatever_port_it_is_asked_from(vm: Machine, domain: str, port: int, family: int) -> None:
    """One that only `default.server` names, and one that a label names."""
    us, _ = ENDS[family]
    server, client = Talker(vm, domain), peer(vm)
    for source in (0, *NAMED):
        name = f"tcp from {source}"
        serve(server, client, port, us, name, source=source)
        converse(client, server, name)
        converse(server, client, name)
        server.close(f"{name} listener")
    server.listen(port, us, "udp", device="red")
    for source in (0, *NAMED):
        assert client.connect(port, us, "udp", source=source) == "ok"
        ask(server, client)
    assert refusals(vm) == []


@pytest.mark.parametrize("family", ENDS)
def test_a_client_may_open_from_any_port_to_one_that_no_label_names(vm: Machine, family: int) -> None:
    _, them = ENDS[family]
    server, client = peer(vm), Talker(vm, "smd_plain_t")
    for source in (0, *NAMED):
        name = f"tcp from {source}"
        server.listen(UNNAMED, them, connection=f"{name} listener")
        assert client.connect(UNNAMED, them, connection=name, source=source, device="red") == "ok"
        assert server.accept(connection=name, listener=f"{name} listener") == "ok"
        converse(client, server, name)
        converse(server, client, name)
        server.close(f"{name} listener")
    server.listen(UNNAMED, them, "udp")
    assert client.connect(UNNAMED, them, "udp", device="red") == "ok"
    ask(server, client)
    assert refusals(vm) == []


@pytest.mark.parametrize("family", ENDS)
def test_without_what_is_remembered_they_could_not(vm: Machine, family: int) -> None:
    """The test's own proof, and how it was: looked up as a client's, then as a server's, then `default.client`."""
    vm.run("nft flush chain inet secmarkd vrf_output")
    us, them = ENDS[family]
    server, client, other = Talker(vm, "smd_default_t"), Talker(vm, "smd_plain_t"), peer(vm)
    server.listen(UNNAMED, us, device="red")
    assert other.connect(UNNAMED, us, seconds=SILENCE) == "timeout"
    other.listen(UNNAMED, them)
    assert client.connect(UNNAMED, them, source=NAMED[0], device="red", seconds=SILENCE) != "ok"
    denied = {(each.source, each.target) for each in vm.denials() for _ in each.permissions}
    assert denied == {("smd_default_t", "client_packet_t"), ("smd_plain_t", "rsync_server_packet_t")}


def test_each_packet_refreshes_what_is_remembered_and_an_answered_connection_is_kept_for_an_hour(vm: Machine) -> None:
    server, client = Talker(vm, "smd_default_t"), peer(vm)
    for host in (us for us, _ in ENDS.values()):
        serve(server, client, UNNAMED, host, host)
        converse(client, server, host)
    for name in ("vrf4", "vrf6"):
        listed = vm.run(f"nft list set inet secmarkd {name}").out
        assert listed.count(f". {UNNAMED}") == 1
        assert "expires 59m" in listed
