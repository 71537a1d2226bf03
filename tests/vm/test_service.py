# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed service under the real systemd of an enforcing machine, used as administrators use it."""

from __future__ import annotations

import json
import re

import pytest
from labelling import LABELS, SLOW, write_labels
from machine import Machine
from running import LIST, reload, shown, systemctl
from service_journal import UNIT, ServiceJournal
from talking import Talker

from secmarkd import events

BROKEN = """\
[labels.web]
tcp = [80, 70000]

[labels.mail]
tpc = [25]
"""


@pytest.fixture
def vm(serving: Machine) -> Machine:
    """Enforcing, the service enabled and running with the shipped labels."""
    return serving


class TestStart:
    def test_is_told_by_systemd_and_the_journal(self, vm: Machine) -> None:
        journal = ServiceJournal(vm, all=True)
        assert shown(vm, "ActiveState") == "active"
        assert shown(vm, "UnitFileState") == "enabled"
        assert re.fullmatch(r"in sync: \d+ labels, \d+ elements; last drift never", shown(vm, "StatusText"))
        assert len(journal.messages(events.Started)) == 1
        (ready,) = journal.entries(events.Ready)
        assert ready["_SYSTEMD_UNIT"] == UNIT
        assert ready["SECMARKD_MODE"] == "label"
        assert "in sync" in journal.text()

    def test_is_watched_over(self, vm: Machine) -> None:
        assert shown(vm, "WatchdogUSec") == "1min"
        assert int(shown(vm, "WatchdogTimestampMonotonic")) > 0

    def test_labels_packets(self, vm: Machine) -> None:
        Talker(vm, "unconfined_t").listen(22)
        assert Talker(vm, "smd_client_t").connect(22) == "ECONNREFUSED"
        assert {each.target for each in vm.denials()} == {"ssh_client_packet_t"}

    def test_the_unit_is_one_that_systemd_finds_no_fault_with(self, vm: Machine) -> None:
        done = vm.run(f"systemd-analyze verify --man=no {UNIT}", check=False)
        assert (done.rc, done.err) == (0, "")

    @pytest.mark.fault(20)
    def test_without_labels_in_etc_is_refused_when_they_are_wrong(self, host: Machine) -> None:
        journal = ServiceJournal(host)
        write_labels(host, BROKEN)
        assert systemctl(host, "start", check=False).rc == 1
        assert shown(host, "ExecMainStatus") == "78"
        assert shown(host, "NRestarts") == "0"
        assert f"{LABELS}:2: " in journal.text()
        assert len(journal.messages(events.StartFailed)) == 1
        assert "secmark" not in host.run("nft list ruleset").out


class TestReload:
    def test_takes_what_was_edited(self, vm: Machine) -> None:
        journal = ServiceJournal(vm)
        reload(vm, '[labels.myauth]\ntype = "myauth_packet_t"\nrole = "server"\ntcp = [9999]\n')
        assert "tcp . 9999" in vm.run(LIST).out
        assert len(journal.messages(events.Reloaded)) == 1
        assert vm.run("secmarkctl plan", timeout=SLOW).rc == 0

    @pytest.mark.fault(22)
    def test_with_mistakes_is_rejected_whole(self, vm: Machine) -> None:
        journal, before, pid = ServiceJournal(vm), vm.run(LIST).out, shown(vm, "MainPID")
        write_labels(vm, BROKEN)
        assert systemctl(vm, "reload", check=False).rc == 1
        assert vm.run(LIST).out == before
        assert shown(vm, "MainPID") == pid
        assert shown(vm, "ActiveState") == "active"
        assert f"last reload rejected: {LABELS}:2: " in shown(vm, "StatusText")
        text = journal.text()
        assert re.search(rf"{LABELS}:2: .*70000", text)
        assert re.search(rf"{LABELS}:5: .*tpc.*tcp", text)
        assert len(journal.messages(events.ConfigurationProblem)) == 2
        assert len(journal.messages(events.ReloadRejected)) == 1

        reload(vm, "")
        assert vm.run(LIST).out == before
        assert "rejected" not in shown(vm, "StatusText")

    def test_with_a_context_that_the_policy_does_not_know_is_rejected_whole(self, vm: Machine) -> None:
        journal, before = ServiceJournal(vm), vm.run(LIST).out
        write_labels(vm, '[labels.strange]\ntype = "no_such_packet_t"\ntcp = [9999]\n')
        done = systemctl(vm, "reload", check=False)
        assert done.rc == 1
        assert vm.run(LIST).out == before
        (rejected,) = journal.entries(events.LabelRejected)
        assert "no_such_packet_t" in rejected["MESSAGE"]
        assert f"{LABELS}:3: labels.strange" in rejected["MESSAGE"]


