# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service in a network namespace of its own, rehearsing: what service manager, journal and kernel see of it."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from secmarkd.adapters.host.processes import counts_as_kernel
from secmarkd.service.exit_codes import Exit
from tests.support.capability import require
from tests.support.namespace import Namespace
from tests.support.processes import EPOLL_WAIT, RECEIVE, system_call
from tests.support.real_service import PATIENCE, RealService, unit_capabilities
from tests.support.waiting import eventually


@pytest.mark.fault(6, 9)
def test_start_drift_repair_and_stop(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    assert "s_http_server_packet_t" in service.table()
    before = service.table()

    service.namespace.nft(
        "delete element inet secmarkd server_port { tcp . 80 }; add rule inet secmarkd input accept"
    )
    said = service.await_line("notice: repaired: 2 differences")
    assert (
        "warning: drift: element missing: server_port { tcp . 80 }; expected s_http_server_packet_t; by nft (p"
        in said
    )
    assert "warning: drift: unexpected rule: chain input rule " in said
    assert service.table() == before
    size = len(service.log.read_text())
    service.signal(signal.SIGUSR1)
    service.namespace.nft("add table inet other; add chain inet other c")

    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    service.await_told("STOPPING=1")
    (only,) = service.log.read_text()[size:].splitlines()
    assert "info: stopped; labels remain" in only
    assert service.table() == before


def test_an_untouched_table_is_adopted_by_the_next_start(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    service.signal(signal.SIGKILL)
    service.await_exit()
    before = len(service.log.read_text())
    service.start()
    service.await_told("READY=1")
    said = service.log.read_text()[before:]
    assert "labels created" not in said
    assert "labels updated" not in said


def test_reload_good_and_bad_waits_for_the_answer(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")

    service.configure("[labels.http]\ntcp = [80]\n[labels.ssh]\ntcp = [22]\n")
    done = service.ctl("reload")
    assert (done.returncode, done.stdout) == (0, "reloaded\n")
    told = service.await_told("READY=1")
    assert "RELOADING=1" in told
    assert any(each.startswith("MONOTONIC_USEC=") for each in told)
    good = service.table()
    assert "s_ssh_server_packet_t" in good

    service.configure("[labels.http]\ntcp = [80]\ntpc = [22]\n")
    failed = service.ctl("reload")
    assert failed.returncode == Exit.CONFIG
    assert "50-test.toml:3: labels.http.tpc" in failed.stderr
    told = service.await_told("READY=1")
    assert any(each.startswith("STATUS=rehearsing, in sync") and "last reload rejected" in each for each in told)
    assert service.table() == good
    assert "err: reload rejected, the labels stay as they were" in service.log.read_text()
    assert service.ctl("status").returncode == 0


@pytest.mark.fault(1)
def test_a_flushed_ruleset_comes_back_at_once(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    before = service.table()
    service.namespace.run("nft flush ruleset")
    service.await_line("notice: repaired: 1 difference by recreating the table")
    assert service.table() == before


def test_a_table_that_another_process_took_is_said_to_be_and_comes_back_when_it_ends(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    before = service.table()
    with service.namespace.popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdin is not None
        owner.stdin.write("delete table inet secmarkd; add table inet secmarkd { flags owner; }\n")
        owner.stdin.flush()
        service.await_line("another process owns the table")
        service.await_line("warning: degraded")
        owner.stdin.close()
    service.await_line("notice: recovered")
    assert service.table() == before


@contextmanager
def living_writer(namespace: Namespace, command: str) -> Iterator[int]:
    """An nft that has run a command and lives on."""
    with namespace.popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdin is not None
        writer.stdin.write(f"{command}\n")
        writer.stdin.flush()
        yield writer.pid
        writer.stdin.close()


DELETE = "delete element inet secmarkd server_port { tcp . 80 }"


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    ("prefix", "program"),
    [(unit_capabilities(), ""), (unit_capabilities("CAP_SYS_PTRACE"), r"/usr/s?bin/nft, ")],
    ids=["as the unit runs it", "with the program's path where a drop-in allows that"],
)
def test_a_living_author_is_described(service: RealService, prefix: tuple[str, ...], program: str) -> None:
    require(counts_as_kernel(Path("/proc")), "needs the initial PID namespace")
    service.start(*prefix)
    service.await_told("READY=1")
    with living_writer(service.namespace, DELETE) as pid:
        said = service.await_line("notice: repaired")
    assert re.search(rf"drift: element missing: .*; by nft \(process {pid}, {program}user root", said)


def test_inside_another_pid_namespace_nobody_is_blamed_by_number(service: RealService) -> None:
    service.start("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    service.await_told("READY=1")
    with living_writer(service.namespace, DELETE):
        said = service.await_line("notice: repaired")
    assert "; by nft (process unknown from inside this PID namespace)" in said


@pytest.mark.fault(3)
@pytest.mark.slow
def test_a_fight_is_named_slowed_down_and_over_when_the_other_side_stops(service: RealService) -> None:
    service.start(entry=["tests.support.hasty_service"])
    service.await_told("READY=1")
    before = service.table()
    loop = "while :; do nft flush ruleset 2>/dev/null; sleep 0.02; done"
    with service.namespace.popen(["/bin/sh", "-c", loop]) as fighter:
        try:
            service.await_line("warning: contention: ")
            said = service.ctl("status").stdout
        finally:
            fighter.kill()
    assert re.search(r"degraded: .*\bnft \(.*process.* keeps modifying the table, repaired \d+ times in a row", said)
    assert service.log.read_text().count("notice: repaired") < 12
    said = service.await_line("notice: contention over, in sync: ")
    assert service.table() == before
    assert "err: " not in said


@pytest.mark.fault(2)
def test_fifty_flushes_in_a_row_are_a_handful_of_repairs(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    before = service.table()
    service.namespace.run("for i in $(seq 50); do nft flush ruleset; done")
    eventually(lambda: service.table() == before, PATIENCE, lambda: service.said)
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    assert service.table() == before
    assert service.said.count("notice: repaired") <= 10


def test_idle_means_idle(service: RealService) -> None:
    """Each process is in a system call that only an event ends, or the next verification in minutes, or once, a minute
    after another's commit, the look at what it committed. The helper's socket blocks, without a timeout."""
    service.start()
    service.await_told("READY=1")
    service.namespace.nft("delete element inet secmarkd server_port { tcp . 80 }")
    service.await_line("notice: repaired")
    assert service.process is not None
    helpers = [pid for pid in service.namespace.pids() if pid != service.process.pid]
    assert len(helpers) == 1

    def idle() -> bool:
        waiting, arguments = system_call(service.process.pid)  # type: ignore[union-attr]
        milliseconds = arguments[3] & 0xFFFFFFFF
        asked, _ = system_call(helpers[0])
        return waiting == EPOLL_WAIT and 20_000 < milliseconds < 1 << 31 and asked == RECEIVE

    processes = (service.process.pid, *helpers)
    eventually(idle, PATIENCE, lambda: [system_call(pid) for pid in processes])


FIREWALLD = """\
add table inet firewalld
delete table inet firewalld
table inet firewalld {
    chain filter_INPUT {
        type filter hook input priority filter + 10
        ct state { established, related } accept
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_INPUT_ZONES { tcp dport 22 accept; }
}
"""
"""What firewalld's nftables backend does at its start and at each reload, in one transaction."""


@pytest.mark.fault(5, 9)
def test_a_firewall_that_makes_its_own_table_anew_again_and_again_is_none_of_our_business(
    service: RealService,
) -> None:
    service.start()
    service.await_told("READY=1")
    before, size = service.table(), len(service.said)
    panic = "table inet firewalld_policy_drop"
    for text in (FIREWALLD, f"add {panic}", FIREWALLD, f"delete {panic}", "delete table inet firewalld"):
        service.namespace.nft(text)
    service.namespace.nft("delete element inet secmarkd server_port { tcp . 80 }")
    said = service.await_line("notice: repaired: ", since=size)
    assert [line.split(": ")[2] for line in said.splitlines()] == ["drift", "repaired"]
    assert service.table() == before


def test_stopping_removes_the_labels_where_that_is_asked(service: RealService) -> None:
    service.configure("[labels.http]\ntcp = [80]\n", 'on_stop = "remove"')
    service.start()
    service.await_told("READY=1")
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    assert service.table() == ""
    assert "stopped; labels removed" in service.log.read_text()


@pytest.mark.slow
def test_a_second_service_waits_and_gives_way(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    first = service.process
    assert first is not None
    service.start()
    try:
        assert service.await_exit() == Exit.FAILURE
        assert f"another secmarkd (process {first.pid}) holds" in service.log.read_text()
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


def test_a_bad_configuration_and_a_missing_permission_end_with_their_own_codes(service: RealService) -> None:
    service.configure("[labels.http]\ntcp = [80\n")
    service.start()
    assert service.await_exit() == Exit.CONFIG
    assert "50-test.toml:" in service.log.read_text()
    assert service.table() == ""

    service.configure("[labels.http]\ntcp = [80]\n")
    denied = service.ctl("apply", prefix=["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"])
    assert denied.returncode == Exit.NOPERM, denied.stderr
    assert "CAP_NET_ADMIN" in denied.stderr


@pytest.mark.fault(32)
def test_the_watchdog_is_fed(service: RealService) -> None:
    service.start(WATCHDOG_USEC="200000")
    service.await_told("READY=1")
    service.await_told("WATCHDOG=1")
    service.await_told("WATCHDOG=1")


def test_the_capability_that_the_unit_leaves_is_enough(service: RealService) -> None:
    unit = unit_capabilities()
    assert service.ctl("apply", prefix=unit).stdout.startswith("created: ")


def test_with_debug_the_service_shows_what_crosses_its_boundaries(service: RealService) -> None:
    service.environment["SECMARKD_DEBUG"] = "1"
    service.start()
    service.await_told("READY=1")
    service.namespace.nft("add rule inet secmarkd input accept")
    service.await_line("notice: repaired")
    said = service.said
    assert re.search(r"debug: child: the loading process: answered Load: [\d.]+ ms", said)
    assert re.search(r"debug: load: compile: [\d.]+ ms", said)
    assert "debug: nft: add table inet secmarkd" in said
    assert "debug: nft: flush chain inet secmarkd input" in said
    assert re.search(r"debug: read: table: [\d.]+ ms", said)
    assert re.search(r"debug: netlink: dump \d+: \d+ messages", said)
