"""A connection keeps the role of its opening, under enforcing: confined programs that a guess from ports would cut off."""

from __future__ import annotations

import pytest
from domains import confined
from labelling import SLOW, apply, remembered
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
    """A host, and another one without labels, each with two addresses; domains for what no label names, and for FTP."""
    from labelling import cable

    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    installing.run(
        f"ip address add {OTHER_OF_US}/32 dev peer; ip -n peer route add {OTHER_OF_US} via {US}; "
        "modprobe -a sctp dccp_ipv4 nf_conntrack_ftp"
    )
    confined(installing, "smd_plain", {"client_packet_t": "send recv"})
    confined(installing, "smd_default", {"server_packet_t": "send recv"})
    confined(installing, "smd_ftp", {"ftp_client_packet_t": "send recv"})
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


def peer(vm: Machine) -> Talker:
    return Talker(vm, "unconfined_t", netns="peer")


@pytest.mark.parametrize("kind", ["tcp", "sctp", "dccp"])
@pytest.mark.parametrize("source", [RESERVED, SHARED, HIGH])
def test_a_client_may_open_from_any_port(vm: Machine, kind: str, source: int) -> None:
    server, client = peer(vm), Talker(vm, "smd_plain_t")
    open_connection(server, client, UNNAMED, THEM, kind=kind, source=source)
    converse(client, server)
    converse(server, client)
    assert vm.denials() == []


@pytest.mark.parametrize("kind", ["tcp", "sctp", "dccp"])
@pytest.mark.parametrize("source", [RESERVED, SHARED, HIGH])
def test_a_peer_may_open_from_any_port(vm: Machine, kind: str, source: int) -> None:
    server, client = Talker(vm, "smd_default_t"), peer(vm)
    open_connection(server, client, UNNAMED, US, kind=kind, source=source)
    converse(client, server)
    converse(server, client)
    assert vm.denials() == []


@pytest.mark.parametrize("source", [53, 123, 443])
def test_a_peer_may_send_datagrams_from_any_port(vm: Machine, source: int) -> None:
    server, client = Talker(vm, "smd_default_t"), peer(vm)
    server.listen(UNNAMED, US, "udp")
    assert client.connect(UNNAMED, US, "udp", source=source) == "ok"
    for _ in range(2):
        assert client.send("question") == "ok"
        assert server.receive("listener") == "question"
        assert server.reply("answer") == "ok"
        assert client.receive() == "answer"
    assert vm.denials() == []


@pytest.mark.parametrize("first", ["server", "client"])
@pytest.mark.parametrize("port", [80, EPHEMERAL])
@pytest.mark.parametrize("served", [True, False], ids=["served", "used"])
def test_a_forgotten_connection_goes_on_whoever_speaks_first(
    vm: Machine, first: str, port: int, served: bool
) -> None:
    ours = Talker(vm, "smd_server_t" if served else "smd_client_t")
    server, client = (ours, peer(vm)) if served else (peer(vm), ours)
    open_connection(server, client, port, US if served else THEM)
    converse(client, server)
    forget(vm)
    for _ in range(2):
        converse(*((server, client) if first == "server" else (client, server)))
    assert remembered(vm, port) == set()
    assert vm.denials() == []


@pytest.mark.parametrize("port", [443, EPHEMERAL])
def test_a_server_answers_datagrams_that_conntrack_has_forgotten(vm: Machine, port: int) -> None:
    server, client = Talker(vm, "smd_server_t"), peer(vm)
    server.listen(port, US, "udp")
    client.listen(40000, THEM, "udp")
    for _ in range(2):
        assert client.send("question", "listener", to=(US, port)) == "ok"
        assert server.receive("listener") == "question"
        forget(vm)
        for _ in range(2):
            assert server.reply("answer") == "ok"
            assert client.receive("listener") == "answer"
    assert vm.denials() == []


@pytest.mark.parametrize("port", [443, EPHEMERAL])
def test_a_server_answers_from_another_of_its_addresses(vm: Machine, port: int) -> None:
    server, client = Talker(vm, "smd_server_t"), peer(vm)
    server.listen(port, US, "udp")
    server.listen(port, OTHER_OF_US, "udp", connection="other")
    client.listen(40000, THEM, "udp")
    assert client.send("question", "listener", to=(US, port)) == "ok"
    assert server.receive("listener") == "question"
    for _ in range(2):
        assert server.send("answer", "other", to=(THEM, 40000)) == "ok"
        assert client.receive("listener") == "answer"
        assert client.send("thanks", "listener", to=(OTHER_OF_US, port)) == "ok"
        assert server.receive("other") == "thanks"
    assert vm.denials() == []


@pytest.mark.parametrize("kind", ["tcp", "sctp", "dccp"])
@pytest.mark.parametrize("port", [80, EPHEMERAL, UNNAMED])
def test_connections_older_than_the_table_go_on(prepared: Machine, kind: str, port: int) -> None:
    prepared.restore("roles-unlabelled")
    server = Talker(prepared, "smd_default_t" if port == UNNAMED or (port, kind) in OTHERS else "smd_server_t")
    client = peer(prepared)
    open_connection(server, client, port, US, kind=kind)
    converse(client, server)
    apply(prepared, LABELS)
    prepared.enforcing()
    converse(server, client)
    converse(client, server)
    assert prepared.denials() == []


OTHERS = {(80, "sctp"), (80, "dccp")}


@pytest.mark.parametrize("data_port", [40123, 8080])
def test_passive_ftp_data_has_the_label_of_its_control_connection(vm: Machine, data_port: int) -> None:
    server, client = peer(vm), Talker(vm, "smd_ftp_t")
    open_connection(server, client, 21, THEM, "control")
    passive = f"227 Entering Passive Mode (192,0,2,2,{data_port >> 8},{data_port & 255})\r\n"
    assert server.send(passive, "control") == "ok"
    assert client.receive("control") == passive
    open_connection(server, client, data_port, THEM, "data")
    converse(client, server, "data")
    converse(server, client, "data")
    assert vm.denials() == []


def test_active_ftp_data_has_the_label_of_its_control_connection_though_port_20_has_a_name(vm: Machine) -> None:
    server, client = peer(vm), Talker(vm, "smd_ftp_t")
    open_connection(server, client, 21, THEM, "control")
    active = f"PORT 192,0,2,1,{40124 >> 8},{40124 & 255}\r\n"
    assert client.send(active, "control") == "ok"
    assert server.receive("control") == active
    open_connection(client, server, 40124, US, "data", source=20)
    converse(server, client, "data")
    converse(client, server, "data")
    assert vm.denials() == []


def test_a_second_path_that_an_sctp_server_opens_is_the_servers(vm: Machine) -> None:
    """Heartbeats: the server sends the first on a path of which conntrack knows nothing."""
    vm.run("sysctl -qw net.sctp.hb_interval=500 net.sctp.rto_initial=500 net.sctp.rto_min=200", timeout=SLOW)
    server, client = Talker(vm, "smd_server_t"), peer(vm)
    server.listen(EPHEMERAL, "0.0.0.0", "sctp")
    assert client.connect(EPHEMERAL, US, "sctp") == "ok"
    assert server.accept() == "ok"
    converse(client, server)
    forget(vm)
    vm.run("sleep 3")
    converse(server, client)
    assert vm.denials() == []
