# SPDX-License-Identifier: GPL-2.0-or-later
"""Fakes of the ports `Selinux` and `SelinuxEvents`."""

from __future__ import annotations

from secmarkd.ports import SelinuxState
from tests.fakes.notices import Notices


class FakeSelinux:
    """A SELinux whose policy knows every context but those in `unknown`: every text of as many parts as contexts have."""

    def __init__(self, *, active: bool = True, enforcing: bool = True, mls: bool = True) -> None:
        self.active = active
        self.enforcing = enforcing
        self.mls = mls
        self.unknown: set[str] = set()
        self.policy = 1
        self.asked = 0
        """How often a context was asked for."""

    def state(self) -> SelinuxState:
        """As ports.Selinux."""
        active = self.active
        return SelinuxState(active, active and self.enforcing, active and self.mls, self.policy if active else 0)

    def valid(self, context: str) -> bool:
        """As ports.Selinux."""
        self.asked += 1
        parts = context.split(":", 3)
        return self.active and all(parts) and len(parts) == (4 if self.mls else 3) and context not in self.unknown

    def load(self, *, unknown: set[str]) -> None:
        """Another policy is loaded."""
        self.policy += 1
        self.unknown = unknown


class FakeSelinuxEvents(Notices):
    """What the kernel tells of a SELinux."""
