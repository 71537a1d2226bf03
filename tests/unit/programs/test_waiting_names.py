# SPDX-License-Identifier: GPL-2.0-or-later
"""What secmarkctl says of cgroups and names that are not there, and of files that others may write."""

from __future__ import annotations

import json
import os

from secmarkd.service.exit_codes import Exit
from tests.support.capability import require
from tests.support.secmarkctl_rig import Machine

NOWHERE = "secmarkd-test.slice/no-such.service"
WAITING = f'[labels.waits]\ntype = "waits_packet_t"\nrole = "client"\ncgroup = ["{NOWHERE}"]\ntcp = [1, 2]\n'


def test_a_label_that_waits_for_its_cgroup_is_said_to(machine: Machine) -> None:
    machine.write("labels.d/60-waits.toml", WAITING)
    checked = machine.ctl("check")
    assert checked.code == 0
    notes = [line for line in checked.out.splitlines() if line.startswith("note: ")]
    place = f"{machine.root}/etc/labels.d/60-waits.toml:4: labels.waits.cgroup"
    assert notes == [f"note: {place}: waits for the cgroup {NOWHERE}, which does not exist yet"]
    assert f"tcp 1 cgroup {NOWHERE} (waits: the cgroup does not exist)" in machine.ctl("show").out
    rules = json.loads(machine.ctl("show", "--json").out)["rules"]
    assert {rule["label"] for rule in rules if rule.get("waits_for_cgroup")} == {"waits"}
    (note,) = json.loads(machine.ctl("check", "--json").out)["notes"]
    where = "{file}:{line}: {key}".format_map(note)
    assert [f"{note['severity']}: {where}: {note['message']}"] == notes


def test_names_that_cannot_be_looked_up_are_notes_and_no_mistakes(machine: Machine) -> None:
    label = '[labels.m]\ntype = "m_packet_t"\nrole = "client"\nuser = ["root", "no-such-user"]\ntcp = ["no-such-service"]\n'
    machine.write("labels.d/60-names.toml", label)
    checked = machine.ctl("check")
    assert checked.code == 0
    place = f"{machine.root}/etc/labels.d/60-names.toml"
    user, service = (line for line in checked.out.splitlines() if line.startswith("note: "))
    assert user.startswith(f'note: {place}:4: labels.m.user: waits for the user "no-such-user": ')
    assert service.startswith(f'note: {place}:5: labels.m.tcp: waits for the tcp service "no-such-service": ')
    notes = json.loads(machine.ctl("check", "--json").out)["notes"]
    assert [(note["line"], note["key"]) for note in notes] == [(4, "labels.m.user"), (5, "labels.m.tcp")]
    rules = [each for each in json.loads(machine.ctl("show", "--json").out)["rules"] if each["label"] == "m"]
    assert [each["waits_for_names"] for each in rules] == [
        ['tcp service "no-such-service"'], ['user "no-such-user"', 'tcp service "no-such-service"'],
    ]  # fmt: skip
    assert (rules[0]["user"], rules[0]["user_name"]) == (0, "root")


def test_a_configuration_that_others_may_write_is_a_warning_and_no_mistake(machine: Machine) -> None:
    require(os.geteuid() == 0, "needs root: a group of one's own is no other")
    file = machine.root / "etc/labels.d/50-web.toml"
    file.chmod(0o666)
    checked = machine.ctl("check")
    assert checked.code == 0
    assert checked.out.startswith(f"warning: {file}: may be written by its group and everyone (mode 0666), so that")
    (warning,) = json.loads(machine.ctl("check", "--json").out)["notes"]
    assert (warning["severity"], warning["file"], warning["line"]) == ("warning", str(file), 0)
    assert warning["message"].endswith(f"; fix: chmod go-w {file}")
    machine.write("labels.d/60-wrong.toml", "[labels.x]\ntpc = [1]\n")
    assert machine.ctl("check").out.startswith(f"warning: {file}: ")
    assert json.loads(machine.ctl("check", "--json").out)["notes"] == [warning]


def test_explain_tells_what_will_be_once_a_cgroup_exists(machine: Machine) -> None:
    machine.write("labels.d/60-waits.toml", WAITING)
    words = f"out tcp from 10.0.0.1 port 40000 to 10.0.0.2:2 on eth0 user 0 cgroup /sys/fs/cgroup/{NOWHERE}"
    out = machine.ctl("explain", words).out
    assert "label   system_u:object_r:client_packet_t:s0\n" in out
    assert (
        f"note    the cgroup {NOWHERE} does not exist; once it does, the label is system_u:object_r:waits_packet_t:s0"
        in out
    )
    assert "note" not in machine.ctl("explain", words.replace(":2 ", ":3 ")).out


def test_explain_answers_nonsense_with_an_example(machine: Machine) -> None:
    result = machine.ctl("explain", "hello")
    assert result.code == Exit.USAGE
    assert "hint: for example: secmarkctl explain in tcp" in result.err
