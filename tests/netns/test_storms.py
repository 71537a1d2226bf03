# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service beside programs that never stop committing: two lines, an author, and repairs that go on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.adapters.host.processes import counts_as_kernel
from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.events import DriftDetected
from tests.support.capability import require, require_bindings
from tests.support.kernel_rig import KernelRig
from tests.support.namespace import Namespace
from tests.support.processes import work
from tests.support.real_service import REPOSITORY, RealService
from tests.support.service_rig import Mode, configuration
from tests.support.waiting import eventually

T = "inet secmarkd"
PATIENCE = 60.0


@contextlib.contextmanager
def writer(namespace: Namespace, *texts: str, pause: float) -> Iterator[int]:
    """A process that commits these in turn; its number."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'daemon'}:{REPOSITORY}"}
    command = [sys.executable, "-m", "tests.support.tight_writer", str(pause), *texts]
    with namespace.popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"going\n"
            yield process.pid
            assert process.poll() is None, "the writer gave up"
        finally:
            process.kill()


def status(service: RealService) -> dict[str, object]:
    found: dict[str, object] = json.loads(service.ctl("status", "--json").stdout)
    return found


def rewriting(service: RealService, chain: str) -> str:
    """A transaction that writes a chain's rules once more, as they are."""
    listed = service.namespace.run(f"nft list chain {T} {chain}").stdout.splitlines()
    rules = [line.strip() for line in listed[2:] if line.strip() not in ("}", "")]
    assert rules
    return "; ".join([f"flush chain {T} {chain}", *(f"add rule {T} {chain} {rule}" for rule in rules)])


HARMLESS = f"add counter {T} x; delete counter {T} x"


@pytest.mark.fault(46)
@pytest.mark.parametrize("storm", ["a counter that comes and goes", "rules that are written again as they are"])
@pytest.mark.slow
def test_a_storm_on_our_table_is_a_line_at_its_beginning_and_one_at_its_end(service: RealService, storm: str) -> None:
    require(counts_as_kernel(Path("/proc")), "needs the initial PID namespace")
    service.start()
    service.await_told("READY=1")
    assert service.process is not None
    before, since = service.table(), len(service.said)
    text = HARMLESS if "counter" in storm else rewriting(service, "labelled_input")
    with writer(service.namespace, text, pause=0.001) as pid:
        named = f"(process {pid}, "
        service.await_line("degraded: ", since)
        began, spent = time.monotonic(), work([service.process.pid]).cpu_seconds
        while time.monotonic() < began + 8:
            now = status(service)
            assert now["state"] == "degraded"
            assert named in str(now["busy"]), now
            time.sleep(0.2)
        used = (work([service.process.pid]).cpu_seconds - spent) / (time.monotonic() - began)
        (only,) = service.said[since:].splitlines()
        assert only.startswith("secmarkd: warning: degraded: ")
        assert named in only
        assert named in service.ctl("status").stdout
        assert used < 0.5, used
        reloaded = service.ctl("reload")
        assert reloaded.returncode == 0 or named in reloaded.stderr, reloaded.stderr
        service.namespace.nft(f"delete element {T} server_port {{ tcp . 80 }}")
    said = service.await_line("drift: element missing: server_port { tcp . 80 }", since)
    drift = next(line for line in said.splitlines() if "drift: element missing" in line)
    assert "nft (process " in drift
    service.await_line("notice: the ruleset is calm again, in sync: ", since)
    told = [line for line in service.said[since:].splitlines() if "calm" in line or "degraded" in line]
    assert len(told) == 2, service.said[since:]
    assert "recovered" not in service.said[since:]
    assert strip(service.table()) == strip(before)
    assert status(service)["state"] == "in sync"


def strip(listing: str) -> str:
    """A listing without what its counters have counted."""
    return re.sub(r"packets \d+ bytes \d+", "", listing)


def with_many_ports(service: RealService, number: int) -> None:
    """Some thousand elements."""
    service.configure(f"[labels.http]\ntcp = [{', '.join(map(str, range(1, 2 * number, 2)))}]\n")
    service.start()
    service.await_told("READY=1")


def test_beside_a_busy_program_the_one_is_named_that_touched_our_table(service: RealService) -> None:
    require(counts_as_kernel(Path("/proc")), "needs the initial PID namespace")
    with_many_ports(service, 1_000)
    since = len(service.said)
    service.namespace.nft("add table ip other; add set ip other s { type mark; }")
    texts = [f"{verb} element ip other s {{ 1 }}" for verb in ("add", "delete")]
    with writer(service.namespace, *texts, pause=0.01) as pid:
        service.namespace.nft(f"flush chain {T} input_original")
        eventually(lambda: "drift: rule missing" in service.said[since:], PATIENCE, lambda: service.said[since:])
        drifts = [line for line in service.said[since:].splitlines() if "drift: " in line]
        assert all("; by nft (process " in line for line in drifts), drifts
        assert not any(str(pid) in line for line in drifts)


@pytest.mark.fault(14)
def test_after_lost_events_nobody_is_named_who_was_merely_busy(netns: Namespace) -> None:
    require_bindings()
    with netns.enter():
        rig = KernelRig(netns, configuration(80, 443, mode=Mode.REHEARSE), events=NetlinkEvents(receive_buffer=1))
        with contextlib.closing(rig):
            for number in range(10):
                netns.nft(f"add table inet w{number}")
            netns.nft(f"flush chain {T} input_original")
            for number in range(10):
                netns.nft(f"delete table inet w{number}")
            rig.woken()
            drifts = [each for each in rig.journal.take() if isinstance(each, DriftDetected)]
            assert drifts
            assert {each.by for each in drifts} == {"unknown (events were lost)"}


@pytest.mark.fault(18)
@pytest.mark.slow
def test_who_keeps_reads_from_being_accepted_is_named(service: RealService) -> None:
    """Two tight writers of other tables and 20,000 elements; whatever becomes of a read beside them."""
    require(counts_as_kernel(Path("/proc")), "needs the initial PID namespace")
    with_many_ports(service, 10_000)
    before, since = service.table(), len(service.said)
    with contextlib.ExitStack() as stack:
        pids = []
        for number in (1, 2):
            service.namespace.nft(f"add table inet w{number}; add set inet w{number} s {{ type mark; }}")
            element = f"element inet w{number} s {{ 1 }}"
            texts = (f"add {element}", f"delete {element}")
            pids.append(stack.enter_context(writer(service.namespace, *texts, pause=0.0)))
        end, number = time.monotonic() + 20, 0
        while time.monotonic() < end and "degraded" not in service.said[since:]:
            number += 1
            service.namespace.nft(f"add chain {T} theirs{number}")
            time.sleep(1)
        failed = [
            line for line in service.said[since:].splitlines() if "changes too fast" in line or "cannot" in line
        ]
        assert all(any(f"(process {pid}, " in line for pid in pids) for line in failed), failed
    eventually(lambda: status(service)["state"] == "in sync", 2 * PATIENCE, lambda: service.said[since:])
    assert service.table() == before
