# SPDX-License-Identifier: GPL-2.0-or-later
"""A service whose kernel another program commits to all the time."""

from __future__ import annotations

from secmarkd.errors import StateUnknown
from secmarkd.events import Event
from secmarkd.ports import Writer
from secmarkd.service.status import State
from secmarkd.table.table import Table
from tests.fakes.nft import FakeNft
from tests.support.service_rig import Rig, configuration

DESIRED = configuration(80, 443).table
STORM = (500, "python3")
PYTHON = Writer("python3", 500, "/usr/bin/python3.11", uid=0, user="root", unit="storm.service")
STARVED = StateUnknown("the ruleset changes too fast to be read", operation="read")


class Stormy(FakeNft):
    """An nftables in which somebody commits ten times whenever it is read, and only now and then lets it be read."""

    def __init__(self, table: Table | None = None) -> None:
        super().__init__(table)
        self.storming = False
        self.by = STORM
        self.readable_every = 0
        """Each so-manieth read succeeds; 0 for none."""
        self.error: StateUnknown = STARVED
        self._tried = 0

    def read(self) -> Table | None:
        if self.storming:
            for _ in range(10):
                self.change_elsewhere(self.by)
            self._tried += 1
            if not self.readable_every or self._tried % self.readable_every:
                self.announce(self.takes)
                self.meanwhile()
                raise self.error
        return super().read()


def stormy() -> tuple[Rig, Stormy]:
    nft = Stormy()
    rig = Rig(nft=nft).started()
    rig.writers.known["python3"] = PYTHON
    nft.storming = True
    return rig, nft


def state(rig: Rig) -> State:
    return rig.service.status.state


def starve(rig: Rig, seconds: float) -> list[Event]:
    """Ask for passes all the time."""
    end = rig.clock.now + seconds
    while rig.clock.now < end:
        rig.service.ask_verify()
        rig.run(0.5)
    return rig.journal.take()
