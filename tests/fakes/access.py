# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `AccessQuestions`."""

from __future__ import annotations

from collections.abc import Iterable

from secmarkd.ports import Access

UNLABELED = "system_u:object_r:unlabeled_t:s0"
PERMISSIONS = frozenset({"send", "recv", "relabelto", "forward_in", "forward_out"})


class FakeAccess:
    """A policy of the class `packet`, which knows every context but those in `unknown`. As Debian's, it lets what has no
    label forward what has none. A kernel without a policy: `loaded` is False.
    """

    def __init__(self, *, loaded: bool = True) -> None:
        self.loaded = loaded
        self.unknown: set[str] = set()
        self.permissive: set[str] = set()
        """Sources that are denied nothing."""
        self._rules: dict[tuple[str, str], set[str]] = {}
        self.allow(UNLABELED, UNLABELED, ("forward_in", "forward_out"))

    def allow(self, source: str, target: str, permissions: Iterable[str]) -> None:
        """One more rule."""
        self._rules.setdefault((source, target), set()).update(permissions)

    def unlabeled(self) -> str | None:
        """As ports.AccessQuestions."""
        return UNLABELED if self.loaded else None

    def access(self, source: str, target: str, tclass: str) -> Access | None:
        """As ports.AccessQuestions."""
        if not self.loaded or tclass != "packet" or self.unknown & {source, target}:
            return None
        allowed = self._rules.get((source, target), set())
        return Access(frozenset(allowed), permissive=source in self.permissive)
