# SPDX-License-Identifier: GPL-2.0-or-later
"""secmarkctl, run in this process with fakes for kernel, signals and time."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from secmarkd.adapters.run.lock import held
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.errors import PermissionMissing, StateUnknown
from secmarkd.programs.secmarkctl import main
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import Reload, State, Status
from secmarkd.table.other_labels import OtherLabels
from tests.fakes.access import UNLABELED, FakeAccess
from tests.fakes.labellers import EVIL, FakeLabellers
from tests.fakes.nft import FakeNft
from tests.fakes.selinux import FakeSelinux
from tests.fakes.service import FakeClock
from tests.support.capability import require

LABELS = '[labels.http]\ntcp = [80, 443]\n\n[labels.lab]\ntype = "lab_packet_t"\nremote = ["192.0.2.0/24"]\n'


@dataclass
class Result:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@dataclass
class Machine:
    root: Path
    nft: FakeNft = field(default_factory=FakeNft)
    selinux: FakeSelinux = field(default_factory=FakeSelinux)
    policy: FakeAccess = field(default_factory=FakeAccess)
    forwards: bool = False
    labellers: FakeLabellers = field(default_factory=FakeLabellers)
    clock: FakeClock = field(default_factory=FakeClock)
    signals: list[tuple[int, int]] = field(default_factory=list)
    on_signal: Callable[[], None] = lambda: None
    out: type[io.StringIO] = io.StringIO

    @property
    def runtime(self) -> Path:
        return self.root / "run"

    def write(self, name: str, text: str) -> None:
        path = self.root / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def ctl(self, verb: str, *words: str) -> Result:
        out, err = self.out(), io.StringIO()
        tools = Tools(
            lambda: self.nft, lambda: self.selinux, self._signal, self.clock, self.clock.sleep, out, err,
            open_policy=lambda: self.policy, open_labellers=lambda: self.labellers, forwards=lambda: self.forwards,
        )  # fmt: skip
        folders = ["--config-dir", str(self.root / "etc"), "--runtime-dir", str(self.runtime)]
        return Result(main([verb, *folders, *words], tools), out.getvalue(), err.getvalue())

    def _signal(self, pid: int, number: int) -> None:
        self.signals.append((pid, number))
        self.on_signal()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.write("secmarkd.toml", 'mode = "rehearse"\n')
    machine.write("labels.d/50-web.toml", LABELS)
    machine.runtime.mkdir()
    return machine


@pytest.fixture
def running(machine: Machine) -> Iterator[Machine]:
    """With a service, whose status is as a test writes it."""
    with held(machine.runtime):
        publish(machine, Status(pid=os.getpid(), state=State.IN_SYNC, labels=2, elements=5, mode="rehearse"))
        yield machine


def publish(machine: Machine, status: Status) -> None:
    StatusFile(machine.runtime).publish(status)


# --- check and show ---


def test_check_says_what_there_is(machine: Machine) -> None:
    assert machine.ctl("check") == Result(0, "no mistakes: mode rehearse, 2 labels, 6 rules, 10 elements\n", "")


def test_check_names_every_mistake_with_its_line(machine: Machine) -> None:
    machine.write("labels.d/50-web.toml", "[labels.http]\ntcp = [70000]\nudpp = [5]\n")
    result = machine.ctl("check")
    assert result.code == Exit.CONFIG
    assert "50-web.toml:2: labels.http.tcp[0]: " in result.err
    assert "50-web.toml:3: labels.http.udpp: " in result.err
    assert result.err.endswith("error: 2 mistakes in the configuration\n")


def test_check_json_has_counts_or_problems(machine: Machine) -> None:
    good = {"ok": True, "problems": [], "notes": [], "mode": "rehearse", "labels": 2, "rules": 6, "elements": 10}
    assert json.loads(machine.ctl("check", "--json").out) == good
    machine.write("labels.d/50-web.toml", "[labels.http]\ntcp = [70000]\nudpp = [5]\n")
    result = machine.ctl("check", "--json")
    assert (result.code, result.err) == (Exit.CONFIG, "")
    checked = json.loads(result.out)
    assert checked["ok"] is False
    first, second = checked["problems"]
    assert first == {
        "file": f"{machine.root}/etc/labels.d/50-web.toml", "line": 2, "key": "labels.http.tcp[0]",
        "message": "invalid port 70000 (expected 1-65535); write a port within these bounds",
    }  # fmt: skip
    assert (second["line"], second["key"]) == (3, "labels.http.udpp")


def test_check_needs_neither_selinux_nor_kernel(machine: Machine) -> None:
    machine.write("secmarkd.toml", 'mode = "label"\n')
    machine.selinux.active = False
    assert machine.ctl("check").code == 0
    assert machine.nft.reads == 0


def test_show_names_the_origin_of_every_entry(machine: Machine) -> None:
    out = machine.ctl("show").out
    assert "  server   system_u:object_r:http_server_packet_t:s0\n" in out
    assert any(
        line.split() == ["tcp", "443", f"{machine.root}/etc/labels.d/50-web.toml:2"] for line in out.splitlines()
    )
    assert any(line.split()[:2] == ["remote", "192.0.2.0/24"] for line in out.splitlines())
    assert "\x1b" not in out


def test_show_says_of_every_setting_who_gave_it(machine: Machine) -> None:
    machine.write(
        "secmarkd.toml",
        'mode = "rehearse"\nresync = "90s"\n\n[context]\nlevel = ""\n[default]\nclient = "x_packet_t"\n',
    )
    file = f"{machine.root}/etc/secmarkd.toml"
    settings = machine.ctl("show").out.partition("http\n")[0]
    assert [line.split() for line in settings.splitlines()] == [
        ["settings"],
        ["mode", "rehearse", f"{file}:1"],
        ["on_drift", "repair", "default"],
        ["on_stop", "keep", "default"],
        ["resync", "90", "s", f"{file}:2"],
        ["ownership", "shared", "default"],
        ["context"],
        ["user", "system_u", "default"],
        ["role", "object_r", "default"],
        ["level", "none", f"{file}:5"],
        ["default"],
        ["server", "system_u:object_r:server_packet_t", "default"],
        ["client", "system_u:object_r:x_packet_t", f"{file}:7"],
        ["icmp", "system_u:object_r:icmp_packet_t", "default"],
        ["forward", "packets", "keep", "their", "label", "default"],
    ]
    shown = json.loads(machine.ctl("show", "--json").out)
    assert shown["context"] == {"user": "system_u", "role": "object_r", "level": ""}
    assert shown["origins"]["mode"] == {"file": file, "line": 1, "key": "mode"}
    assert shown["origins"]["default.client"]["line"] == 7
    assert shown["origins"]["ownership"] is None


def test_without_a_settings_file_every_setting_is_a_default(machine: Machine) -> None:
    (machine.root / "etc/secmarkd.toml").unlink()
    assert set(json.loads(machine.ctl("show", "--json").out)["origins"].values()) == {None}


def test_show_and_check_tell_which_label_another_one_replaces(machine: Machine) -> None:
    machine.write("../above/labels.d/70-own.toml", "# ours\n[labels.http]\ntcp = [8080]\n")
    above = ("--config-dir", str(machine.root / "above"))
    replaced = f"{machine.root}/etc/labels.d/50-web.toml:1"
    assert f"http\n  replaces {replaced}\n  client " in machine.ctl("show", *above).out
    label = next(each for each in json.loads(machine.ctl("show", "--json", *above).out)["labels"] if each["replaces"])
    assert (label["name"], label["layer"], label["replaces"][0]["line"]) == ("http", "administrator", 1)
    place = f"{machine.root}/above/labels.d/70-own.toml:2: labels.http"
    assert machine.ctl("check", *above).out.startswith(f"note: {place}: replaces {replaced}\n")
    assert "replaces" not in machine.ctl("show").out + machine.ctl("check").out


def test_show_puts_each_entry_below_its_own_roles(machine: Machine) -> None:
    machine.write(
        "labels.d/50-web.toml",
        '[labels.mixed]\ntype = "m_packet_t"\nmatch = [{ tcp = [1] }, { tcp = [2], user = [0] }, { tcp = [3] }]\n',
    )
    _, _, shown = machine.ctl("show").out.partition("mixed\n")
    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["client", "system_u:object_r:m_packet_t:s0"],
        ["server", "system_u:object_r:m_packet_t:s0"],
        ["tcp", "1"],
        ["tcp", "3"],
        ["client", "system_u:object_r:m_packet_t:s0"],
        ["tcp", "2"],
    ]


def test_show_is_coloured_on_a_terminal_unless_told_not_to(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.out = Terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1mhttp" in machine.ctl("show").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in machine.ctl("show").out


def test_show_json_holds_settings_defaults_and_rules(machine: Machine) -> None:
    shown = json.loads(machine.ctl("show", "--json").out)
    assert shown["settings"]["mode"] == "rehearse"
    assert shown["default"]["forward"] is None
    rule = next(each for each in shown["rules"] if each.get("ports") == [443, 443] and each["role"] == "server")
    assert rule["context"] == "system_u:object_r:http_server_packet_t:s0"
    assert rule["origin"]["line"] == 2


def test_show_nft_is_a_ruleset(machine: Machine) -> None:
    assert "add table inet secmarkd" in machine.ctl("show", "--nft").out


# --- plan, apply, clear ---


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


# --- status and reload ---


def test_status_without_a_service_fails_with_a_hint(machine: Machine) -> None:
    result = machine.ctl("status")
    assert result.code == Exit.FAILURE
    assert result.out.startswith("not running\n")


def test_status_of_a_service_that_died_is_not_believed(machine: Machine) -> None:
    publish(machine, Status(pid=1, state=State.IN_SYNC))
    assert machine.ctl("status").code == Exit.FAILURE


def test_status_tells_what_the_service_does(running: Machine) -> None:
    result = running.ctl("status")
    assert result.code == 0
    assert "rehearsing, in sync: 2 labels, 5 elements; last drift never\n" in result.out
    publish(running, Status(pid=os.getpid(), state=State.DRIFT))
    assert running.ctl("status").code == Exit.DRIFT
    publish(running, Status(pid=os.getpid(), state=State.DEGRADED, error="starved"))
    assert running.ctl("status").code == Exit.FAILURE
    assert json.loads(running.ctl("status", "--json").out)["error"] == "starved"


def test_reload_without_a_service_says_so(machine: Machine) -> None:
    result = machine.ctl("reload")
    assert result.code == Exit.FAILURE
    assert "error: the service is not running" in result.err


def test_reload_waits_for_a_reload_that_began_after_it_asked(running: Machine) -> None:
    before = Status(pid=os.getpid(), state=State.IN_SYNC, reload=Reload(running.clock.now - 1, False, 78, "old"))
    publish(running, before)

    def later(seconds: float) -> None:
        running.clock.now += seconds
        if running.clock.now > 1000.1:
            publish(running, replace(before, reload=Reload(1000.05, True)))

    running.clock.sleep = later  # type: ignore[method-assign]
    assert running.ctl("reload") == Result(0, "reloaded\n", "")
    assert running.signals == [(os.getpid(), 1)]


def test_a_rejected_reload_fails_and_repeats_why(running: Machine) -> None:
    rejected = Reload(running.clock.now, False, 78, "1 mistake in the configuration", "", ("a.toml:1: x: wrong",))
    running.on_signal = lambda: publish(running, Status(pid=os.getpid(), reload=rejected))
    result = running.ctl("reload")
    assert result.code == Exit.CONFIG
    assert result.err == (
        "a.toml:1: x: wrong\nerror: reload rejected, the labels stay as they were: 1 mistake in the configuration\n"
    )


def test_reload_json_has_the_answer(running: Machine) -> None:
    rejected = Reload(
        running.clock.now, False, 78, "1 mistake in the configuration", "mend it", ("a.toml:1: x: wrong",)
    )
    running.on_signal = lambda: publish(running, Status(pid=os.getpid(), reload=rejected))
    result = running.ctl("reload", "--json")
    assert (result.code, result.err) == (Exit.CONFIG, "")
    assert json.loads(result.out) == {
        "ok": False, "accepted": False, "error": "1 mistake in the configuration", "hint": "mend it",
        "problems": ["a.toml:1: x: wrong"],
    }  # fmt: skip
    running.on_signal = lambda: publish(running, Status(pid=os.getpid(), reload=Reload(running.clock.now, True)))
    result = running.ctl("reload", "--json")
    assert (result.code, json.loads(result.out)["ok"]) == (0, True)


def test_a_service_that_does_not_answer_is_a_failure(running: Machine) -> None:
    result = running.ctl("reload", "--timeout", "5")
    assert result.code == Exit.FAILURE
    assert "did not answer within 5 s" in result.err


# --- explain, usage ---


def test_explain_names_the_label_and_the_rule(machine: Machine) -> None:
    result = machine.ctl("explain", "in", "tcp", "from", "198.51.100.1:51234", "to", "198.51.100.7:443", "on", "eth0")
    assert result.code == 0
    assert "label   system_u:object_r:http_server_packet_t:s0\n" in result.out
    assert "by      http: tcp 443\n" in result.out
    assert "50-web.toml:2" in result.out


def test_explain_tells_when_a_default_decides(machine: Machine) -> None:
    result = machine.ctl("explain", "--json", "out udp from 10.0.0.1 to 10.0.0.2:9 on eth0")
    explained = json.loads(result.out)
    assert explained["context"] == "system_u:object_r:client_packet_t:s0"
    assert explained["rule"] is None
    assert explained["why"] == "default.client"
    assert explained["assumed"] == ["source port 50000"]


ANNOUNCED = "in tcp from 203.0.113.1:20 to 198.51.100.7:40000 on eth0 expected"


def label(machine: Machine) -> None:
    machine.write("secmarkd.toml", 'mode = "label"\n')


def test_explain_tells_whose_label_an_announced_connection_gets(machine: Machine) -> None:
    label(machine)
    result = machine.ctl("explain", ANNOUNCED)
    assert "label   the label of the connection that announced this one; give it as `saved CONTEXT`\n" in result.out
    assert "by      no label that names more than ports\n" in result.out
    explained = json.loads(machine.ctl("explain", "--json", ANNOUNCED).out)
    assert (explained["context"], explained["rule"]) == (None, None)
    assert explained["why"] == "the label of the connection that announced this one"


def test_explain_gives_an_announced_connection_the_label_that_is_said_to_be_saved(machine: Machine) -> None:
    label(machine)
    result = machine.ctl("explain", ANNOUNCED, "saved", "system_u:object_r:ftp_packet_t:s0")
    assert "label   system_u:object_r:ftp_packet_t:s0\n" in result.out
    assert "expected, saved system_u:object_r:ftp_packet_t:s0)" in result.out


def test_explain_gives_an_announced_connection_its_parents_label_before_one_that_only_names_the_port(
    machine: Machine,
) -> None:
    label(machine)
    assert "announced this one; give it" in machine.ctl("explain", ANNOUNCED.replace("40000", "80")).out


@pytest.mark.parametrize("words", [ANNOUNCED, ANNOUNCED.replace("eth0", "lo")], ids=["a narrow label", "loopback"])
def test_explain_speaks_of_announcing_only_where_that_decides(machine: Machine, words: str) -> None:
    label(machine)
    machine.write("labels.d/60-peer.toml", '[labels.peer]\nremote = ["203.0.113.1"]\ninterface = ["eth0"]\n')
    assert "announced" not in machine.ctl("explain", words).out


EXPLAINED = "tcp from 203.0.113.1:9 to 198.51.100.7:80 on eth0 reply"


def test_explain_tells_what_a_connection_would_be_whose_opening_was_not_seen(machine: Machine) -> None:
    label(machine)
    reply = machine.ctl("explain", "in", EXPLAINED).out
    assert "assumed: the opening of its connection was seen\n" in reply
    assert "by      default.client\n" in reply
    assert (
        "note    if its opening was not seen (add `unseen`), the label is system_u:object_r:http_server_packet_t:s0"
        in reply
    )
    unseen = machine.ctl("explain", "in", EXPLAINED, "unseen").out
    assert "by      http: tcp 80\n" in unseen
    assert "opening unseen)" in unseen
    assert "assumed" not in unseen


def test_explain_keeps_the_label_that_a_packet_carries_at_output(machine: Machine) -> None:
    words = "out udp from 10.0.0.1:51820 to 10.0.0.2:51820 on eth0 labelled system_u:object_r:http_server_packet_t:s0"
    label(machine)
    kept = machine.ctl("explain", words).out
    assert "label   system_u:object_r:http_server_packet_t:s0\n" in kept
    assert "by      the label that the packet carries already\n" in kept
    machine.write("secmarkd.toml", 'mode = "rehearse"\n')
    counted = "this one is counted as system_u:object_r:client_packet_t:s0 (default.client)"
    assert counted in machine.ctl("explain", words).out


def test_explain_tells_that_a_rehearsal_knows_no_saved_label(machine: Machine) -> None:
    note = (
        "note    packets get no label while rehearsing; this one is counted as "
        "system_u:object_r:server_packet_t:s0 (default.server)\n"
    )
    assert note in machine.ctl("explain", ANNOUNCED).out
    assert note in machine.ctl("explain", f"{ANNOUNCED} saved system_u:object_r:ftp_packet_t:s0").out
    label(machine)
    assert "note" not in machine.ctl("explain", ANNOUNCED).out


def test_explain_says_what_it_assumes_of_the_process_where_a_label_asks(machine: Machine) -> None:
    words = "out tcp from 10.0.0.1 port 40000 to 10.0.0.2:80 on eth0"
    assert "assumed" not in machine.ctl("explain", words).out
    machine.write("labels.d/60-user.toml", '[labels.mine]\ntype = "mine_packet_t"\nrole = "client"\nuser = [0]\n')
    assert "assumed: a user that no label names\n" in machine.ctl("explain", words).out
    assert (
        "assumed: no local process that the hook sees\n" in machine.ctl("explain", f"{words} saved a_u:b_r:c_t").out
    )
    assert "assumed" not in machine.ctl("explain", f"{words} user 0").out
    assert "assumed" not in machine.ctl("explain", "in tcp from 10.0.0.1:40000 to 10.0.0.2:80 on eth0").out


@pytest.mark.parametrize("protocol", ["icmp", "icmpv6", "esp"])
def test_the_packet_of_a_contradiction_is_one_that_explain_understands(machine: Machine, protocol: str) -> None:
    labels = f'[labels.NAME]\ntype = "NAME_packet_t"\nprotocol = ["{protocol}"]\n'
    machine.write("labels.d/50-web.toml", labels.replace("NAME", "one") + labels.replace("NAME", "two"))
    words = machine.ctl("check").err.split("`")[1]
    assert words.startswith(f"in {protocol} from ")
    explained = machine.ctl("explain", words)
    assert explained.code == Exit.CONFIG  # for the contradiction; Exit.USAGE says that the words are not understood
    assert "the same packet would get" in explained.err


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


def test_usage_errors_exit_with_2(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.ctl("nonsense").code == Exit.USAGE
    assert machine.ctl("show", "--nft", "--json").code == Exit.USAGE
    assert main([]) == Exit.USAGE
    assert main(["--help"]) == 0
    assert "78  invalid configuration" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["check", "plan", "apply", "clear", "show", "status", "reload", "explain"])
def test_help_tells_what_json_a_verb_writes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "With --json, prints one object with: " in capsys.readouterr().out


def test_folders_may_stand_before_the_verb_and_count_in_their_order(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.write("../above/secmarkd.toml", 'mode = "label"\n')
    below, above = (["--config-dir", str(machine.root / name)] for name in ("etc", "above"))
    for words in (["check", *below, *above], [*below, "check", *above], [*below, *above, "check"]):
        assert main(words) == 0
        assert capsys.readouterr().out.startswith("no mistakes: mode label, 2 labels")


@pytest.mark.parametrize("before", [True, False])
def test_the_folder_of_lock_and_status_may_stand_before_the_verb(
    running: Machine, before: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--runtime-dir", str(running.runtime)]
    assert main([*folder, "status"] if before else ["status", *folder]) == 0
    assert capsys.readouterr().out.startswith("running ")


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("check", "later ones take precedence"),
        ("status", "ignored by this verb: the service reports on the directories that it was started with"),
        ("reload", "ignored by this verb: the service reads the directories that it was started with"),
        ("clear", "ignored by this verb: it removes what is in the kernel, whatever the configuration"),
    ],
)
def test_help_tells_what_config_dir_does_or_that_it_does_nothing(
    verb: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    assert told in " ".join(capsys.readouterr().out.split())


def test_an_interrupt_has_an_exit_code_of_its_own(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    machine.nft.interlopers.append(interrupt)
    assert machine.ctl("apply").code == 130
    assert main(["--help"]) == 0
    assert "130 interrupted" in capsys.readouterr().out