class TestDrift:
    @pytest.mark.fault(7)
    def test_is_told_and_repaired(self, vm: Machine) -> None:
        journal = ServiceJournal(vm)
        vm.run("nft delete element inet secmarkd server_port '{ tcp . 22 }'")
        systemctl(vm, "kill --kill-whom=main -s USR1")
        journal.wait(events.DriftRepaired)
        (drift,) = journal.entries(events.DriftDetected)
        assert drift["SECMARKD_CHANGE"] == "missing"
        assert "22" in drift["SECMARKD_OBJECT"]
        assert "ssh_server_packet_t" in drift["SECMARKD_EXPECTED"]
        assert drift["PRIORITY"] == "4"
        assert "drift: element missing: " in journal.text()
        assert "tcp . 22 :" in vm.run(LIST).out
        assert "last drift less than two minutes ago" in shown(vm, "StatusText")

    def test_names_the_program_its_unit_and_its_user(self, vm: Machine) -> None:
        journal = ServiceJournal(vm)
        meddler = "(echo 'delete element inet secmarkd server_port { tcp . 22 }'; sleep 600) | nft -i"
        vm.run(f'systemd-run --quiet --unit=meddler bash -c "{meddler}"')
        journal.wait(events.DriftRepaired)
        (drift,) = journal.entries(events.DriftDetected)
        assert drift["SECMARKD_BY_COMM"] == "nft"
        assert drift["SECMARKD_BY_COMMAND"] == "nft -i"
        assert drift["SECMARKD_BY_UNIT"] == "meddler.service"
        assert drift["SECMARKD_BY_UID"] == "0"

    def test_is_explained_by_the_catalogue(self, vm: Machine) -> None:
        journal = ServiceJournal(vm)
        vm.run("nft add rule inet secmarkd input accept")
        systemctl(vm, "kill --kill-whom=main -s USR1")
        journal.wait(events.DriftRepaired)
        text = journal.text("-x")
        assert "░░ Subject: A packet label in the kernel is not as configured" in text
        assert "░░ Subject: Packet labels were repaired" in text
        assert "░░ Defined-By: secmarkd" in text

    def test_that_no_event_tells_is_found_after_resync(self, vm: Machine) -> None:
        """A table that goes with the process that owned it."""
        reload(vm, "", 'resync = "1s"\non_drift = "report"\n')
        journal = ServiceJournal(vm)
        taking = "delete table inet secmarkd; add table inet secmarkd { flags owner; }"
        vm.run(f"systemd-run --quiet --unit=owner bash -c \"(echo '{taking}'; sleep 600) | nft -i\"")
        journal.wait(events.DriftFlood)
        journal = ServiceJournal(vm)
        vm.run("systemctl kill -s KILL owner")
        journal.wait(events.DriftDetected)
        (gone,) = journal.messages(events.DriftDetected)
        assert gone == "drift: table missing: table inet secmarkd"

    @pytest.mark.fault(6)
    def test_is_only_told_when_that_is_asked_for(self, vm: Machine) -> None:
        reload(vm, "", 'on_drift = "report"\n')
        journal = ServiceJournal(vm)
        vm.run("nft flush map inet secmarkd server_port")
        systemctl(vm, "kill --kill-whom=main -s USR1")
        journal.wait(events.DriftFlood)
        assert "tcp . 22 :" not in vm.run("nft list map inet secmarkd server_port").out
        assert vm.run("secmarkctl status", check=False).rc == 3
        assert shown(vm, "StatusText").startswith("drift: ")


class TestCgroup:
    def test_that_comes_later_is_followed(self, vm: Machine) -> None:
        label = '[labels.unit]\ntype = "myauth_packet_t"\nrole = "client"\ncgroup = ["system.slice/later.scope"]\n'
        journal = ServiceJournal(vm)
        reload(vm, label)
        assert len(journal.messages(events.CgroupAbsent)) == 1
        assert "later.scope" not in vm.run(LIST).out
        Talker(vm, "unconfined_t", prefix="systemd-run --quiet --scope --unit=later")
        journal.wait(events.LabelsReplaced)
        assert "later.scope" in journal.messages(events.EnvironmentChanged)[0]
        assert "later.scope" in vm.run(LIST).out
        assert journal.messages(events.DriftDetected) == []

    @pytest.mark.fault(50)
    def test_that_a_unit_makes_anew_when_it_restarts_is_followed(self, vm: Machine) -> None:
        vm.run("systemd-run --quiet --unit=again sleep infinity")
        label = '[labels.unit]\ntype = "myauth_packet_t"\nrole = "client"\ncgroup = ["system.slice/again.service"]\n'
        reload(vm, label)
        before = vm.run("nft list table inet secmarkd").out
        journal = ServiceJournal(vm)
        vm.run("systemctl restart again.service")
        journal.wait(events.LabelsReplaced)
        assert "another of that name" in journal.messages(events.EnvironmentChanged)[-1]
        assert vm.run("nft list table inet secmarkd").out == before
        assert '"system.slice/again.service"' in before
        assert journal.messages(events.DriftDetected) == []


