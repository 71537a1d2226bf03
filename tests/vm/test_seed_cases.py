# SPDX-License-Identifier: GPL-2.0-or-later
"""The four seed cases of the label map, as they are written, on an enforcing machine."""

from __future__ import annotations

import pytest
from domains import PRELOADED_DOMAINS
from labelling import apply, cable, refused, remembered
from machine import Machine
from talking import SILENCE, Talker, converse, hang_up, open_connection

HTTPS = 443
SSH = 22
UNLABELLED = 12345
BROWSER = "smd_client_t"

MYAUTH = """
[labels.myauth]
type = "myauth_packet_t"
role = "server"
tcp = [443]
"""


@pytest.fixture(scope="module")
def one_type(installing: Machine) -> Machine:
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    apply(installing, MYAUTH)
    installing.enforcing()
    installing.snapshot("myauth")
    return installing


@pytest.fixture(scope="module")
def two_hosts(installing: Machine) -> Machine:
    installing.restore("installed")
    cable(installing, "one", "two", "192.0.2")
    for name in ("one", "two"):
        apply(installing, netns=name)
    installing.enforcing()
    installing.snapshot("two-hosts")
    return installing


class TestOneType:
    """`iptables -t mangle -A INPUT -p tcp --dport 443 -j SECMARK --selctx system_u:object_r:myauth_packet_t`."""

    @pytest.fixture
    def vm(self, one_type: Machine) -> Machine:
        """A host that labels TCP port 443, and another one that does not, on 192.0.2.2."""
        one_type.restore("myauth")
        return one_type

    def test_a_server_in_its_domain_works(self, vm: Machine) -> None:
        server, client = Talker(vm, "smd_auth_t"), Talker(vm, "unconfined_t", netns="peer")
        open_connection(server, client, HTTPS, "192.0.2.1")
        converse(client, server)
        assert remembered(vm, HTTPS) == {"myauth_packet_t"}
        hang_up(client, server)
        assert vm.denials() == []

    def test_a_server_in_another_domain_hears_nothing(self, vm: Machine) -> None:
        server, client = Talker(vm, "smd_server_t"), Talker(vm, "unconfined_t", netns="peer")
        server.listen(HTTPS, "192.0.2.1")
        assert client.connect(HTTPS, "192.0.2.1", seconds=SILENCE) == "timeout"
        assert refused(vm.denials(), "smd_server_t") == {("recv", "myauth_packet_t")}

    def test_the_domain_can_serve_no_other_port(self, vm: Machine) -> None:
        server, client = Talker(vm, "smd_auth_t"), Talker(vm, "unconfined_t", netns="peer")
        server.listen(80, "192.0.2.1")
        assert client.connect(80, "192.0.2.1", seconds=SILENCE) == "timeout"
        assert refused(vm.denials(), "smd_auth_t") == {("recv", "http_server_packet_t")}

    def test_outgoing_connections_to_that_port_are_not_meant(self, vm: Machine) -> None:
        server, client = Talker(vm, "unconfined_t", netns="peer"), Talker(vm, "smd_client_t")
        open_connection(server, client, HTTPS, "192.0.2.2")
        converse(client, server)
        assert remembered(vm, HTTPS) == {"http_client_packet_t"}


