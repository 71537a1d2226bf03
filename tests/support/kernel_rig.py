# SPDX-License-Identifier: GPL-2.0-or-later
"""A service over the real kernel, in the process of a test, with a clock that the test sets and a journal that it reads."""

from __future__ import annotations

import re
import select

from secmarkd.adapters.host.processes import Processes
from secmarkd.adapters.netlink.labellers import NetlinkLabellers
from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import DriftDetected, DriftFlood, Event
from secmarkd.model.label_map import Environment
from secmarkd.service.adapters import Adapters
from secmarkd.service.machine import Service
from secmarkd.table.transaction import Transaction
from tests.fakes.access import FakeAccess
from tests.fakes.selinux import FakeSelinux
from tests.fakes.service import FakeClock, FakeJournal, FakeLoader, FakeNotifier
from tests.support.namespace import Namespace

PATIENCE = 10.0
"""Seconds for an event that comes within a millisecond."""


class CountingNft(LibNft):
    """Counts the repairs that were made before anything was read."""

    hasty = 0

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        super().commit_at(transaction, generation)
        self.hasty += 1


class KernelRig:
    """Make it in the namespace (`with namespace.enter()`), and stay there."""

    def __init__(
        self,
        namespace: Namespace,
        loaded: Loaded,
        nft: CountingNft | None = None,
        events: NetlinkEvents | None = None,
    ) -> None:
        self.namespace = namespace
        self.loaded = loaded
        self.nft = nft or CountingNft()
        self.events = events or NetlinkEvents()
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.notifier = FakeNotifier()
        adapters = Adapters(
            nft=self.nft, events=self.events, writers=Processes(), loader=FakeLoader(lambda: loaded),
            selinux=FakeSelinux(), policy=FakeAccess(), labellers=NetlinkLabellers(), forwards=lambda: False,
            cgroup_events=None, journal=self.journal, notifier=self.notifier, clock=self.clock,
            read_environment=lambda _: Environment(), ports_in_use=frozenset,
            publish=lambda status: None, give_back=lambda: None,
        )  # fmt: skip
        self.service = Service(adapters, pid=42, folders="/etc/secmarkd")
        self.service.tick()
        assert self.service.status.state == "in sync", self.journal.take_lines()
        self.journal.take()

    def woken(self, patience: float = PATIENCE) -> bool:
        """Wait for the kernel to tell of a commit, and have the service do what follows from it."""
        if not select.select([self.events], [], [], patience)[0]:
            return False
        self.service.changed()
        if self.service.due() <= self.clock.now:
            self.service.tick()
        return True

    def listing(self) -> list[str]:
        """Our table as nft prints it, apart from what the service reads: its parts, whose order means nothing."""
        text = self.namespace.run("nft list table inet secmarkd", check=False).stdout
        return sorted(part.strip() for part in text.removeprefix("table inet secmarkd {\n").split("\n\t}\n"))

    def close(self) -> None:
        self.nft.close()
        self.events.close()


def told_kinds(events: list[Event]) -> dict[str, int]:
    """How many things differed, by kind (`element missing`), as events tell of them one by one or as a flood."""
    kinds: dict[str, int] = {}
    for event in events:
        match event:
            case DriftDetected():
                counted = [(event.kind, 1)]
            case DriftFlood():
                counted = [(kind, int(number)) for number, kind in re.findall(r"(\d+) ([a-z ]+)", event.kinds)]
            case _:
                counted = []
        for kind, number in counted:
            kinds[kind] = kinds.get(kind, 0) + number
    return kinds
