# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of `ports.AccessQuestions` in the machine, by the kernel's own policy. Run by test_contract.py."""

from __future__ import annotations

import pytest

from secmarkd.adapters.selinux.access import SelinuxAccess
from secmarkd.ports import AccessQuestions
from tests.contract.access_contract import AccessContract, AccessWorld


class KernelWorld:
    def __init__(self) -> None:
        self.policy: AccessQuestions = SelinuxAccess()


class TestSelinuxAccess(AccessContract):
    @pytest.fixture
    def world(self) -> AccessWorld:
        return KernelWorld()
