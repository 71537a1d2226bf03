# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service with a journald that takes nothing, is gone, and comes back: the labels are kept meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.journald import Journald
from tests.support.namespace import Namespace
from tests.support.real_service import RealService

pytestmark = pytest.mark.fault(43)

IN_ITS_OWN_RUN = ("sh", "-c", 'mount --bind "$0" /run && exec "$@"')
"""Runs a command with another folder as /run; `ip netns exec` has given it mounts of its own."""
DELETE = "delete element inet secmarkd server_port {{ tcp . {} }}"


REPAIRED = "STATUS=rehearsing, in sync: 1 label, 4 elements; last drift less than two minutes ago"
"""What the service manager is told after the journal has been."""


@pytest.fixture
def journald(netns: Namespace, tmp_path: Path) -> Iterator[Journald]:
    folder = tmp_path / "system/systemd/journal"
    folder.mkdir(parents=True)
    with netns.enter():  # where ten datagrams fill a queue
        journald = Journald(folder / "socket")
    yield journald
    journald.close()


@pytest.fixture
def journalling(service: RealService, journald: Journald) -> RealService:
    """The service, ready, as the unit starts it: its stderr is said to be the journal's."""
    service.log.touch()
    status = service.log.stat()
    stream = f"{status.st_dev}:{status.st_ino}"
    service.start(*IN_ITS_OWN_RUN, str(service.root / "system"), JOURNAL_STREAM=stream)
    service.await_told("READY=1")
    assert [each.split(":")[0] for each in journald.messages()][-1] == "in sync"
    return service


def test_a_journal_that_takes_nothing_stops_no_repair_and_gets_everything_later(
    journalling: RealService, journald: Journald
) -> None:
    before = journalling.table()
    filled = journald.fill()
    journalling.namespace.nft(DELETE.format(80))
    journalling.await_told(REPAIRED)
    assert journalling.table() == before
    assert journald.messages() == ["of another service"] * filled
    drift, repaired = journald.await_message("repaired: ")
    assert drift.startswith("drift: element missing: server_port { tcp . 80 }; ")
    assert drift.endswith(" s)")
    assert repaired.endswith(" s)")
    assert journalling.said == ""


def test_a_journal_that_is_gone_and_comes_back_costs_nothing(journalling: RealService, journald: Journald) -> None:
    before = journalling.table()
    journald.close()
    journalling.namespace.nft(DELETE.format(80))
    journalling.await_told(REPAIRED)
    with journalling.namespace.enter():
        journald.open()
    assert [each.split(":")[0] for each in journald.await_message("repaired: ")] == ["drift", "repaired"]
    journalling.namespace.nft(DELETE.format(443))
    assert [each.split(":")[0] for each in journald.await_message("repaired: ")] == ["drift", "repaired"]
    assert journalling.table() == before
    journald.close()
    journalling.process.terminate()  # type: ignore[union-attr]
    assert journalling.await_exit() == 0
