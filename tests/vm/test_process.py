# SPDX-License-Identifier: GPL-2.0-or-later
"""Labels by the local process: every packet of its connections has its label, answers included.

In output the hook sees the process. In input it sees it only where early demultiplexing finds its socket (TCP and connected
UDP); elsewhere the label saved on the connection decides. The process's domain may use its label and no other here, so a
single packet with another one would be denied.
"""

from __future__ import annotations

import pytest
from labelling import apply, cable, refused, remembered
from machine import Machine
from talking import Talker, converse, hang_up, open_connection

ALICE = 1000
STAFF = 50
PEER = "192.0.2.2"
UDP = 5000

BY_USER = f"""
[labels.alice]
type = "myauth_packet_t"
role = "client"
user = [{ALICE}]

[labels.staff]
type = "myauth_packet_t"
role = "client"
group = [{STAFF}]

[labels.http]
tcp = [80]
udp = [{UDP}]
"""
BY_CGROUP = """
[labels.unit]
type = "myauth_packet_t"
role = "client"
cgroup = ["system.slice/labelled.scope"]
"""
IN_CGROUP = "systemd-run --quiet --scope --unit=labelled"


@pytest.fixture(scope="module")
def by_user(installing: Machine) -> Machine:
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    apply(installing, BY_USER)
    installing.enforcing()
    installing.snapshot("by-user")
    return installing


@pytest.fixture(scope="module")
def by_cgroup(installing: Machine) -> tuple[Machine, Talker]:
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    client = Talker(installing, "smd_auth_t", prefix=IN_CGROUP)
    apply(installing, BY_CGROUP)
    installing.enforcing()
    installing.snapshot("by-cgroup")
    return installing, client


@pytest.fixture
def vm(by_user: Machine) -> Machine:
    """What the user 1000 and the group 50 send is labelled; another host on 192.0.2.2 does not label."""
    by_user.restore("by-user")
    return by_user


class Place:
    """Where the server is, and what may hear it there."""

    def __init__(self, vm: Machine, name: str) -> None:
        self.address = {"another host": PEER, "loopback": "127.0.0.1"}[name]
        if name == "loopback":
            self.server = Talker(vm, "smd_server_t")
        else:
            self.server = Talker(vm, "unconfined_t", netns="peer")


@pytest.fixture(params=["another host", "loopback"])
def place(request: pytest.FixtureRequest, vm: Machine) -> Place:
    return Place(vm, request.param)


class TestUser:
    def test_tcp(self, vm: Machine, place: Place) -> None:
        client = Talker(vm, "smd_auth_t", uid=ALICE)
        open_connection(place.server, client, 80, place.address)
        converse(client, place.server)
        converse(place.server, client)
        assert remembered(vm, 80) == {"myauth_packet_t"}
        hang_up(client, place.server)
        assert [each.raw for each in vm.denials()] == []

    def test_tcp_closed_by_the_server(self, vm: Machine, place: Place) -> None:
        client = Talker(vm, "smd_auth_t", uid=ALICE)
        open_connection(place.server, client, 80, place.address)
        hang_up(place.server, client)
        assert [each.raw for each in vm.denials()] == []

    def test_connected_udp(self, vm: Machine, place: Place) -> None:
        client = Talker(vm, "smd_auth_t", uid=ALICE)
        place.server.listen(UDP, place.address, "udp")
        assert client.connect(UDP, place.address, "udp") == "ok"
        for number in range(3):
            assert client.send(f"question {number}") == "ok"
            assert place.server.receive("listener") == f"question {number}"
            assert place.server.reply(f"answer {number}") == "ok"
            assert client.receive() == f"answer {number}"
        assert [each.raw for each in vm.denials()] == []

    def test_unconnected_udp(self, vm: Machine, place: Place) -> None:
        client = Talker(vm, "smd_auth_t", uid=ALICE)
        place.server.listen(UDP, place.address, "udp")
        client.listen(0, "0.0.0.0", "udp", "it")
        for number in range(3):
            assert client.send(f"question {number}", to=(place.address, UDP)) == "ok"
            assert place.server.receive("listener") == f"question {number}"
            assert place.server.reply(f"answer {number}") == "ok"
            assert client.receive() == f"answer {number}"
        assert [each.raw for each in vm.denials()] == []

    def test_another_user_has_not_its_label(self, vm: Machine, place: Place) -> None:
        place.server.listen(80, place.address)
        other = Talker(vm, "smd_auth_t")
        assert other.connect(80, place.address) == "ECONNREFUSED"
        assert refused(vm.denials(), "smd_auth_t") == {("send", "http_client_packet_t")}

    def test_the_label_is_of_no_use_to_another_domain(self, vm: Machine, place: Place) -> None:
        place.server.listen(80, place.address)
        other = Talker(vm, "smd_client_t", uid=ALICE)
        assert other.connect(80, place.address) == "ECONNREFUSED"
        assert refused(vm.denials(), "smd_client_t") == {("send", "myauth_packet_t")}


