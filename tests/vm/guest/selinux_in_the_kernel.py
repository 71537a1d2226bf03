# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.Selinux in the machine, by the kernel's own policy. Run by test_contract.py."""

from __future__ import annotations

import pytest

from secmarkd.adapters.selinux.selinuxfs import SelinuxFs
from secmarkd.ports import Selinux
from tests.contract.selinux_contract import Machine, SelinuxContract


class KernelMachine:
    def __init__(self) -> None:
        self.selinux: Selinux = SelinuxFs()


class TestSelinuxFs(SelinuxContract):
    @pytest.fixture
    def machine(self) -> Machine:
        return KernelMachine()
