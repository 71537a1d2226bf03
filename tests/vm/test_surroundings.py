# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens around the running service: another firewall, another policy, another time, a journal that is away."""

from __future__ import annotations

import re

import pytest
from domains import type_module
from labelling import LABELS, SLOW
from machine import Machine
from running import LIST, reload, shown
from service_journal import ServiceJournal
from talking import Talker

from secmarkd import events

DELETE = "nft delete element inet secmarkd server_port '{ tcp . 22 }'"
REPAIRED = (
    "until systemctl show -P StatusText secmarkd | grep -q 'in sync: .*; last drift less than'; do sleep 0.1; done"
)
"""The service manager is told after the journal has been, or would have been."""
OWN_TYPES = """\
[labels.auth]
type = "myauth_packet_t"
role = "client"
tcp = [9998]

[labels.intranet]
type = "intranet_packet_t"
role = "client"
tcp = [9999]
"""
FILL = """\
import socket
sent, links = 0, []
while True:  # one sender's own buffer is full sooner than journald's queue
    links.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    links[-1].setblocking(False)
    before = sent
    try:
        while True:
            links[-1].sendto(b"MESSAGE=of another service\\n", "/run/systemd/journal/socket")
            sent += 1
    except BlockingIOError:
        if sent == before:
            break
print(sent)
"""


@pytest.fixture
def vm(serving: Machine) -> Machine:
    """Enforcing, the service enabled and running with the shipped labels."""
    return serving


@pytest.mark.fault(1)
class TestOtherFirewall:
    @pytest.mark.fault(4)
    def test_the_distributions_ruleset_service_flushes_and_the_labels_come_back(self, vm: Machine) -> None:
        units = set()
        for command in ("start", "reload", "restart", "stop"):
            journal = ServiceJournal(vm)
            vm.run(f"systemctl {command} nftables")
            journal.wait(events.DriftRepaired)
            entries = journal.entries(events.DriftDetected)
            assert {each["SECMARKD_THING"] for each in entries} == {"table"}
            assert {each["SECMARKD_BY_COMM"] for each in entries} == {"nft"}
            units |= {each.get("SECMARKD_BY_UNIT", "") for each in entries}
            assert "tcp . 22 :" in vm.run(LIST).out
        assert units - {""} == {"nftables.service"}, "nft may be gone before anyone looks, but not four times"
        assert shown(vm, "NRestarts") == "0"


STORM = """\
import time
from nftables import Nftables
nft = Nftables()
while True:
    nft.cmd("add counter inet secmarkd x; delete counter inet secmarkd x")
    time.sleep(0.001)
"""
"""On our table, and changing nothing in the end."""


class TestStorm:
    def test_is_two_lines_with_its_unit_and_stands_in_nobodys_way(self, vm: Machine) -> None:
        vm.put(STORM, "/root/storm.py")
        journal = ServiceJournal(vm)
        vm.run("systemd-run --quiet --unit=storm /usr/bin/python3 /root/storm.py")
        journal.wait(events.RulesetBusy)
        vm.run("sleep 8")
        (busy,) = journal.entries(events.RulesetBusy)
        assert busy["SECMARKD_BY_UNIT"] == "storm.service"
        assert int(busy["SECMARKD_COMMITS_PER_SECOND"]) > 0
        assert not journal.entries(events.Degraded)
        said = vm.run("secmarkctl status", check=False).out
        assert "storm.service" in said
        reloaded = vm.run("systemctl reload secmarkd; secmarkctl status --json", SLOW, check=False).out
        assert '"busy": "python3 (process ' in reloaded
        vm.run(DELETE)
        journal.wait(events.DriftDetected)
        drift = journal.entries(events.DriftDetected)[0]
        assert "22" in drift["SECMARKD_OBJECT"]
        assert "nft" in drift["SECMARKD_BY_COMM"].split(",")
        vm.run("systemctl stop storm")
        journal.wait(events.RulesetCalm)
        assert "░░ Subject: Packet labels can be read again" in journal.text("-x")
        vm.run("secmarkctl status")


