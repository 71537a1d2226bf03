# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs plan, apply and clear."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from secmarkd.adapters.run.lock import held
from secmarkd.errors import PermissionMissing, StateUnknown
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State, Status
from secmarkd.table.other_labels import OtherLabels
from tests.fakes.access import UNLABELED
from tests.fakes.labellers import EVIL
from tests.support.secmarkctl_rig import Closed, Machine, Result, publish


def test_plan_shows_the_difference_and_its_exit_code_says_so(machine: Machine) -> None:
    result = machine.ctl("plan")
    assert result.code == Exit.DRIFT
    assert result.out.startswith("+ table inet secmarkd\n")
    assert machine.nft.commits == []
    machine.ctl("apply")
    assert machine.ctl("plan") == Result(0, "nothing to do: 2 labels, 10 elements, rehearsing, as configured\n", "")


def test_plan_json_lists_the_differences(machine: Machine) -> None:
    machine.ctl("apply")
    machine.nft.change(lambda table: replace(table, chains=table.chains[1:]))
    result = machine.ctl("plan", "--json")
    assert result.code == Exit.DRIFT
    planned = json.loads(result.out)
    assert planned["in_sync"] is False
    assert planned["differences"][0]["change"] == "missing"


def test_apply_writes_verifies_and_is_idempotent(machine: Machine) -> None:
    assert machine.ctl("apply").out == "created: 2 labels, 10 elements, rehearsing, read back and verified\n"
    assert machine.ctl("apply").out.startswith("nothing to do")
    assert len(machine.nft.commits) == 1


def test_apply_json_tells_what_it_did(machine: Machine) -> None:
    sizes = {"mode": "rehearse", "labels": 2, "elements": 10}
    created = json.loads(machine.ctl("apply", "--json").out)
    assert created.pop("differences")[0]["name"] == "table inet secmarkd"
    assert created == {"action": "created", **sizes}
    assert json.loads(machine.ctl("apply", "--json").out) == {"action": "none", **sizes, "differences": []}


FORWARD = '[default]\nforward = "server_packet_t"\n'
ALLOW = "allow unlabeled_t server_packet_t:packet { forward_in forward_out };"


def test_check_and_plan_warn_of_a_default_that_would_end_forwarding(machine: Machine) -> None:
    machine.write("secmarkd.toml", FORWARD)
    for verb in ("check", "plan"):
        said = machine.ctl(verb).out
        (warning,) = (line for line in said.splitlines() if line.startswith("warning: "))
        assert (
            "secmarkd.toml:2: default.forward: the loaded policy denies unlabeled_t forward_in and forward_out"
            in warning
        )
        assert "docker" in warning
        assert 'set forward = ""' in warning
        assert ALLOW in warning
    (note,) = json.loads(machine.ctl("check", "--json").out)["notes"]
    assert (note["severity"], note["line"], note["key"]) == ("warning", 2, "default.forward")
    assert json.loads(machine.ctl("plan", "--json").out)["notes"] == [note]


def test_check_warns_where_no_policy_can_be_asked_about_forwarding(machine: Machine) -> None:
    machine.policy.loaded = False
    machine.write("secmarkd.toml", FORWARD)
    said = machine.ctl("check").out
    assert "secmarkd.toml:2: default.forward: the policy cannot be asked here" in said
    assert ALLOW in said
    assert said.startswith("warning: ")


def test_check_says_nothing_of_forwarding_that_the_policy_allows(machine: Machine) -> None:
    machine.policy.allow(UNLABELED, "system_u:object_r:server_packet_t:s0", ["forward_in", "forward_out"])
    machine.write("secmarkd.toml", FORWARD)
    assert machine.ctl("check").out.startswith("no mistakes: ")


def test_check_names_the_rule_that_a_forwarded_label_needs_once(machine: Machine) -> None:
    machine.write(
        "labels.d/60.toml", '[labels.vm]\ntype = "vm_packet_t"\nrole = "forward"\ntcp = [443]\nudp = [53]\n'
    )
    notes = [line for line in machine.ctl("check").out.splitlines() if "vm_packet_t" in line]
    assert len(notes) == 1
    assert "60.toml:4: labels.vm.tcp" in notes[0]
    assert "allow unlabeled_t vm_packet_t:packet { forward_in forward_out };" in notes[0]
    machine.policy.loaded = False
    assert "note: " in machine.ctl("check").out


def test_apply_refuses_what_would_end_forwarding_now(machine: Machine) -> None:
    machine.forwards = True
    machine.write("secmarkd.toml", FORWARD)
    result = machine.ctl("apply")
    assert result.code == Exit.CONFIG
    assert "secmarkd.toml:2: default.forward: " in result.err
    assert machine.nft.commits == []
    machine.selinux.enforcing = False
    assert machine.ctl("apply").code == 0


