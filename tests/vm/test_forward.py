# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet that passes through a host is checked against the label that the host gives it.

SELinux checks it twice (security/selinux/hooks.c, Linux 6.12, with the policy capability network_peer_controls that
Debian's policy has): selinux_ip_forward asks for `packet forward_in` in the FORWARD hook at priority -225, and
selinux_ip_postroute for `packet forward_out` in POST_ROUTING at 225. No process of this host is party to it: the source
context is the peer label that came with the packet (NetLabel, labelled IPsec), and a packet without one has unlabeled_t. So
the policy speaks about forwarded traffic in rules such as
`allow unlabeled_t intranet_packet_t:packet { forward_in forward_out };`.
"""

from __future__ import annotations

import pytest
from audit import packet_denials
from labelling import SLOW, apply, cable, refused, remembered, write_labels
from machine import Machine
from running import systemctl
from service_journal import ServiceJournal
from talking import SILENCE, Talker, converse, hang_up, inside, open_connection

from secmarkd.events import ConfigurationProblem, ForwardingDenied, ReloadRejected

PEER = "unlabeled_t"
RIGHT = "192.0.2.2"
INTRANET, OTHER = 8443, 9000

LABELS = """
[labels.intranet]
type = "intranet_packet_t"
role = "forward"
tcp = [8443]
"""


def allow(permissions: str) -> str:
    return f"(allow {PEER} intranet_packet_t (packet ({permissions})))\n"


@pytest.fixture(scope="module")
def labelled(installing: Machine) -> Machine:
    vm = installing
    vm.restore("installed")
    cable(vm, "left", "router", "198.51.100")
    cable(vm, "router", "right", "192.0.2")
    vm.run(
        "ip -n left route add default via 198.51.100.2; ip -n right route add default via 192.0.2.1; "
        "nsenter --net=/run/netns/router sysctl -qw net.ipv4.ip_forward=1"
    )
    apply(vm, LABELS, netns="router")
    vm.enforcing()
    vm.snapshot("forward")
    return vm


@pytest.fixture
def vm(labelled: Machine) -> Machine:
    """Hosts `left` and `right`, which do not label, and between them `router`, which labels what it forwards."""
    labelled.restore("forward")
    return labelled


@pytest.fixture
def ends(vm: Machine) -> tuple[Talker, Talker]:
    """A server on the right and a client on the left; their domain may use any label."""
    return Talker(vm, "unconfined_t", netns="right"), Talker(vm, "unconfined_t", netns="left")


def test_passes_when_the_policy_allows_its_label(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    server, client = ends
    vm.change_policy(add={"forwarding": allow("forward_in forward_out")})
    open_connection(server, client, INTRANET, RIGHT)
    converse(client, server)
    assert remembered(vm, INTRANET, netns="router") == {"intranet_packet_t"}
    hang_up(client, server)
    assert vm.denials() == []


def test_is_denied_on_its_way_in(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    server, client = ends
    server.listen(INTRANET, RIGHT)
    assert client.connect(INTRANET, RIGHT, seconds=SILENCE) == "timeout"
    assert server.accept(seconds=0.5) == "timeout"
    denials = vm.denials()
    assert refused(denials, PEER) == {("forward_in", "intranet_packet_t")}
    assert {each.dport for each in denials} == {INTRANET}


def test_is_denied_on_its_way_out(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    server, client = ends
    vm.change_policy(add={"forwarding": allow("forward_in")})
    server.listen(INTRANET, RIGHT)
    assert client.connect(INTRANET, RIGHT, seconds=SILENCE) == "timeout"
    assert refused(vm.denials(), PEER) == {("forward_out", "intranet_packet_t")}


def test_answers_have_the_same_label(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    server, client = ends
    vm.permissive()  # where each use of a label is reported once
    open_connection(server, client, INTRANET, RIGHT)
    vm.audit()
    vm.run("setenforce 1; setenforce 0")  # forgets what was reported
    server.send("unasked")
    assert client.receive() == "unasked"
    denials = [each for each in vm.denials() if each.sport == INTRANET]
    assert refused(denials, PEER) == {("forward_in", "intranet_packet_t"), ("forward_out", "intranet_packet_t")}


def test_without_a_label_it_keeps_what_it_has(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    """Which the policy of Debian allows to pass."""
    server, client = ends
    granted = f"(auditallow {PEER} self (packet (forward_in forward_out)))\n"
    vm.change_policy(add={"forwarding": granted})
    open_connection(server, client, OTHER, RIGHT)
    converse(client, server)
    audit = vm.audit()
    for permission in ("forward_in", "forward_out"):
        assert f"granted  {{ {permission} }}" in audit
    assert remembered(vm, OTHER, netns="router") == set()
    assert packet_denials(audit) == []


def test_a_default_labels_the_rest(vm: Machine, ends: tuple[Talker, Talker]) -> None:
    server, client = ends
    vm.change_policy(add={"forwarding": allow("forward_in forward_out")})
    apply(vm, LABELS, netns="router", settings='[default]\nforward = "intranet_packet_t"\n')
    open_connection(server, client, OTHER, RIGHT)
    converse(client, server)
    assert vm.denials() == []


DEFAULT = '[default]\nforward = "intranet_packet_t"\n'


def test_a_default_that_would_end_all_forwarding_is_refused_with_its_place(vm: Machine) -> None:
    write_labels(vm, LABELS, settings=DEFAULT)
    before = vm.run(f"{inside('router')} nft list table inet secmarkd").out
    for verb in ("check", "plan"):
        said = vm.run(f"{inside('router')} secmarkctl {verb}", check=False).out
        assert "warning: /etc/secmarkd/secmarkd.toml:2: default.forward: the loaded policy denies unlabeled_t" in said
    applied = vm.run(f"{inside('router')} secmarkctl apply", timeout=SLOW, check=False)
    assert applied.rc == 78
    assert "/etc/secmarkd/secmarkd.toml:2: default.forward: " in applied.err
    assert "allow unlabeled_t intranet_packet_t:packet { forward_in forward_out };" in applied.err
    assert vm.run(f"{inside('router')} nft list table inet secmarkd").out == before


def test_a_default_that_the_policy_denies_is_taken_where_nothing_is_refused(vm: Machine) -> None:
    write_labels(vm, LABELS, settings=DEFAULT)
    vm.permissive()
    vm.run(f"{inside('router')} secmarkctl apply", timeout=SLOW)
    vm.enforcing()
    vm.run(f"{inside('router')} sysctl -qw net.ipv4.ip_forward=0")
    vm.run(f"{inside('router')} secmarkctl apply", timeout=SLOW)


def test_a_service_that_forwards_keeps_its_labels_when_a_reload_would_end_that(serving: Machine) -> None:
    journal = ServiceJournal(serving)
    serving.run("sysctl -qw net.ipv4.ip_forward=1")
    before = serving.run("nft list table inet secmarkd").out
    write_labels(serving, "", settings='[default]\nforward = "server_packet_t"\n')
    assert systemctl(serving, "reload", check=False).rc != 0
    assert serving.run("nft list table inet secmarkd").out == before
    (problem,) = journal.entries(ConfigurationProblem)
    assert (problem["SECMARKD_FILE"], problem["SECMARKD_LINE"]) == ("/etc/secmarkd/secmarkd.toml", "2")
    assert journal.entries(ReloadRejected)
    serving.run("sysctl -qw net.ipv4.ip_forward=0")
    systemctl(serving, "reload")
    (warned,) = journal.messages(ForwardingDenied)
    assert "default.forward: the loaded policy denies unlabeled_t forward_in and forward_out" in warned
