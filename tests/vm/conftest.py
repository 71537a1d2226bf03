"""The test machine as fixtures: `vm` is fresh for every test, for the price of a restored state (about 0.6 s)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import image
import pytest
from machine import Machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """One machine for the session, with the project's source tree in /root/secmarkd, saved as the state `tree`.

    Without the tools for it tests are skipped on a developer's machine, and fail where CI=true.
    """
    if reason := image.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with Machine() as running:
        running.put_project()
        running.snapshot("tree")
        yield running


@pytest.fixture
def vm(machine: Machine) -> Machine:
    """The machine as it was when the tree had just been copied in: permissive, no labels, no audit news."""
    machine.restore("tree")
    return machine
