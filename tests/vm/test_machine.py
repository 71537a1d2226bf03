# SPDX-License-Identifier: GPL-2.0-or-later
"""The test machine itself: a real SELinux kernel whose packet labels deny, and states that are the same each time."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from channel import ChannelError
from domains import PRELOADED_DOMAINS, PRELOADED_TYPES, confined
from machine import TREE, CommandFailed, CommandTimeout, Machine
from policy import PolicyError
from traffic import connect, serve

HERE = Path(__file__).resolve().parent
PORT = 8080

DECLARE = 'add table inet probe; add secmark inet probe web { "system_u:object_r:http_client_packet_t:s0"; }'

# Both ends over lo, without conntrack: each hook sets the label of the end it is at.
LABELS = """
table inet probe {
    secmark client { "system_u:object_r:%(client)s:s0"; }
    secmark server { "system_u:object_r:%(server)s:s0"; }
    chain output {
        type filter hook output priority -225;
        tcp dport 8080 meta secmark set "client"
        tcp sport 8080 meta secmark set "server"
    }
    chain input {
        type filter hook input priority -225;
        tcp dport 8080 meta secmark set "server"
        tcp sport 8080 meta secmark set "client"
    }
}
"""


def label(vm: Machine, client: str, server: str) -> None:
    vm.run("nft -f -", input=LABELS % {"client": client, "server": server})


def fingerprint(vm: Machine) -> str:
    """What a test may have changed."""
    return vm.run(
        "nft list ruleset; getenforce; md5sum </sys/fs/selinux/policy; ls -A /root; "
        "find /root /etc /usr/local -xdev -type f -printf '%p %s %T@\\n' | sort | md5sum; "
        "ps -N --ppid 2 -o args= | grep -vE '^((ps|grep|/bin/bash) |.udev-worker.)' | sort"
    ).out


class TestCommands:
    def test_run_unconfined_as_root(self, vm: Machine) -> None:
        assert vm.run("id -Zu 2>/dev/null; id -Z; id -u").out.split() == [
            "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
            "0",
        ]

    def test_report_status_and_both_outputs(self, vm: Machine) -> None:
        done = vm.run("echo one; echo two >&2; exit 3", check=False)
        assert (done.rc, done.out, done.err) == (3, "one\n", "two\n")
        with pytest.raises(CommandFailed, match="ended with 3"):
            vm.run("exit 3")

    def test_report_the_signal_that_ended_them(self, vm: Machine) -> None:
        assert vm.run("kill -9 $$", check=False).rc == -9

    def test_take_input_larger_than_any_pipe(self, vm: Machine) -> None:
        data = os.urandom(3_000_000)
        assert vm.run("wc -c", input=data).out.strip() == "3000000"
        assert vm.run("true", input=data).rc == 0

    def test_that_take_too_long_are_killed(self, vm: Machine) -> None:
        with pytest.raises(CommandTimeout):
            vm.run("echo begun; sleep 1000", timeout=1)
        assert vm.run("pgrep -x sleep", check=False).rc == 1

    def test_leave_daemons_behind_without_waiting_for_them(self, vm: Machine) -> None:
        assert vm.run("sleep 1000 & echo done", timeout=20).out == "done\n"

    def test_run_at_once(self, vm: Machine) -> None:
        waiting = vm.start("mkfifo /root/fifo; cat /root/fifo; exit 4")
        vm.run("until test -p /root/fifo; do :; done; echo through >/root/fifo")
        done = waiting.wait(check=False)
        assert (done.rc, done.out) == (4, "through\n")

    def test_can_be_killed(self, vm: Machine) -> None:
        handle = vm.start("sleep 1000")
        assert handle.running
        handle.kill()
        assert handle.wait(check=False).rc == -15

    def test_are_void_after_a_restore(self, vm: Machine) -> None:
        handle = vm.start("sleep 1000")
        vm.restore()
        with pytest.raises(ChannelError):
            handle.wait()


def uptime(vm: Machine) -> float:
    """CLOCK_MONOTONIC of the machine, in seconds."""
    return float(vm.run("cat /proc/uptime").out.split()[0])


class TestStates:
    def test_are_the_same_each_time(self, vm: Machine) -> None:
        first = fingerprint(vm)
        vm.enforcing()
        vm.run("nft -f -", input=DECLARE)
        vm.run("touch /root/litter; sleep 1000 &")
        confined(vm, "litter", {})
        assert fingerprint(vm) != first
        start = time.monotonic()
        vm.restore()
        print(f"restored in {time.monotonic() - start:.2f} s")
        assert fingerprint(vm) == first
        vm.restore()
        assert fingerprint(vm) == first

    def test_have_the_right_time_and_fresh_random_numbers(self, vm: Machine) -> None:
        random = []
        for _ in range(2):
            vm.restore()
            assert abs(float(vm.run("date +%s.%N").out) - time.time()) < 30
            random.append(vm.run("head -c 16 /dev/urandom | md5sum").out)
        assert random[0] != random[1]

    def test_begin_at_the_moment_when_they_were_saved(self, vm: Machine) -> None:
        """By the clock that watchdogs and timers use; else they would run out in a state that is restored late."""
        vm.snapshot("moment")
        saved = uptime(vm)
        vm.run("sleep 20")
        assert uptime(vm) >= saved + 20
        vm.restore("moment")
        assert uptime(vm) < saved + 10
        vm.restore("tree")

    def test_survive_a_restore_in_the_middle_of_a_flood(self, vm: Machine) -> None:
        for _ in range(3):
            vm.start("yes | head -c 50000000")
            vm.start("cat >/dev/null", input=b"x" * 1_000_000)
            vm.restore()
            assert vm.run("echo here").out == "here\n"

    def test_two_machines_at_once_are_apart(self, vm: Machine) -> None:
        with Machine() as other:
            with ThreadPoolExecutor() as pool:
                outputs = list(pool.map(lambda m: m.run("echo x >>/root/mark; wc -l </root/mark").out, (vm, other)))
            assert outputs == ["1\n", "1\n"]
            other.close()
        assert vm.run("cat /root/mark").out == "x\n"

    def test_qemu_dies_with_its_python(self, tmp_path: Path) -> None:
        script = (
            "import machine, os, signal; m = machine.Machine(); print(m._qemu.process.pid); os.kill(os.getpid(), 9)"
        )
        program = [sys.executable, "-c", "import sys; sys.stdout.reconfigure(line_buffering=True); " + script]
        done = subprocess.run(
            program, cwd=HERE, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
        )
        pid = int(done.stdout)
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        with os.fdopen(pidfd):
            assert select.select([pidfd], [], [], 30)[0] == [pidfd]


class TestFiles:
    def test_the_tree_is_there(self, vm: Machine) -> None:
        ours = Path(__file__).read_text()
        assert vm.run(f"cat {TREE}/tests/vm/test_machine.py").out == ours

    def test_pytest_works_on_it(self, vm: Machine) -> None:
        vm.put("def test_sum():\n    assert 1 + 1 == 2\n", "/root/secmarkd/tests/probe/test_probe.py")
        assert "1 passed" in vm.run(f"cd {TREE} && python3 -m pytest -q tests/probe", timeout=120).out

    def test_are_put_with_their_bytes_and_mode(self, vm: Machine) -> None:
        vm.put(b"\0\xff", "/root/new folder/it's", mode=0o600)
        assert vm.run("stat -c '%a %s' \"/root/new folder/it's\"").out == "600 2\n"


class TestLabels:
    def test_the_kernel_has_selinux(self, vm: Machine) -> None:
        assert vm.run("getenforce").out == "Permissive\n"
        vm.enforcing()
        assert vm.run("getenforce").out == "Enforcing\n"
        vm.permissive()
        assert vm.run("getenforce").out == "Permissive\n"

    def test_one_declared_label_denies_unlabelled_packets_until_it_is_gone(self, vm: Machine) -> None:
        vm.enforcing()
        serve(vm, "unconfined_t", PORT)
        assert connect(vm, "smd_client_t", PORT) == "ok"
        assert vm.denials() == []

        vm.run("nft -f -", input=DECLARE)
        assert connect(vm, "smd_client_t", PORT) == "ECONNREFUSED"
        denials = vm.denials()
        assert {(d.source, d.target, d.dport, d.enforced) for d in denials} == {
            ("smd_client_t", "unlabeled_t", PORT, True)
        }
        assert all(d.permissions == {"send"} for d in denials)
        assert vm.denials() == []

        vm.run("nft delete table inet probe")
        assert connect(vm, "smd_client_t", PORT) == "ok"

    def test_permissive_reports_and_lets_through(self, vm: Machine) -> None:
        vm.run("nft -f -", input=DECLARE)
        serve(vm, "unconfined_t", PORT)
        assert connect(vm, "smd_client_t", PORT) == "ok"
        assert {(d.target, d.enforced) for d in vm.denials() if d.source == "smd_client_t"} == {
            ("unlabeled_t", False)
        }

    def test_the_domains_may_use_their_own_type_and_no_other(self, vm: Machine) -> None:
        vm.enforcing()
        label(vm, "http_client_packet_t", "http_server_packet_t")
        serve(vm, "smd_server_t", PORT)
        assert connect(vm, "smd_client_t", PORT) == "ok"
        assert vm.denials() == []
        assert connect(vm, "smd_auth_t", PORT) == "ECONNREFUSED"
        assert {(d.source, d.target) for d in vm.denials()} == {("smd_auth_t", "http_client_packet_t")}

    def test_a_denied_receive_is_silence(self, vm: Machine) -> None:
        vm.enforcing()
        label(vm, "http_client_packet_t", "myauth_packet_t")
        serve(vm, "smd_server_t", PORT)
        assert connect(vm, "smd_client_t", PORT, seconds=2) == "timeout"
        assert {(d.source, d.target, *d.permissions) for d in vm.denials()} == {
            ("smd_server_t", "myauth_packet_t", "recv")
        }

    @pytest.mark.parametrize("name", PRELOADED_TYPES)
    def test_our_packet_types_can_be_declared_by_nft(self, vm: Machine, name: str) -> None:
        vm.enforcing()
        context = f"system_u:object_r:{name}:s0"
        vm.run("nft -f -", input=f'add table inet t; add secmark inet t x {{ "{context}"; }}')
        assert context in vm.run("nft list ruleset").out

    @pytest.mark.parametrize("name", PRELOADED_DOMAINS)
    def test_our_domains_can_be_entered_when_enforcing(self, vm: Machine, name: str) -> None:
        vm.enforcing()
        shown = vm.run(f"runcon -u unconfined_u -r unconfined_r -t {name}_t -- cat /proc/self/attr/current").out
        assert f":{name}_t:" in shown


class TestPolicy:
    def test_a_domain_can_be_made_and_changed(self, vm: Machine) -> None:
        vm.enforcing()
        label(vm, "intranet_packet_t", "http_server_packet_t")
        serve(vm, "smd_server_t", PORT)
        confined(vm, "visitor", {})
        assert connect(vm, "visitor_t", PORT) == "ECONNREFUSED"
        confined(vm, "visitor", {"intranet_packet_t": "send recv"})
        assert connect(vm, "visitor_t", PORT) == "ok"
        assert connect(vm, "smd_client_t", PORT) == "ECONNREFUSED"

    def test_a_packet_type_can_come_and_go(self, vm: Machine) -> None:
        vm.enforcing()
        declare = 'add table inet t; add secmark inet t x { "system_u:object_r:brandnew_packet_t:s0"; }'
        assert "Invalid argument" in vm.run("nft -f -", input=declare, check=False).err
        confined(vm, "visitor", {"brandnew_packet_t": "send"}, types=["brandnew_packet_t"])
        vm.run("nft -f -", input=declare)
        vm.change_policy(remove=["visitor", "brandnew_packet_t"])
        assert "became invalid" in vm.run("dmesg").out

    def test_a_rule_about_an_unknown_type_is_refused(self, vm: Machine) -> None:
        with pytest.raises(PolicyError, match="nowhere_packet_t"):
            confined(vm, "visitor", {"nowhere_packet_t": "send"})
