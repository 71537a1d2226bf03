# SPDX-License-Identifier: GPL-2.0-or-later
"""What every lane shares: hypothesis profiles, the skip policy, network namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from secmarkd.workers import version
from tests.support.capability import (
    has_bindings,
    has_namespaces,
    has_nft,
    has_qemu,
    has_selinux,
    in_ci,
    require,
    require_bindings,
    require_namespaces,
    require_qemu,
)
from tests.support.namespace import Namespace

__all__ = [
    "has_bindings",
    "has_namespaces",
    "has_nft",
    "has_qemu",
    "has_selinux",
    "in_ci",
    "require",
    "require_bindings",
    "require_namespaces",
    "require_qemu",
]

# No deadline: a machine under load is not a bug. What CI says of a commit must not depend on luck, so there the examples
# are always the same; other runs look for new ones. Failures print a blob, from which @reproduce_failure repeats them.
hypothesis.settings.register_profile("default", max_examples=50, deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if in_ci() else "default")


@pytest.fixture(scope="session", autouse=True)
def edited() -> Iterator[None]:
    """Whoever edits the source while tests run has not upgraded this process. (Services that tests start take it so.)"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(version, "is_ours", lambda _: True)
        yield


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """A fresh network namespace with `lo` up; for more than one, make `Namespace()` after `require_namespaces()`."""
    require_namespaces()
    with Namespace() as namespace:
        yield namespace
