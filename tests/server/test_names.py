# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and who needs them: systemd-resolved's stub, multicast DNS, NetBIOS, and services that look their clients up."""

from __future__ import annotations

import pytest
from domains import confined
from machine import TREE, Handle, Machine
from talking import inside
from traffic import in_domain

from tests.server.services import (
    HEARD_SECONDS,
    HOST,
    PEER,
    QUERY_SECONDS,
    START_SECONDS,
    avahi_on_peer,
    of,
    on_peer,
    start,
)

RESOLVER = "smd_resolver"
ASK_MDNS = f"python3 -B {TREE}/tests/server/guest/ask_mdns.py"


def asked(vm: Machine, question: str) -> str:
    """What a program that may use packets of DNS clients, and no others, gets to know."""
    return vm.run(in_domain(f"{RESOLVER}_t", question), timeout=QUERY_SECONDS, check=False).out.strip()


def heard_by_peer(vm: Machine, what: str) -> Handle:
    """Wait on the other host for one packet of this host's; it is listened for when this returns."""
    capture = f"tcpdump -n -l -c 1 -i host 'src {HOST} and {what}' 2>/run/capture"
    seen = vm.start(f"{inside('peer')} timeout {HEARD_SECONDS} {capture}")
    vm.run("until grep -q listening /run/capture 2>/dev/null; do sleep 0.1; done", timeout=QUERY_SECONDS)
    return seen


class TestTheStubOfResolved:
    @pytest.fixture
    def resolving(self, labelled: Machine) -> Machine:
        confined(labelled, RESOLVER, {"dns_client_packet_t": "send recv"})
        start(labelled, "systemd-resolved")
        return labelled

    def test_answers_the_confined_programs_of_this_host(self, resolving: Machine) -> None:
        assert asked(resolving, "getent ahostsv4 www.example.org").split()[:1] == [PEER]
        for stub in ("127.0.0.53", "127.0.0.54"):
            for transport in ("+notcp", "+tcp"):
                question = f"dig +short +tries=2 +time=10 {transport} @{stub}"
                assert asked(resolving, f"{question} www.example.org") == PEER
                assert asked(resolving, f"{question} -x {PEER}") == "www.example.org."
        assert of(resolving.denials(), f"{RESOLVER}_t") == []

    def test_is_denied_nothing_but_llmnr_which_the_policy_does_not_know(self, resolving: Machine) -> None:
        assert asked(resolving, "getent ahostsv4 www.example.org").split()[:1] == [PEER]
        resolving.run("resolvectl query --cache=no -4 nobody", timeout=QUERY_SECONDS, check=False)  # asks LLMNR
        denied = [each for each in resolving.denials() if each.source == "systemd_resolved_t"]
        assert {each.target for each in denied} == {"llmnr_client_packet_t", "llmnr_server_packet_t"}

    def test_is_denied_nothing_where_llmnr_is_off(self, resolving: Machine) -> None:
        resolving.run("printf '[Resolve]\\nLLMNR=no\\n' >/etc/systemd/resolved.conf.d/no-llmnr.conf")
        resolving.run("systemctl restart systemd-resolved", timeout=START_SECONDS)
        resolving.audit()
        assert asked(resolving, "getent ahostsv4 www.example.org").split()[:1] == [PEER]
        resolving.run("resolvectl query --cache=no -4 nobody", timeout=QUERY_SECONDS, check=False)
        assert of(resolving.denials(), "systemd_resolved_t") == []


class TestAvahi:
    def test_announces_this_host_and_answers_others(self, labelled: Machine) -> None:
        announced = heard_by_peer(labelled, "udp port 5353 and dst 224.0.0.251")
        start(labelled, "avahi-daemon")
        announced.wait(HEARD_SECONDS)
        assert on_peer(labelled, f"{ASK_MDNS} {PEER} secmarkd-vm.local", timeout=QUERY_SECONDS).out.strip() == HOST
        assert of(labelled.denials(), "avahi_t") == []

    def test_finds_others(self, labelled: Machine) -> None:
        start(labelled, "avahi-daemon")
        avahi_on_peer(labelled)
        found = labelled.run("avahi-resolve -4 -n other.local", timeout=QUERY_SECONDS).out
        assert found.split() == ["other.local", PEER]
        assert of(labelled.denials(), "avahi_t") == []


class TestSamba:
    @pytest.fixture
    def sharing(self, labelled: Machine) -> Machine:
        start(labelled, "systemd-resolved")
        return labelled

    def test_announces_its_name_and_answers_to_it(self, sharing: Machine) -> None:
        announced = heard_by_peer(sharing, "udp port 137 and dst 192.0.2.255")
        start(sharing, "nmbd")
        announced.wait(HEARD_SECONDS)
        ask = "nmblookup -B 192.0.2.255 LABSERVER"  # which it answers once nobody has objected to the name
        found = on_peer(sharing, f"sh -c 'until {ask}; do sleep 1; done'", timeout=QUERY_SECONDS).out
        assert f"{HOST} LABSERVER<00>" in found
        assert of(sharing.denials(), "nmbd_t") == []

    def test_lists_its_shares_for_another_host(self, sharing: Machine) -> None:
        start(sharing, "smbd", "nmbd")
        ask = f"smbclient -N -L //{HOST}"  # what answers is a helper of smbd, which it starts for the first question
        on_peer(sharing, f"sh -c 'until {ask} | grep public; do sleep 1; done'", timeout=QUERY_SECONDS)
        assert of(sharing.denials(), "smbd_t", "nmbd_t") == []


def test_mariadb_looks_up_who_connects_from_another_host(labelled: Machine) -> None:
    start(labelled, "systemd-resolved", "mariadb")
    labelled.run("mariadb -e \"create user probe@'www.example.org'\"", timeout=QUERY_SECONDS)
    query = f"mariadb --protocol=tcp --skip-ssl -h {HOST} -u probe -N -e 'select user()'"
    assert on_peer(labelled, query, timeout=QUERY_SECONDS).out.strip() == "probe@www.example.org"
    assert of(labelled.denials(), "mysqld_t") == []
