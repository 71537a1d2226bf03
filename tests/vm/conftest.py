# SPDX-License-Identifier: GPL-2.0-or-later
"""The test machine as fixtures: `vm` is fresh for every test, for the price of a restored state (about 0.6 s)."""

from __future__ import annotations

from collections.abc import Iterator

import image
import pytest
from failures import pytest_runtest_makereport
from labelling import SLOW, apply, cable
from machine import TREE, Machine
from talking import start_spawner

from tests.support.capability import require

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """One machine for the session, with the project's source tree in /root/secmarkd, saved as the state `tree`.

    Without the tools for it tests are skipped on a developer's machine, and fail where CI=true.
    """
    require(not (reason := image.missing()), reason or "")
    with Machine() as running:
        running.put_project()
        start_spawner(running)
        running.snapshot("tree")
        yield running


@pytest.fixture
def vm(machine: Machine) -> Machine:
    """The machine as it was when the tree had just been copied in: permissive, no labels, no audit news."""
    machine.restore("tree")
    return machine


@pytest.fixture(scope="session")
def installing(machine: Machine) -> Machine:
    """The machine in which `make install` was run once, saved as the state `installed`; without a network."""
    machine.restore("tree")
    machine.run(f"make -C {TREE} install", timeout=300)
    machine.snapshot("installed")
    return machine


@pytest.fixture
def host(installing: Machine) -> Machine:
    """The machine as it was after `make install`: the service is neither enabled nor running, and there are no labels."""
    installing.restore("installed")
    return installing


@pytest.fixture(scope="session")
def started(installing: Machine) -> Machine:
    """The machine saved as the state `running`: enforcing, the service enabled and running with the shipped labels."""
    installing.restore("installed")
    installing.enforcing()
    installing.run("systemctl enable --now secmarkd", timeout=SLOW)
    installing.snapshot("running")
    return installing


@pytest.fixture
def serving(started: Machine) -> Machine:
    """Enforcing, the service enabled and running with the shipped labels."""
    started.restore("running")
    return started


@pytest.fixture(scope="session")
def labelling(installing: Machine) -> Machine:
    """The machine saved as the state `labelled`: enforcing, with the shipped labels, and another host `peer` on a cable."""
    installing.restore("installed")
    cable(installing, "", "peer", "192.0.2")
    apply(installing)
    installing.enforcing()
    installing.snapshot("labelled")
    return installing


@pytest.fixture
def labelled(labelling: Machine) -> Machine:
    """Enforcing, with the shipped labels. This host is 192.0.2.1; the namespace `peer`, not labelled, is 192.0.2.2."""
    labelling.restore("labelled")
    return labelling
