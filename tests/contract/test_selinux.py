# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.Selinux, kept by the fake; the kernel keeps it in tests/vm/test_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from secmarkd.adapters.selinux.selinuxfs import SelinuxFs
from secmarkd.ports import Selinux, SelinuxState
from tests.contract.selinux_contract import KNOWN, UNKNOWN, Machine, SelinuxContract
from tests.fakes.selinux import FakeSelinux


class FakeMachine:
    def __init__(self) -> None:
        fake = FakeSelinux()
        fake.load(unknown={UNKNOWN})
        self.selinux: Selinux = fake


class TestFakeSelinux(SelinuxContract):
    @pytest.fixture
    def machine(self) -> Machine:
        return FakeMachine()


@pytest.mark.parametrize("selinux", ["fake", "selinuxfs"])
def test_where_selinux_is_absent_every_state_is_false_and_no_context_is_valid(selinux: str, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    asked: Selinux = (
        FakeSelinux(active=False) if selinux == "fake" else SelinuxFs(nothing, own_context=nothing, proc=nothing)
    )
    assert asked.state() == SelinuxState(active=False, enforcing=False, mls=False)
    assert not asked.valid(KNOWN)
