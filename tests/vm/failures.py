# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test that failed in a machine is shown with; the machine is gone by the time somebody reads of it."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from channel import ChannelError
from machine import Machine
from qemu import QemuError

TOLD = 80
"""Lines of the machine's journal that are shown with a test that failed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """For a conftest to import: with a failure, what the machine's journal says."""
    report = yield
    machines = {each for each in getattr(item, "funcargs", {}).values() if isinstance(each, Machine)}
    if report.failed and report.when == "call":
        for machine in machines:
            report.sections.append(("journal of the machine", _journal(machine)))
    return report


def _journal(machine: Machine) -> str:
    try:
        return machine.run(f"journalctl --sync; journalctl -b -n {TOLD} --no-pager -o short-precise", check=False).out
    except (AssertionError, ChannelError, QemuError, OSError) as error:
        return f"cannot be read: {error}"
