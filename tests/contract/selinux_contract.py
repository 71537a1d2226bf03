# SPDX-License-Identifier: GPL-2.0-or-later
"""What ports.Selinux promises of a machine with an MLS or MCS policy, for the fake and for the kernel."""

from __future__ import annotations

from typing import Protocol

import pytest

from secmarkd.ports import Selinux

KNOWN = "system_u:object_r:http_server_packet_t:s0"
UNKNOWN = "system_u:object_r:no_such_type_t:s0"


class Machine(Protocol):
    """A machine whose policy knows KNOWN, and does not know UNKNOWN."""

    @property
    def selinux(self) -> Selinux:
        """The adapter."""


class SelinuxContract:
    """To be inherited, with a fixture `machine`."""

    def test_a_loaded_policy_is_active_has_levels_and_a_number(self, machine: Machine) -> None:
        state = machine.selinux.state()
        assert state.active
        assert state.mls
        assert not state.hidden
        assert state.policy > 0

    def test_while_no_policy_is_loaded_the_state_stays_the_same(self, machine: Machine) -> None:
        assert machine.selinux.state() == machine.selinux.state()

    def test_a_context_of_the_policy_is_valid(self, machine: Machine) -> None:
        assert machine.selinux.valid(KNOWN)

    def test_a_context_with_categories_is_valid(self, machine: Machine) -> None:
        assert machine.selinux.valid(f"{KNOWN}:c1")

    def test_a_context_with_an_unknown_type_is_not_valid(self, machine: Machine) -> None:
        assert not machine.selinux.valid(UNKNOWN)

    @pytest.mark.parametrize("text", ["", "nonsense", "system_u:object_r"])
    def test_a_text_that_is_no_context_is_not_valid(self, machine: Machine, text: str) -> None:
        assert not machine.selinux.valid(text)

    def test_a_context_without_a_level_is_not_valid(self, machine: Machine) -> None:
        assert not machine.selinux.valid(KNOWN.removesuffix(":s0"))