class TestBrowser:
    """A domain that the policy allows `packet { send recv }` on http_client_packet_t only."""

    @pytest.fixture
    def vm(self, labelled: Machine) -> Machine:
        """A host with the shipped labels, and another one on 192.0.2.2."""
        return labelled

    def test_is_allowed_one_label(self) -> None:
        assert PRELOADED_DOMAINS[BROWSER.removesuffix("_t")] == {"http_client_packet_t": "send recv"}

    def test_can_browse(self, vm: Machine) -> None:
        server, client = Talker(vm, "unconfined_t", netns="peer"), Talker(vm, BROWSER)
        for port in (80, HTTPS):
            open_connection(server, client, port, "192.0.2.2")
            converse(client, server)
            hang_up(client, server)
        assert vm.denials() == []

    @pytest.mark.parametrize(
        ("port", "label"),
        [(SSH, "ssh_client_packet_t"), (25, "smtp_client_packet_t"), (UNLABELLED, "client_packet_t")],
    )
    def test_can_open_no_other_connection(self, vm: Machine, port: int, label: str) -> None:
        server, client = Talker(vm, "unconfined_t", netns="peer"), Talker(vm, BROWSER)
        server.listen(port, "192.0.2.2")
        assert client.connect(port, "192.0.2.2") == "ECONNREFUSED"
        assert server.accept(seconds=0.5) == "timeout"
        assert refused(vm.denials(), BROWSER) == {("send", label)}
        assert Talker(vm, "unconfined_t").connect(port, "192.0.2.2") == "ok"

    def test_gets_no_answer_to_its_datagrams_either(self, vm: Machine) -> None:
        client = Talker(vm, BROWSER)
        assert client.connect(53, "192.0.2.2", kind="udp") == "ok"
        assert client.send("question") == "ECONNREFUSED"
        assert refused(vm.denials(), BROWSER) == {("send", "dns_client_packet_t")}


class TestTwoHosts:
    """The same HTTP connection has one label on one host and another on the other.

    The hosts are two network namespaces, each labelled by itself. Between real hosts no label can cross the wire; a veth
    cable does carry the label of a packet over, so this also shows that the receiving host's own label takes its place.
    """

    @pytest.fixture
    def vm(self, two_hosts: Machine) -> Machine:
        """Hosts `one` on 192.0.2.1 and `two` on 192.0.2.2."""
        two_hosts.restore("two-hosts")
        return two_hosts

    def test_each_has_a_label_of_its_own(self, vm: Machine) -> None:
        client, server = Talker(vm, "smd_client_t", netns="one"), Talker(vm, "smd_server_t", netns="two")
        open_connection(server, client, 80, "192.0.2.2")
        converse(client, server)
        assert remembered(vm, 80, netns="one") == {"http_client_packet_t"}
        assert remembered(vm, 80, netns="two") == {"http_server_packet_t"}
        hang_up(client, server)
        assert vm.denials() == []

    def test_no_other_label_is_seen_at_either_end(self, vm: Machine) -> None:
        vm.permissive()  # where each use of a label is reported once
        client = Talker(vm, "smd_none_t", netns="one")
        server = Talker(vm, "smd_auth_t", netns="two")
        open_connection(server, client, 80, "192.0.2.2")
        converse(client, server)
        hang_up(client, server)
        denials = vm.denials()
        both = ("send", "recv")
        assert refused(denials, "smd_none_t") == {(permission, "http_client_packet_t") for permission in both}
        assert refused(denials, "smd_auth_t") == {(permission, "http_server_packet_t") for permission in both}


class TestShippedLabels:
    """ "There is no default labeling": a machine without a label file of its own labels its services all the same.

    Here this is the work of the label map in /usr/lib/secmarkd. That `policy_ports` alone labels every service that the
    loaded policy knows is the seed case as written, and comes with policy_ports in a later issue.
    """

    @pytest.mark.parametrize(
        ("port", "service"), [(SSH, "ssh"), (25, "smtp"), (389, "ldap"), (5432, "postgresql"), (UNLABELLED, "")]
    )
    def test_services_are_labelled_without_a_word(self, labelled: Machine, port: int, service: str) -> None:
        labelled.permissive()
        server, client = Talker(labelled, "smd_none_t"), Talker(labelled, "smd_auth_t")
        open_connection(server, client, port)
        converse(client, server)
        denials = labelled.denials()
        kind = f"{service}_" if service else ""
        assert {label for _, label in refused(denials, "smd_none_t")} == {f"{kind}server_packet_t"}
        assert {label for _, label in refused(denials, "smd_auth_t")} == {f"{kind}client_packet_t"}
