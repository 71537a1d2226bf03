"""The real service with a journald that takes nothing, is gone, and comes back: the labels are kept meanwhile."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.kernel.netlink_events import NetlinkEvents
from secmarkd.kernel.nft_worker import PROCESS_NAME
from tests.support.journald import Journald
from tests.support.namespace import Namespace
from tests.support.real_service import PATIENCE, RealService

IN_ITS_OWN_RUN = ("sh", "-c", 'mount --bind "$0" /run && exec "$@"')
"""Runs a command with another folder as /run; `ip netns exec` has given it mounts of its own."""
DELETE = "delete element inet secmarkd server_port {{ tcp . {} }}"


class Repairs:
    """Waits for the service's commits, as the kernel tells of them."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.enter():
            self.events = NetlinkEvents()

    def wait(self) -> None:
        while True:
            ready, _, _ = select.select([self.events], [], [], PATIENCE)
            assert ready, "no repair"
            if any(each.comm == PROCESS_NAME for each in self.events.take().committed):
                return


@pytest.fixture
def repairs(netns: Namespace) -> Iterator[Repairs]:
    repairs = Repairs(netns)
    yield repairs
    repairs.events.close()


@pytest.fixture
def journald(netns: Namespace, tmp_path: Path) -> Iterator[Journald]:
    folder = tmp_path / "system/systemd/journal"
    folder.mkdir(parents=True)
    with netns.enter():  # where ten datagrams fill a queue
        journald = Journald(folder / "socket")
    yield journald
    journald.close()


@pytest.fixture
def journalling(service: RealService, journald: Journald, repairs: Repairs) -> RealService:
    """The service, ready, as the unit starts it: its stderr is said to be the journal's."""
    service.log.touch()
    status = service.log.stat()
    stream = f"{status.st_dev}:{status.st_ino}"
    service.start(*IN_ITS_OWN_RUN, str(service.root / "system"), JOURNAL_STREAM=stream)
    service.await_told("READY=1")
    repairs.wait()
    assert [each.split(":")[0] for each in journald.messages()][-1] == "in sync"
    return service


def test_a_journal_that_takes_nothing_stops_no_repair_and_gets_everything_later(
    journalling: RealService, journald: Journald, repairs: Repairs
) -> None:
    before = journalling.table()
    filled = journald.fill()
    journalling.namespace.nft(DELETE.format(80))
    repairs.wait()
    assert journalling.table() == before
    assert journald.messages() == ["of another service"] * filled
    drift, repaired = journald.await_message("repaired: ")
    assert drift.startswith("drift: element missing: server_port { tcp . 80 }; ")
    assert drift.endswith(" s late)")
    assert repaired.endswith(" s late)")
    assert journalling.said == ""


def test_a_journal_that_is_gone_and_comes_back_costs_nothing(
    journalling: RealService, journald: Journald, repairs: Repairs
) -> None:
    before = journalling.table()
    journald.close()
    journalling.namespace.nft(DELETE.format(80))
    repairs.wait()
    with journalling.namespace.enter():
        journald.open()
    assert [each.split(":")[0] for each in journald.await_message("repaired: ")] == ["drift", "repaired"]
    journalling.namespace.nft(DELETE.format(443))
    assert [each.split(":")[0] for each in journald.await_message("repaired: ")] == ["drift", "repaired"]
    assert journalling.table() == before
    journald.close()
    journalling.process.terminate()  # type: ignore[union-attr]
    assert journalling.await_exit() == 0
