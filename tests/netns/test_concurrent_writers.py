# SPDX-License-Identifier: GPL-2.0-or-later
"""Others commit all the time, to their tables and to ours: nothing is made up, nothing mixed, and nothing overlooked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import StateUnknown
from secmarkd.events import DriftRepaired, Event, RulesetBusy
from secmarkd.service.status import State
from secmarkd.table.elements import Elements
from secmarkd.table.table import Table
from secmarkd.table.transaction import Replace
from tests.support.capability import require_bindings
from tests.support.kernel_rig import PATIENCE, KernelRig, told_kinds
from tests.support.namespace import Namespace
from tests.support.real_service import REPOSITORY
from tests.support.service_rig import Mode, configuration
from tests.support.tables import find_map, full_table, replace_map

DELETE = "delete element inet secmarkd server_port { tcp . 80 }"


@contextmanager
def writers(namespace: Namespace, *rounds: tuple[str, ...], pause: float = 0.0) -> Iterator[None]:
    """For each round a process that commits its texts in turn, with a pause of so many seconds."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'daemon'}:{REPOSITORY}"}
    with ExitStack() as stack:
        running = []
        for texts in rounds:
            command = [sys.executable, "-m", "tests.support.tight_writer", str(pause), *texts]
            process = stack.enter_context(namespace.popen(command, stdout=subprocess.PIPE, env=environment))
            stack.callback(process.kill)
            running.append(process)
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == b"going\n"
        yield
        assert all(process.poll() is None for process in running)


def elsewhere(namespace: Namespace, number: int) -> tuple[str, ...]:
    """A round that changes a table of its own."""
    namespace.nft(f"add table inet w{number}; add set inet w{number} s {{ type mark; }}")
    return f"add element inet w{number} s {{ 1 }}", f"delete element inet w{number} s {{ 1 }}"


def rehearsal(*ports: int) -> Loaded:
    return configuration(*ports, mode=Mode.REHEARSE)


def state(rig: KernelRig) -> State:
    return rig.service.status.state


def until_repaired(rig: KernelRig) -> list[Event]:
    """What the service says up to the end of a repair."""
    events: list[Event] = []
    end = time.monotonic() + PATIENCE
    while not any(isinstance(each, DriftRepaired) for each in events):
        assert time.monotonic() < end, events
        rig.clock.now += 10  # so that each change is a story of its own
        rig.woken()
        events += rig.journal.take()
    return events


@pytest.mark.fault(11)
def test_repairs_among_writers_of_other_tables_are_told_as_they_are(netns: Namespace) -> None:
    require_bindings()
    with netns.enter(), closing(KernelRig(netns, rehearsal(80, 443))) as rig:
        whole = rig.listing()
        with writers(netns, elsewhere(netns, 1), elsewhere(netns, 2), pause=0.002):
            for _ in range(10):
                netns.nft(DELETE)
                events = until_repaired(rig)
                assert told_kinds(events) == {"element missing": 1}
                assert len(events) == 2
            assert rig.listing() == whole


SWAPS = (
    'add element inet secmarkd m_user { 7 . tcp . 22 : "s_ssh" }',
    "delete element inet secmarkd m_user { 7 . tcp . 22 }",
)


@pytest.mark.fault(17, 19)
def test_what_nobody_touches_is_read_as_it_is_whatever_is_changed_beside_it(netns: Namespace) -> None:
    """Dumps that the kernel marks as interrupted, structure that is listed again and again, elements that come twice."""
    require_bindings()
    table = full_table()
    filling = {b"\x11" + port.to_bytes(2, "big"): "s_http" for port in range(1000, 3000)}
    table = replace_map(table, "m_port", Elements.of(3, find_map(table, "m_port").elements.as_dict() | filling))

    def untouched(live: Table | None) -> Table:
        assert live is not None
        return replace_map(live, "m_user", Elements(find_map(live, "m_user").elements.width))

    read = 0
    with netns.enter(), closing(LibNft()) as nft:
        nft.commit((Replace(table),))
        with writers(netns, SWAPS, elsewhere(netns, 1), pause=0.001):
            for _ in range(20):
                try:
                    live = nft.read()
                except StateUnknown:
                    continue
                assert untouched(live) == untouched(table)
                read += 1
                if read == 4:
                    break
    assert read


