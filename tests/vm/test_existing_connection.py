# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that were open before the service ever started carry on when it does.

Nothing tracked them before; conntrack sees them first in their middle, and takes whoever speaks first for the one who
opened them. Each is held by a confined domain that may use the label of its own role and no other.
"""

from __future__ import annotations

import pytest
from labelling import SLOW, cable, refused
from machine import Machine
from talking import Talker, converse, hang_up, open_connection

HTTP = 80
HTTPS = 443
CONFINED = ("smd_client_t", "smd_server_t")

Ends = dict[str, tuple[Talker, Talker]]


@pytest.fixture(scope="module")
def started(installing: Machine) -> tuple[Machine, Ends]:
    """The service started for the first time, with a connection open over each way; server and client of each."""
    vm = installing
    vm.restore("installed")
    cable(vm, "", "peer", "192.0.2")
    vm.enforcing()
    server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
    peer = Talker(vm, "unconfined_t", netns="peer")
    ends = {"loopback": (server, client), "incoming": (server, peer), "outgoing": (peer, client)}
    open_connection(server, client, HTTP, "127.0.0.1", "loopback")
    open_connection(server, peer, HTTP, "192.0.2.1", "incoming")
    open_connection(peer, client, HTTPS, "192.0.2.2", "outgoing")
    for name, (one, other) in ends.items():
        converse(other, one, name)
    assert "secmark" not in vm.run("nft list ruleset").out
    vm.run("systemctl start secmarkd", timeout=SLOW)
    vm.snapshot("started")
    return vm, ends


@pytest.mark.parametrize("way", ["loopback", "incoming", "outgoing"])
@pytest.mark.parametrize("first", ["server", "client"])
def test_an_open_connection_survives_the_first_start(started: tuple[Machine, Ends], way: str, first: str) -> None:
    vm, ends = started
    vm.restore("started")
    server, client = ends[way]
    one, other = (server, client) if first == "server" else (client, server)
    converse(one, other, way)
    converse(other, one, way)
    hang_up(one, other, way)
    assert [each.raw for each in vm.denials() if each.source in CONFINED] == []


def test_a_new_connection_is_checked_all_the_same(started: tuple[Machine, Ends]) -> None:
    vm, _ = started
    vm.restore("started")
    server, client = Talker(vm, "unconfined_t", netns="peer"), Talker(vm, "smd_client_t")
    server.listen(12345, "192.0.2.2")
    assert client.connect(12345, "192.0.2.2") == "ECONNREFUSED"
    assert refused(vm.denials(), "smd_client_t") == {("send", "client_packet_t")}
