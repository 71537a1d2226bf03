# SPDX-License-Identifier: GPL-2.0-or-later
"""While the configuration is being loaded, however long that takes: signals are answered, drift is repaired."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from tests.bench.maps import port_tuples, write_ports
from tests.support.real_service import PATIENCE, RealService
from tests.support.waiting import eventually

AT_ONCE = 1.0
"""Seconds: an idle machine takes a twentieth of one, and loads 100,000 selectors in five."""


def loading(service: RealService) -> int:
    """The process that loads, once it runs."""
    assert service.process is not None
    others = {service.process.pid}

    def loaders() -> list[int]:
        found = []
        for pid in set(service.namespace.pids()) - others:
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"secmarkd.adapters.loading.process" in command:
                found.append(pid)
        return found

    eventually(lambda: bool(loaders()), PATIENCE)
    return loaders()[0]


def works(pid: int, seconds: float) -> bool:
    """Whether a process has used so much of a processor; False once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") >= seconds


def hanging(service: RealService) -> int:
    """Start it, and have it reload; the process that loads, which is stopped before it has done so."""
    service.start()
    service.await_told("READY=1")
    service.configure("[labels.dns]\nudp = [53]\n")
    service.signal(signal.SIGHUP)
    service.await_told("RELOADING=1")
    process = loading(service)
    os.kill(process, signal.SIGSTOP)
    return process


def configure_much(service: RealService) -> None:
    """A label map with 100,000 selectors."""
    shutil.rmtree(service.root / "etc/labels.d")
    write_ports(service.root / "etc", port_tuples(100_000))


def end_now(service: RealService) -> float:
    """Have it end; after how many seconds it has."""
    began = time.monotonic()
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    return time.monotonic() - began


def test_a_stop_during_a_reload_of_100000_selectors_is_answered_at_once(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    before = service.table()
    configure_much(service)
    service.signal(signal.SIGHUP)
    service.await_told("RELOADING=1")
    process = loading(service)
    eventually(lambda: works(process, 1.0), PATIENCE)
    seconds = end_now(service)
    print(f"ended {seconds * 1000:.0f} ms after SIGTERM")
    assert seconds < AT_ONCE
    assert "info: stopped; labels remain" in service.said
    assert "configuration reloaded" not in service.said
    assert "rejected" not in service.said
    assert service.table() == before
    service.await_helpers_gone()


def test_a_stop_during_the_first_load_of_100000_selectors_is_answered_at_once(service: RealService) -> None:
    configure_much(service)
    service.start()
    process = loading(service)
    eventually(lambda: works(process, 1.0), PATIENCE)
    seconds = end_now(service)
    print(f"ended {seconds * 1000:.0f} ms after SIGTERM")
    assert seconds < AT_ONCE
    assert "err: " not in service.said
    assert service.table() == ""
    service.await_helpers_gone()


def test_drift_is_repaired_while_a_load_does_not_answer(service: RealService) -> None:
    process = hanging(service)
    before = service.table()
    service.namespace.run("nft flush chain inet secmarkd input")
    eventually(lambda: service.table() == before, PATIENCE, service.table)
    os.kill(process, signal.SIGCONT)
    service.await_line("configuration reloaded")
    assert "s_dns_server_packet_t" in service.table()


def test_a_reload_during_a_load_is_done_after_it(service: RealService) -> None:
    process = hanging(service)
    service.configure("[labels.ntp]\nudp = [123]\n")
    for _ in range(3):
        service.signal(signal.SIGHUP)
    os.kill(process, signal.SIGCONT)
    while "s_ntp_server_packet_t" not in service.table():
        service.await_told("READY=1")
    eventually(lambda: service.said.count("configuration reloaded") == 2, PATIENCE)
    assert service.ctl("plan").returncode == 0


def test_a_load_whose_process_is_killed_is_a_rejected_reload(service: RealService) -> None:
    process = hanging(service)
    before = service.table()
    os.kill(process, signal.SIGKILL)
    service.await_line("reload rejected")
    assert "the loading process died of SIGKILL" in service.said
    assert service.table() == before
    assert end_now(service) < AT_ONCE


def test_the_watchdog_is_fed_while_a_load_does_not_answer(service: RealService) -> None:
    service.start(WATCHDOG_USEC="200000")
    service.await_told("READY=1")
    service.configure("[labels.dns]\nudp = [53]\n")
    service.signal(signal.SIGHUP)
    service.await_told("RELOADING=1")
    os.kill(loading(service), signal.SIGSTOP)
    service.forget_told()
    for _ in range(5):
        service.await_told("WATCHDOG=1")
    assert end_now(service) < AT_ONCE
