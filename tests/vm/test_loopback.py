# SPDX-License-Identifier: GPL-2.0-or-later
"""A confined client and a confined server on one host: each has its own label for the same connection."""

from __future__ import annotations

import pytest
from labelling import refused, remembered
from machine import Machine
from talking import SILENCE, Talker, converse, hang_up, open_connection

UNLABELLED = 12345


@pytest.fixture
def vm(labelled: Machine) -> Machine:
    """Enforcing, with the shipped labels in the kernel."""
    return labelled


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
class TestLoopback:
    def test_confined_ends_talk_with_each_other(self, vm: Machine, address: str) -> None:
        server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
        open_connection(server, client, 80, address)
        converse(client, server)
        converse(server, client)
        hang_up(client, server)
        assert vm.denials() == []

    def test_the_server_may_hang_up_first(self, vm: Machine, address: str) -> None:
        server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
        open_connection(server, client, 80, address)
        converse(server, client)
        hang_up(server, client)
        assert vm.denials() == []

    def test_the_connection_is_remembered_as_the_clients(self, vm: Machine, address: str) -> None:
        server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
        open_connection(server, client, 80, address)
        assert remembered(vm, 80) == {"http_client_packet_t"}

    def test_an_unlabelled_port_is_refused(self, vm: Machine, address: str) -> None:
        server, client = Talker(vm, "unconfined_t"), Talker(vm, "smd_client_t")
        server.listen(UNLABELLED, address)
        assert client.connect(UNLABELLED, address) == "ECONNREFUSED"
        assert refused(vm.denials(), "smd_client_t") == {("send", "client_packet_t")}

    def test_nobody_listens_to_a_client_with_the_servers_label(self, vm: Machine, address: str) -> None:
        Talker(vm, "smd_server_t").listen(80, address)
        other = Talker(vm, "smd_server_t")
        assert other.connect(80, address) == "ECONNREFUSED"
        assert refused(vm.denials(), "smd_server_t") == {("send", "http_client_packet_t")}

    def test_a_closed_port_says_so(self, vm: Machine, address: str) -> None:
        assert Talker(vm, "smd_client_t").connect(80, address) == "ECONNREFUSED"
        assert vm.denials() == []


def test_a_server_in_another_domain_hears_nothing(vm: Machine) -> None:
    server, client = Talker(vm, "smd_none_t"), Talker(vm, "smd_client_t")
    server.listen(80)
    assert client.connect(80, seconds=SILENCE) == "timeout"
    assert refused(vm.denials(), "smd_none_t") == {("recv", "http_server_packet_t")}
    assert remembered(vm, 80) <= {"http_client_packet_t"}
