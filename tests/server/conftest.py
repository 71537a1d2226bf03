# SPDX-License-Identifier: GPL-2.0-or-later
"""The server machine as fixtures: `labelled` has services and another host beside it, fresh for every test."""

from __future__ import annotations

from collections.abc import Iterator

import image
import pytest
from failures import pytest_runtest_makereport
from labelling import apply
from machine import TREE, Machine
from recipes import SERVER
from talking import start_spawner

from tests.server.services import INSTALL_SECONDS, prepare
from tests.support.capability import require

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """One machine for the session, in which `make install` was run; its services are off, and it has no label.

    Without the tools for it tests are skipped on a developer's machine, and fail where CI=true.
    """
    require(not (reason := image.missing()), reason or "")
    with Machine(SERVER) as running:
        running.put_project()
        start_spawner(running)
        running.run(f"make -C {TREE} install", timeout=INSTALL_SECONDS)
        prepare(running)
        running.snapshot("prepared")
        yield running


@pytest.fixture(scope="session")
def labelling(machine: Machine) -> Machine:
    """The machine saved as the state `labelled`: enforcing, with the shipped labels."""
    machine.restore("prepared")
    machine.enforcing()
    apply(machine)
    machine.snapshot("labelled")
    return machine


@pytest.fixture
def labelled(labelling: Machine) -> Machine:
    """Enforcing, with the shipped labels; no service is started. This host is 192.0.2.1, the namespace `peer` beside it
    192.0.2.2; see services.py."""
    labelling.restore("labelled")
    return labelling
