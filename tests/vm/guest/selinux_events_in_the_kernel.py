# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.SelinuxEvents in the machine, by the kernel's own notifications. Run by test_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from secmarkd.adapters.selinux.notifications import SelinuxEvents
from tests.contract.selinux_events_contract import Notified, SelinuxEventsContract

ENFORCE = Path("/sys/fs/selinux/enforce")


class Kernel:
    """Its enforcement is switched, of which it notifies."""

    def open(self) -> SelinuxEvents:
        return SelinuxEvents()

    def change(self) -> None:
        ENFORCE.write_text(str(1 - int(ENFORCE.read_text())))


class TestSelinuxEvents(SelinuxEventsContract):
    @pytest.fixture
    def notified(self) -> Notified:
        return Kernel()