class TestStop:
    def test_keeps_the_labels(self, vm: Machine) -> None:
        journal, before = ServiceJournal(vm), vm.run(LIST).out
        systemctl(vm, "stop")
        assert vm.run(LIST).out == before
        assert journal.entries(events.Stopped)[0]["SECMARKD_LABELS"] == "kept"
        assert shown(vm, "Result") == "success"

    def test_takes_them_out_when_that_is_asked_for(self, vm: Machine) -> None:
        reload(vm, "", 'on_stop = "remove"\n')
        journal = ServiceJournal(vm)
        systemctl(vm, "stop")
        assert vm.run("nft list ruleset").out == ""
        assert journal.entries(events.Stopped)[0]["SECMARKD_LABELS"] == "removed"


class TestRestart:
    def test_keeps_the_very_same_labels(self, vm: Machine) -> None:
        journal, before = ServiceJournal(vm), vm.run(LIST).out
        systemctl(vm, "restart")
        assert vm.run(LIST).out == before
        assert len(journal.messages(events.Ready)) == 1
        assert journal.messages(events.LabelsCreated) + journal.messages(events.LabelsReplaced) == []

    def test_after_a_crash_adopts_the_labels(self, vm: Machine) -> None:
        journal, before = ServiceJournal(vm), vm.run(LIST).out
        systemctl(vm, "kill --kill-whom=main -s KILL")
        journal.wait(events.Ready)
        assert vm.run(LIST).out == before
        assert shown(vm, "NRestarts") == "1"

    @pytest.mark.fault(32)
    def test_follows_when_the_service_hangs(self, vm: Machine) -> None:
        vm.put("[Service]\nWatchdogSec=15\n", "/run/systemd/system/secmarkd.service.d/soon.conf")
        vm.run("systemctl daemon-reload")
        systemctl(vm, "restart")
        journal, before = ServiceJournal(vm), vm.run(LIST).out
        systemctl(vm, "kill --kill-whom=main -s STOP")
        journal.wait(events.Ready)
        assert vm.run(LIST).out == before
        assert shown(vm, "NRestarts") == "1"


class TestUpgrade:
    def test_the_old_version_keeps_the_labels_until_it_is_restarted(self, vm: Machine) -> None:
        vm.run("touch /usr/lib/secmarkd/python/secmarkd/errors.py")  # another version, for all that it knows
        journal, before = ServiceJournal(vm), vm.run("nft list table inet secmarkd").out
        assert systemctl(vm, "reload", check=False).rc == 1
        assert "is of another version of secmarkd" in journal.messages(events.ReloadRejected)[0]
        systemctl(vm, "restart")
        journal.wait(events.Ready)
        assert vm.run("nft list table inet secmarkd").out == before
        assert (shown(vm, "ActiveState"), shown(vm, "NRestarts")) == ("active", "0")


class TestCommandLine:
    def test_beside_the_running_service(self, vm: Machine) -> None:
        words = "in tcp from 192.0.2.7 to 198.51.100.7:22 on eth0"
        lines = ("check", "plan", "show", f"explain {words}", "apply", "clear")
        running = [vm.start(f"secmarkctl {line}") for line in lines]
        check, plan, show, explain, apply, clear = (each.wait(SLOW, check=False) for each in running)
        status, status_json = (vm.run(f"secmarkctl {line}", check=False) for line in ("status", "status --json"))
        assert check.out.startswith("no mistakes: mode label, ")
        assert "nothing to do" in plan.out
        assert "in sync: " in status.out
        assert json.loads(status_json.out)["running"] is True, status_json.out
        assert "system_u:object_r:ssh_server_packet_t:s0" in show.out
        assert "label   system_u:object_r:ssh_server_packet_t:s0" in explain.out
        assert [each.rc for each in (check, plan, status, status_json, show, explain)] == [0] * 6
        for changing in (apply, clear):
            assert changing.rc == 1
            assert "the service is running" in changing.err

    def test_without_the_service(self, host: Machine) -> None:
        host.enforcing()
        planned = host.run("secmarkctl plan", timeout=SLOW, check=False)
        assert planned.rc == 3
        assert "would fix this" in planned.out
        assert host.run("secmarkctl apply", timeout=SLOW).out.startswith("created: ")
        host.run("nft delete element inet secmarkd server_port '{ tcp . 22 }'")
        assert "repaired: 1 difference" in host.run("secmarkctl apply", timeout=SLOW).out
        status = host.run("secmarkctl status", check=False)
        assert (status.rc, "not running" in status.out) == (1, True)
        assert "removed" in host.run("secmarkctl clear", timeout=SLOW).out
        assert host.run("nft list ruleset").out == ""

    def test_shows_a_ruleset_that_nft_takes(self, host: Machine) -> None:
        host.run("nft -f -", input=host.run("secmarkctl show --nft", timeout=SLOW).out)
        assert "nothing to do" in host.run("secmarkctl plan", timeout=SLOW).out
