# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine for secmarkctl, and one with a running service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.adapters.run.lock import held
from secmarkd.service.status import State, Status
from tests.support.secmarkctl_rig import LABELS, Machine, publish


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.write("secmarkd.toml", 'mode = "rehearse"\n')
    machine.write("labels.d/50-web.toml", LABELS)
    machine.runtime.mkdir()
    return machine


@pytest.fixture
def running(machine: Machine) -> Iterator[Machine]:
    """With a service, whose status is as a test writes it."""
    with held(machine.runtime):
        publish(machine, Status(pid=os.getpid(), state=State.IN_SYNC, labels=2, elements=5, mode="rehearse"))
        yield machine