def test_plan_and_status_name_what_else_sets_labels(machine: Machine) -> None:
    machine.labellers.others = OtherLabels((EVIL,), whole=False)
    said = machine.ctl("plan").out
    assert f"note: {EVIL}" in said
    assert "could not check all rules of other tables" in said
    machine.labellers.others = StateUnknown("the kernel does not answer", operation="look")
    assert "could not check all rules of other tables" in machine.ctl("plan").out
    machine.labellers.others = OtherLabels((EVIL,), whole=False)
    found = json.loads(machine.ctl("plan", "--json").out)
    assert found["other_labels"] == [
        {"family": "inet", "table": "other", "chain": "evil", "hook": "input", "priority": 60,
         "does": "sets the label of packets", "position": "after secmarkd"}
    ]  # fmt: skip
    assert found["other_labels_whole"] is False
    with held(machine.runtime):
        publish(machine, Status(pid=os.getpid(), state=State.IN_SYNC, other_labels=(EVIL,), mode="label"))
        told = machine.ctl("status")
        assert told.code == 0
        assert f"note: {EVIL}" in told.out
        assert json.loads(machine.ctl("status", "--json").out)["other_labels"] == found["other_labels"]


def test_apply_in_label_mode_without_selinux_names_the_mend(machine: Machine) -> None:
    machine.write("secmarkd.toml", 'mode = "label"\n')
    machine.selinux.active = False
    result = machine.ctl("apply")
    assert result.code == Exit.UNAVAILABLE
    assert "error: SELinux is not active" in result.err
    assert 'hint: set mode = "rehearse"' in result.err
    assert machine.nft.table is None


def test_an_error_of_the_kernel_is_a_sentence_and_an_exit_code(machine: Machine) -> None:
    machine.nft.fail_next("read", PermissionMissing("may not read", operation="read", hint="run it as root"))
    assert machine.ctl("plan") == Result(Exit.NOPERM, "", "error: may not read\nhint: run it as root\n")
    assert machine.nft.closed


@pytest.mark.parametrize(("verb", "instead"), [("apply", "reload"), ("clear", "stop")])
def test_verbs_that_write_leave_a_running_service_alone(running: Machine, verb: str, instead: str) -> None:
    result = running.ctl(verb)
    assert result.code == Exit.FAILURE
    assert "the service is running" in result.err
    assert f"systemctl {instead} secmarkd" in result.err
    assert running.nft.reads == 0


@pytest.fixture
def busy(machine: Machine) -> Iterator[Machine]:
    """Where another secmarkctl holds the lock, after a service of another process was killed."""
    with held(machine.runtime):
        publish(machine, Status(pid=os.getpid() + 1, state=State.IN_SYNC))
        yield machine


@pytest.mark.parametrize("verb", ["apply", "clear", "reload"])
def test_another_secmarkctl_at_work_is_neither_taken_for_the_service_nor_signalled(busy: Machine, verb: str) -> None:
    result = busy.ctl(verb)
    assert result.code == Exit.FAILURE
    assert result.err == (
        f"error: another secmarkctl is running (process {os.getpid()})\nhint: try again when it has finished\n"
    )
    assert busy.signals == []
    assert busy.nft.reads == 0
    assert f"not running\nanother secmarkctl is running (process {os.getpid()})\n" in busy.ctl("status").out


@pytest.mark.parametrize("verb", ["apply", "clear", "reload"])
def test_a_service_that_is_just_ending_is_said_to_be_and_not_signalled(running: Machine, verb: str) -> None:
    publish(running, Status(pid=os.getpid(), state=State.STOPPED))
    result = running.ctl(verb)
    assert result.code == Exit.FAILURE
    assert f"error: the service is stopping (process {os.getpid()})\n" in result.err
    assert running.signals == []


def test_a_status_file_that_nobody_understands_does_not_hide_that_the_lock_is_held(running: Machine) -> None:
    (running.runtime / "status.json").write_text("{")
    for verb in ("apply", "clear", "reload"):
        result = running.ctl(verb)
        assert "status.json was not written by this version of secmarkd\n" in result.err
        assert result.code == Exit.FAILURE
    assert f"error: process {os.getpid()} holds {running.runtime}/lock, and " in running.ctl("apply").err
    assert running.signals == []


@pytest.mark.parametrize("verb", ["apply", "clear"])
def test_a_hangup_does_not_end_a_verb_that_writes(machine: Machine, verb: str) -> None:
    before = signal.getsignal(signal.SIGHUP)
    if verb == "clear":
        machine.ctl("apply")
    seen: list[object] = []
    machine.nft.interlopers.append(lambda: seen.append(signal.getsignal(signal.SIGHUP)))
    assert machine.ctl(verb).code == 0
    assert seen == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGHUP) is before


def test_clear_takes_everything_out_and_may_be_repeated(machine: Machine) -> None:
    machine.ctl("apply")
    assert machine.ctl("clear").out.startswith("removed table inet secmarkd: ")
    assert machine.nft.table is None
    assert machine.ctl("clear").out == "nothing to do: no table inet secmarkd\n"
    assert json.loads(machine.ctl("clear", "--json").out) == {"removed": False}


def test_a_reader_who_goes_away_does_not_keep_the_labels_in_the_kernel(machine: Machine) -> None:
    machine.ctl("apply")
    machine.out = Closed
    assert machine.ctl("clear").code == 0
    assert machine.nft.table is None
