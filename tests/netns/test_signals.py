# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals at awkward moments: storms of them, and those that come while a transaction is under way."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from secmarkd.service.exit_codes import Exit
from tests.support.faults import LibnftablesFaults
from tests.support.processes import POLL, system_call
from tests.support.real_service import PATIENCE, RealService
from tests.support.waiting import eventually


def worker(service: RealService) -> int:
    """The process that holds libnftables."""
    (pid,) = (
        pid for pid in service.namespace.pids() if Path(f"/proc/{pid}/comm").read_text().strip() == "secmarkd-nft"
    )
    return pid


def applying(service: RealService) -> int:
    """Have it reload another label map, and wait within the pass for libnftables, which does not answer; its process."""
    service.start()
    service.await_told("READY=1")
    service.configure("[labels.dns]\nudp = [53]\n")
    process = worker(service)
    os.kill(process, signal.SIGSTOP)
    service.signal(signal.SIGHUP)
    service.await_told("RELOADING=1")
    for _ in ("loading", "the pass"):
        service.await_told("EXTEND_TIMEOUT_USEC=150000000")
    assert service.process is not None
    pid = service.process.pid
    eventually(lambda: system_call(pid)[0] == POLL, PATIENCE)
    return process


@pytest.mark.fault(24, 28)
def test_of_a_storm_of_reloads_the_last_one_wins_and_few_happen(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    file = service.root / "etc/labels.d/50-test.toml"
    for number in range(1, 101):
        file.with_suffix(".new").write_text(f"[labels.n{number}]\nudp = [{number}]\n")
        file.with_suffix(".new").rename(file)
        service.signal(signal.SIGHUP)
    while "s_n100_server_packet_t" not in service.table():
        service.await_told("READY=1")
    assert service.ctl("plan").returncode == 0
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    assert service.said.count("configuration reloaded") < 50
    assert "err: " not in service.said


@pytest.mark.fault(29)
def test_a_stop_during_a_transaction_lets_it_end_and_leaves_the_new_labels_whole(service: RealService) -> None:
    process = applying(service)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
        service.signal(number)
    os.kill(process, signal.SIGCONT)
    assert service.await_exit() == 0
    assert service.said.count("configuration reloaded") == 1
    assert "info: stopped; labels remain" in service.said
    assert service.ctl("plan").returncode == 0
    service.await_helpers_gone()


@pytest.mark.fault(29)
def test_a_reload_during_a_transaction_is_done_after_it(service: RealService) -> None:
    process = applying(service)
    service.configure("[labels.ntp]\nudp = [123]\n")
    service.signal(signal.SIGHUP)
    os.kill(process, signal.SIGCONT)
    while "s_ntp_server_packet_t" not in service.table():
        service.await_told("READY=1")
    assert service.said.count("configuration reloaded") == 2
    assert service.ctl("plan").returncode == 0


@pytest.mark.fault(29)
def test_a_stop_during_a_transaction_that_never_ends_leaves_the_old_labels_whole(service: RealService) -> None:
    process = applying(service)
    before = service.table()
    service.signal(signal.SIGTERM)
    os.kill(process, signal.SIGKILL)
    assert service.await_exit() == 0
    assert "err: a helper process failed: libnftables died of SIGKILL" in service.said
    assert "info: stopped; labels remain" in service.said
    assert "s_http_server_packet_t" in before
    assert service.table() == before
    service.await_helpers_gone()


def test_neither_a_reload_nor_a_hangup_ends_a_secmarkctl_that_writes(
    service: RealService, faults: LibnftablesFaults, tmp_path: Path
) -> None:
    service.meet(faults)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    faults.order("write", "wait for", gate)
    command = service.command("secmarkctl", "apply")
    applying = service.namespace.popen(command, env=service.environment, stdout=subprocess.PIPE, text=True)
    faults.await_carried_out(PATIENCE)
    for verb in ("reload", "apply", "clear"):
        refused = service.ctl(verb)
        assert refused.returncode == Exit.FAILURE
        assert f"error: another secmarkctl is running (process {applying.pid})\n" in refused.stderr
    applying.send_signal(signal.SIGHUP)
    gate.write_text("go on")
    said, _ = applying.communicate(timeout=PATIENCE)
    assert (applying.returncode, said.partition(":")[0]) == (0, "created")
    assert service.ctl("plan").returncode == 0
