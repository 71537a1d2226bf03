"""A fake of the port `Selinux`."""

from __future__ import annotations

from secmarkd.ports import SelinuxState


class FakeSelinux:
    """A SELinux whose policy knows every context but those in `unknown`."""

    def __init__(self, *, active: bool = True, enforcing: bool = True, mls: bool = True) -> None:
        self.active = active
        self.enforcing = enforcing
        self.mls = mls
        self.unknown: set[str] = set()

    def state(self) -> SelinuxState:
        """As ports.Selinux."""
        return SelinuxState(self.active, self.active and self.enforcing, self.active and self.mls)

    def valid(self, context: str) -> bool:
        """As ports.Selinux."""
        return self.active and context not in self.unknown
