# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection keeps the role of its opening, under enforcing: confined programs that a guess from ports would cut off."""

from __future__ import annotations

from itertools import product

import pytest
from domains import confined
from labelling import SLOW, apply, cable, remembered
from machine import Machine
from talking import Talker, converse, open_connection

UNNAMED = 39999
RESERVED, SHARED, HIGH = 873, 443, 63140
"""Ports that labels name, from which others open connections: of a client below 1024, of a service, of an IANA client."""
EPHEMERAL = 50000
US, THEM, OTHER_OF_US = "192.0.2.1", "192.0.2.2", "198.51.100.1"

LABELS = """
[labels.http]
tcp = [80, 443, 50000]
udp = [443, 50000]
sctp = [50000]
dccp = [50000]
[labels.ftp_data]
tcp = [20]
[labels.http_cache]
tcp = [8080]
"""
HELPER = """
table inet helpers {
  ct helper ftp {
    type "ftp" protocol tcp;
  }
  chain in { type filter hook prerouting priority -150; tcp dport 21 ct helper set "ftp"; }
  chain out { type filter hook output priority -150; tcp dport 21 ct helper set "ftp"; }
}
"""


@pytest.fixture(scope="module")
def prepared(installing: Machine) -> Machine:
    """A host, and another one without labels; domains for what no label names, and for FTP."""
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    installing.run("modprobe -a sctp dccp_ipv4 nf_conntrack_ftp")
    confined(installing, "smd_plain", {"client_packet_t": "send recv"})
    confined(installing, "smd_default", {"server_packet_t": "send recv"})
    confined(installing, "smd_ftp", {"ftp_client_packet_t": "send recv"})
    confined(installing, "smd_peer", {"packet_type": "send recv", "unlabeled_t": "send recv"})
    installing.run("nft -f -", input=HELPER)
    installing.snapshot("roles-unlabelled")
    apply(installing, LABELS)
    installing.enforcing()
    installing.snapshot("roles")
    return installing


@pytest.fixture
def vm(prepared: Machine) -> Machine:
    """Labelled, and enforcing."""
    prepared.restore("roles")
    return prepared


def forget(vm: Machine) -> None:
    """Conntrack forgets all connections."""
    vm.run("conntrack -F")


def refusals(vm: Machine) -> list[str]:
    """The audit log's words for each packet that was refused."""
    return [each.raw.partition("denied")[2] for each in vm.denials()]


def say(speaker: Talker, hearer: Talker, line: str) -> None:
    """On an FTP control connection. (The helper looks at lines that follow a line: find_nl_seq.)"""
    assert speaker.send(line, "control") == "ok"
    assert hearer.receive("control") == line


def second_address(vm: Machine) -> None:
    """This host has another one from now on."""
    vm.run(f"ip address add {OTHER_OF_US}/32 dev peer; ip -n peer route add {OTHER_OF_US} via {US}")


def peer(vm: Machine) -> Talker:
    """A program on the other host. (Debian's policy lets unconfined_t bind no port of DCCP.)"""
    return Talker(vm, "smd_peer_t", netns="peer")


KINDS = ("tcp", "sctp", "dccp")
SOURCES = (RESERVED, SHARED, HIGH)


def test_a_client_may_open_from_any_port(vm: Machine) -> None:
    server, client = peer(vm), Talker(vm, "smd_plain_t")
    for kind, source in product(KINDS, SOURCES):
        open_connection(server, client, UNNAMED, THEM, f"{kind} from {source}", kind, source=source)
        converse(client, server, f"{kind} from {source}")
        converse(server, client, f"{kind} from {source}")
        server.close(f"{kind} from {source} listener")
    assert refusals(vm) == []


def test_a_peer_may_open_from_any_port(vm: Machine) -> None:
    server, client = Talker(vm, "smd_default_t"), peer(vm)
    for kind, source in product(KINDS, SOURCES):
        open_connection(server, client, UNNAMED, US, f"{kind} from {source}", kind, source=source)
        converse(client, server, f"{kind} from {source}")
        converse(server, client, f"{kind} from {source}")
        server.close(f"{kind} from {source} listener")
    assert refusals(vm) == []


def test_a_peer_may_send_datagrams_from_any_port(vm: Machine) -> None:
    server, client = Talker(vm, "smd_default_t"), peer(vm)
    server.listen(UNNAMED, US, "udp")
    for source in (53, 123, 443):
        assert client.connect(UNNAMED, US, "udp", source=source) == "ok"
        for _ in range(2):
            assert client.send("question") == "ok"
            assert server.receive("listener") == "question"
            assert server.reply("answer") == "ok"
            assert client.receive() == "answer"
    assert refusals(vm) == []