RENEWED = "add counter inet secmarkd theirs; delete counter inet secmarkd theirs; add counter inet secmarkd theirs"
"""In one transaction: the table is never twice the same."""


@pytest.mark.fault(18)
@pytest.mark.slow
def test_a_read_that_writers_starve_is_given_up_and_taken_for_nothing(netns: Namespace) -> None:
    """Many elements and a tight writer of our table: it is never twice the same, but what nobody saw is not absent."""
    require_bindings()
    with netns.enter(), Netlink() as netlink, closing(KernelRig(netns, rehearsal(*range(1, 10_000)))) as rig:
        whole, end = rig.listing(), time.monotonic() + PATIENCE
        netns.nft("add counter inet secmarkd theirs")
        with writers(netns, (RENEWED,)):
            told: list[Event] = []
            said = ""
            # On a busy machine a writer may sleep for a read, which then finds its counter.
            while not any(isinstance(each, RulesetBusy) for each in told):
                assert time.monotonic() < end
                rig.service.ask_verify()
                rig.service.tick()
                told += rig.journal.take()
                said = rig.service.status.line(rig.clock.now)
        (busy,) = [each for each in told if isinstance(each, RulesetBusy)]
        assert "python" in busy.by
        assert "python" in said
        rig.nft.close()
        netns.run("nft delete counter inet secmarkd theirs", check=False)
        before = netlink.generation()
        rig.clock.now += 60
        rig.service.ask_verify()
        rig.service.tick()
        rig.clock.now += 60
        rig.service.tick()
        assert state(rig) is State.IN_SYNC
        assert rig.listing() == whole
        assert netlink.generation() == before


@pytest.mark.fault(18)
@pytest.mark.slow
@pytest.mark.parametrize("elements", [440, 20_000])
def test_writers_of_other_tables_keep_nobody_from_reading_this_one(netns: Namespace, elements: int) -> None:
    """Two of them, without a pause."""
    require_bindings()
    with netns.enter(), closing(KernelRig(netns, rehearsal(*range(1, elements // 2)))) as rig:
        with writers(netns, elsewhere(netns, 1), elsewhere(netns, 2)):
            for _ in range(5):
                rig.service.ask_verify()
                rig.service.tick()
                assert state(rig) is State.IN_SYNC
        assert rig.journal.take() == []


@pytest.mark.slow
@pytest.mark.parametrize(("elements", "rate"), [(440, 300), (20_000, 20), (20_000, 100)])
def test_a_writer_of_another_table_stops_no_repair(netns: Namespace, elements: int, rate: int) -> None:
    """Where libnftables listed the table, nothing was put right for as long as the other one wrote."""
    require_bindings()
    ports = range(1, elements // 2 + 1)
    with netns.enter(), closing(KernelRig(netns, rehearsal(*ports))) as rig:
        whole = rig.listing()
        with writers(netns, elsewhere(netns, 1), pause=1 / rate):
            for tampering in (
                "flush chain inet secmarkd input_original",
                "flush map inet secmarkd server_port",
                DELETE,
            ):
                netns.nft(tampering)
                until_repaired(rig)
        assert rig.listing() == whole
        assert state(rig) is State.IN_SYNC


@pytest.mark.fault(14)
def test_lost_events_are_made_up_for(netns: Namespace) -> None:
    require_bindings()
    with netns.enter(), closing(KernelRig(netns, rehearsal(80, 443), events=NetlinkEvents(receive_buffer=1))) as rig:
        whole = rig.listing()
        for number in range(10):
            netns.nft(f"add table inet w{number}")
        netns.nft(DELETE)
        rig.woken()
        detected, repaired = rig.journal.take()
        assert told_kinds([detected]) == {"element missing": 1}
        assert isinstance(repaired, DriftRepaired)
        assert rig.listing() == whole