class TestGroup:
    def test_tcp(self, vm: Machine, place: Place) -> None:
        client = Talker(vm, "smd_auth_t", gid=STAFF)
        open_connection(place.server, client, 80, place.address)
        converse(client, place.server)
        converse(place.server, client)
        assert remembered(vm, 80) == {"myauth_packet_t"}
        hang_up(client, place.server)
        assert [each.raw for each in vm.denials()] == []

    def test_unconnected_udp(self, vm: Machine, place: Place) -> None:
        client = Talker(vm, "smd_auth_t", gid=STAFF)
        place.server.listen(UDP, place.address, "udp")
        client.listen(0, "0.0.0.0", "udp", "it")
        assert client.send("question", to=(place.address, UDP)) == "ok"
        assert place.server.receive("listener") == "question"
        assert place.server.reply("answer") == "ok"
        assert client.receive() == "answer"
        assert [each.raw for each in vm.denials()] == []

    def test_another_group_has_not_its_label(self, vm: Machine, place: Place) -> None:
        place.server.listen(80, place.address)
        other = Talker(vm, "smd_auth_t", gid=STAFF + 1)
        assert other.connect(80, place.address) == "ECONNREFUSED"
        assert refused(vm.denials(), "smd_auth_t") == {("send", "http_client_packet_t")}


class TestCgroup:
    @pytest.mark.parametrize("name", ["another host", "loopback"])
    def test_tcp(self, by_cgroup: tuple[Machine, Talker], name: str) -> None:
        vm, client = by_cgroup
        vm.restore("by-cgroup")
        place = Place(vm, name)
        open_connection(place.server, client, 80, place.address)
        converse(client, place.server)
        converse(place.server, client)
        hang_up(client, place.server)
        assert [each.raw for each in vm.denials()] == []

    def test_unconnected_udp(self, by_cgroup: tuple[Machine, Talker]) -> None:
        vm, client = by_cgroup
        vm.restore("by-cgroup")
        place = Place(vm, "another host")
        place.server.listen(UDP, place.address, "udp")
        client.listen(0, "0.0.0.0", "udp", "it")
        for number in range(2):
            assert client.send(f"question {number}", to=(place.address, UDP)) == "ok"
            assert place.server.receive("listener") == f"question {number}"
            assert place.server.reply(f"answer {number}") == "ok"
            assert client.receive() == f"answer {number}"
        assert [each.raw for each in vm.denials()] == []

    def test_a_process_outside_of_it_has_not_its_label(self, by_cgroup: tuple[Machine, Talker]) -> None:
        vm, _ = by_cgroup
        vm.restore("by-cgroup")
        Place(vm, "another host").server.listen(80, PEER)
        assert Talker(vm, "smd_auth_t").connect(80, PEER) == "ECONNREFUSED"
