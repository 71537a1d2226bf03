# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests in network namespaces."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.capability import require_bindings
from tests.support.faults import FOLDER, LibnftablesFaults
from tests.support.namespace import Namespace
from tests.support.real_service import RealService


@pytest.fixture
def service(netns: Namespace, tmp_path: Path) -> Iterator[RealService]:
    """The real service, not started yet."""
    require_bindings()
    service = RealService(netns, tmp_path)
    yield service
    service.close()


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LibnftablesFaults:
    """Orders for the workers of adapters in this process and, after `service.meet(faults)`, of the real service."""
    require_bindings()
    faults = LibnftablesFaults(tmp_path)
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    for name, value in faults.environment.items():
        monkeypatch.setitem(os.environ, name, value)
    return faults
