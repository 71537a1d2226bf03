# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.SelinuxEvents, kept by the fake; the kernel keeps it in tests/vm/test_contract.py."""

from __future__ import annotations

import pytest

from tests.contract.selinux_events_contract import Notified, SelinuxEventsContract
from tests.fakes.selinux import FakeSelinuxEvents


class FakeKernel:
    def __init__(self) -> None:
        self._listeners: list[FakeSelinuxEvents] = []

    def open(self) -> FakeSelinuxEvents:
        self._listeners.append(FakeSelinuxEvents())
        return self._listeners[-1]

    def change(self) -> None:
        for each in self._listeners:
            each.happen()


class TestFakeSelinuxEvents(SelinuxEventsContract):
    @pytest.fixture
    def notified(self) -> Notified:
        return FakeKernel()
