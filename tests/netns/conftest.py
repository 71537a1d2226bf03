"""Fixtures of the tests in network namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.capability import require_bindings
from tests.support.namespace import Namespace
from tests.support.real_service import RealService


@pytest.fixture
def service(netns: Namespace, tmp_path: Path) -> Iterator[RealService]:
    """The real service, not started yet."""
    require_bindings()
    service = RealService(netns, tmp_path)
    yield service
    service.close()
