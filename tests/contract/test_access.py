# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of `ports.AccessQuestions`, kept by the fake; the kernel keeps it in tests/vm/test_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from secmarkd.adapters.selinux.access import SelinuxAccess
from tests.contract.access_contract import INDULGED, READER, UNKNOWN, WEB, AccessContract, AccessWorld
from tests.fakes.access import FakeAccess


class FakeWorld:
    def __init__(self) -> None:
        self.policy = FakeAccess()
        for category in ("", ":c1"):
            self.policy.allow(READER + category, WEB + category, ("send", "recv"))
        self.policy.permissive.add(INDULGED)
        self.policy.unknown |= {UNKNOWN, "not a context"}


class TestFakeAccess(AccessContract):
    @pytest.fixture
    def world(self) -> AccessWorld:
        return FakeWorld()


@pytest.mark.parametrize("policy", ["fake", "selinuxfs"])
def test_without_a_policy_nobody_can_say(policy: str, tmp_path: Path) -> None:
    asked = FakeAccess(loaded=False) if policy == "fake" else SelinuxAccess(tmp_path)
    assert asked.unlabeled() is None
    assert asked.access(READER, WEB, "packet") is None


def test_an_answer_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    (tmp_path / "class/packet/perms").mkdir(parents=True)
    (tmp_path / "class/packet/index").write_text("57")
    (tmp_path / "class/packet/perms/send").write_text("1")
    (tmp_path / "access").write_text("")
    assert SelinuxAccess(tmp_path).access(READER, WEB, "packet") is None