class TestPolicy:
    @pytest.mark.fault(35, 36)
    def test_a_load_that_drops_one_type_and_renumbers_another_leaves_all_labels_and_is_told(
        self, vm: Machine
    ) -> None:
        reload(vm, OWN_TYPES)
        journal, before = ServiceJournal(vm), vm.run(LIST).out
        more = "".join(type_module(f"smd_more{number}_t") for number in range(30))
        vm.change_policy(
            remove=["smd_auth", "myauth_packet_t", "intranet_packet_t"],
            add={"more": more, "intranet_packet_t": type_module("intranet_packet_t")},
        )
        journal.wait(events.ContextsUnknown)
        (told,) = journal.messages(events.ContextsUnknown)
        assert f"system_u:object_r:myauth_packet_t:s0 ({LABELS}:4: labels.auth" in told
        assert "intranet" not in told
        status = shown(vm, "StatusText")
        assert status.startswith(
            "degraded: in sync, but the loaded policy does not know the context system_u:object_r"
        )
        assert vm.run("secmarkctl status", check=False).rc == 1
        assert vm.run(LIST).out == before

        client = Talker(vm, "smd_client_t")
        assert [client.connect(port) for port in (22, 9999)] == ["ECONNREFUSED"] * 2
        assert {each.target for each in vm.denials()} == {"ssh_client_packet_t", "intranet_packet_t"}

        vm.run(DELETE)
        journal.wait(events.DriftRepaired)
        assert shown(vm, "StatusText").startswith("degraded: in sync, but")

        vm.change_policy(add={"myauth_packet_t": type_module("myauth_packet_t")})
        journal.wait(events.ContextsKnown)
        assert shown(vm, "StatusText").startswith("in sync: ")
        assert client.connect(9998) == "ECONNREFUSED"
        assert {each.target for each in vm.denials()} == {"myauth_packet_t"}
        assert journal.messages(events.ContextsUnknown) == [told]

    @pytest.mark.fault(34)
    def test_permissive_and_enforcing_are_told(self, vm: Machine) -> None:
        for change, mode in ((vm.permissive, "permissive"), (vm.enforcing, "enforcing")):
            journal = ServiceJournal(vm)
            change()
            journal.wait(events.EnforcementChanged)
            (told,) = journal.messages(events.EnforcementChanged)
            assert told.startswith(f"SELinux is now {mode}; ")
        assert shown(vm, "StatusText").startswith("in sync: ")


class TestClock:
    @pytest.mark.fault(42)
    def test_a_day_forward_and_back_is_no_reason_for_anything(self, vm: Machine) -> None:
        journal, pid = ServiceJournal(vm), shown(vm, "MainPID")
        woken = f"grep -h ctxt_switches /proc/{pid}/status"
        before = vm.run(woken).out
        vm.run("date -s '+1 day' && date -s '-2 days' && date -s '+1 day'")
        assert vm.run(woken).out == before
        vm.run(DELETE)
        journal.wait(events.DriftRepaired)
        assert [re.split("[:;]", line)[0] for line in journal.text("-o cat").splitlines()] == ["drift", "repaired"]
        assert shown(vm, "StatusText").endswith("; last drift less than two minutes ago")


@pytest.mark.fault(43)
class TestJournal:
    def test_that_hangs_with_a_full_queue_delays_no_repair(self, vm: Machine) -> None:
        journal = ServiceJournal(vm)
        vm.run("systemctl kill -s STOP systemd-journald")
        assert int(vm.run("python3 -", input=FILL).out) > 0
        vm.run(DELETE)
        vm.run(REPAIRED)
        assert "tcp . 22 :" in vm.run(LIST).out
        vm.run("systemctl kill -s CONT systemd-journald")
        journal.wait(events.DriftRepaired)
        (drift,) = journal.messages(events.DriftDetected)
        assert re.search(r"\(delayed [^)]+\)$", drift)
        assert shown(vm, "NRestarts") == "0"

    def test_that_is_stopped_with_its_sockets_and_started_again_gets_everything(self, vm: Machine) -> None:
        journal, pid = ServiceJournal(vm), shown(vm, "MainPID")
        units = vm.run("systemctl list-units --plain --no-legend 'systemd-journald*' | cut -d' ' -f1").out.split()
        vm.run(f"systemctl stop {' '.join(units)}")
        assert vm.run("systemctl is-active systemd-journald.socket", check=False).out == "inactive\n"
        vm.run(DELETE)
        vm.run(REPAIRED)
        assert "tcp . 22 :" in vm.run(LIST).out
        vm.run(f"systemctl start {' '.join(units)}", timeout=SLOW)
        journal.wait(events.DriftRepaired)
        assert len(journal.messages(events.DriftDetected)) == 1
        assert (shown(vm, "MainPID"), shown(vm, "NRestarts")) == (pid, "0")