@pytest.mark.parametrize("first", ["server", "client"])
def test_forgotten_connections_go_on_whoever_speaks_first(vm: Machine, first: str) -> None:
    ours, used, others = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t"), peer(vm)
    for port in (80, EPHEMERAL):
        open_connection(ours, others, port, US, f"served {port}")
        open_connection(others, used, port, THEM, f"used {port}")
    forget(vm)
    for _, port in product(range(2), (80, EPHEMERAL)):
        for server, client, name in ((ours, others, f"served {port}"), (others, used, f"used {port}")):
            converse(*((server, client) if first == "server" else (client, server)), name)
    assert remembered(vm, 80) | remembered(vm, EPHEMERAL) == set()
    assert refusals(vm) == []


def test_a_server_answers_datagrams_that_conntrack_has_forgotten(vm: Machine) -> None:
    server, client = Talker(vm, "smd_server_t"), peer(vm)
    client.listen(40000, THEM, "udp")
    for port, _ in product((443, EPHEMERAL), range(2)):
        server.listen(port, US, "udp", str(port))
        assert client.send("question", "listener", to=(US, port)) == "ok"
        assert server.receive(str(port)) == "question"
        forget(vm)
        for _ in range(2):
            assert server.reply("answer", str(port)) == "ok"
            assert client.receive("listener") == "answer"
        server.close(str(port))
    assert refusals(vm) == []


def test_a_server_answers_from_another_of_its_addresses(vm: Machine) -> None:
    second_address(vm)
    server, client = Talker(vm, "smd_server_t"), peer(vm)
    client.listen(40000, THEM, "udp")
    for port in (443, EPHEMERAL):
        server.listen(port, US, "udp", "asked")
        server.listen(port, OTHER_OF_US, "udp", "other")
        assert client.send("question", "listener", to=(US, port)) == "ok"
        assert server.receive("asked") == "question"
        for _ in range(2):
            assert server.send("answer", "other", to=(THEM, 40000)) == "ok"
            assert client.receive("listener") == "answer"
            assert client.send("thanks", "listener", to=(OTHER_OF_US, port)) == "ok"
            assert server.receive("other") == "thanks"
    assert refusals(vm) == []


def test_connections_older_than_the_table_go_on(prepared: Machine) -> None:
    prepared.restore("roles-unlabelled")
    of_label, of_default, client = Talker(prepared, "smd_server_t"), Talker(prepared, "smd_default_t"), peer(prepared)
    named = {("tcp", 80), *((kind, EPHEMERAL) for kind in KINDS)}
    served = {each: of_label if each in named else of_default for each in product(KINDS, (80, EPHEMERAL, UNNAMED))}
    for (kind, port), server in served.items():
        open_connection(server, client, port, US, f"{kind} to {port}", kind)
        converse(client, server, f"{kind} to {port}")
    apply(prepared, LABELS)
    prepared.enforcing()
    for (kind, port), server in served.items():
        converse(server, client, f"{kind} to {port}")
        converse(client, server, f"{kind} to {port}")
    assert prepared.denials() == []


def test_passive_ftp_data_has_the_label_of_its_control_connection(vm: Machine) -> None:
    server, client = peer(vm), Talker(vm, "smd_ftp_t")
    open_connection(server, client, 21, THEM, "control")
    say(server, client, "220 ready\r\n")
    for data_port in (40123, 8080):
        passive = f"227 Entering Passive Mode (192,0,2,2,{data_port >> 8},{data_port & 255})\r\n"
        say(server, client, passive)
        open_connection(server, client, data_port, THEM, "data")
        converse(client, server, "data")
        converse(server, client, "data")
    assert refusals(vm) == []


def test_active_ftp_data_has_the_label_of_its_control_connection_though_port_20_has_a_name(vm: Machine) -> None:
    server, client = peer(vm), Talker(vm, "smd_ftp_t")
    open_connection(server, client, 21, THEM, "control")
    active = f"PORT 192,0,2,1,{40124 >> 8},{40124 & 255}\r\n"
    say(client, server, "USER anonymous\r\n")
    say(client, server, active)
    open_connection(client, server, 40124, US, "data", source=20)
    converse(server, client, "data")
    converse(client, server, "data")
    assert refusals(vm) == []


def test_a_second_path_that_an_sctp_server_opens_is_the_servers(vm: Machine) -> None:
    """Heartbeats: the server sends the first on a path of which conntrack knows nothing."""
    second_address(vm)
    vm.run("sysctl -qw net.sctp.hb_interval=500 net.sctp.rto_initial=500 net.sctp.rto_min=200", timeout=SLOW)
    server, client = Talker(vm, "smd_server_t"), peer(vm)
    server.listen(EPHEMERAL, "0.0.0.0", "sctp")
    assert client.connect(EPHEMERAL, US, "sctp") == "ok"
    assert server.accept() == "ok"
    converse(client, server)
    forget(vm)
    vm.run("sleep 3")
    converse(server, client)
    assert refusals(vm) == []
