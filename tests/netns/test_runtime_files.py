# SPDX-License-Identifier: GPL-2.0-or-later
"""/run/secmarkd removed under the real service, and signals that come before it can take them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from secmarkd.service.exit_codes import Exit
from tests.support.real_service import PATIENCE, RealService
from tests.support.waiting import eventually


@pytest.mark.fault(48)
@pytest.mark.slow
def test_a_removed_directory_lets_no_second_writer_in_and_status_is_true_again(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    assert service.process is not None
    first, since = service.process, len(service.said)
    moved = service.runtime_folder.rename(service.runtime_folder.with_name("removed"))
    shutil.rmtree(moved)  # in two steps: the service may put files into a directory that is being emptied
    said = service.await_line("was removed by somebody; recreated and locked", since)
    assert said.count("\n") == 1
    eventually(lambda: service.ctl("status").returncode == 0, PATIENCE, lambda: service.said)
    assert f"running (process {first.pid})" in service.ctl("status").stdout
    applied = service.ctl("apply")
    assert applied.returncode == Exit.FAILURE
    assert f"the service is running (process {first.pid})" in applied.stderr
    service.start()  # a second one
    assert service.await_exit() == Exit.FAILURE
    assert f"another secmarkd (process {first.pid}) holds" in service.said
    service.process = first
    assert service.ctl("reload").returncode == 0
    service.namespace.nft("delete element inet secmarkd server_port { tcp . 80 }")
    service.await_line("notice: repaired: 1 difference", since)


@pytest.mark.fault(49)
def test_signals_that_come_before_it_can_take_them_do_not_end_it(service: RealService) -> None:
    service.start()
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status")

    def held() -> bool:
        blocked = next(line for line in status.read_text().splitlines() if line.startswith("SigBlk:"))
        return bool(int(blocked.split()[1], 16) & 1 << (signal.SIGHUP - 1))

    end = time.monotonic() + PATIENCE
    while not held():
        assert time.monotonic() < end
    sent = 0
    while held():  # it imports
        for number in (signal.SIGHUP, signal.SIGUSR1):
            service.signal(number)
            sent += 1
        time.sleep(0.002)
    assert sent >= 2
    service.await_told("READY=1")
    assert service.process.poll() is None
    assert "err: " not in service.said
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0


@pytest.mark.fault(49)
def test_helper_processes_do_not_take_what_is_meant_for_the_service(service: RealService) -> None:
    """`systemctl kill -s HUP` sends it to all processes of the unit."""
    service.start()
    service.await_told("READY=1")
    for pid in service.namespace.pids():
        for number in (signal.SIGUSR1, signal.SIGHUP):
            os.kill(pid, number)
    service.await_line("configuration reloaded")
    assert "err: " not in service.said
