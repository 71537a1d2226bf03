# SPDX-License-Identifier: GPL-2.0-or-later
"""The loaded policy under the labels: whether it still knows their contexts, and whether it is enforced.

A secmark object keeps the number (SID) that its context had when it was made. The kernel converts its table of numbers
at each policy load, so that a number stays that of its context. Where the new policy does not know the context, its number
means `unlabeled` until a policy with it is loaded again; nftables shows nothing of either (security/selinux/ss/services.c:
"became invalid (unmapped)", "became valid (mapped)"; seen on Linux 6.1 and 6.12). So nothing is to be written, but told.
"""

from __future__ import annotations

from collections.abc import Callable

from secmarkd.events import ContextsKnown, ContextsUnknown, EnforcementChanged
from secmarkd.ports import Clock, Journal, Selinux
from secmarkd.table.table import ObjectKind, Table

SAMPLES = 5
"""Contexts that one event names."""


class PolicyWatch:
    """Looks whenever the labels are verified, which the kernel's events of SELinux bring forward; that costs one small read
    where no policy was loaded since."""

    def __init__(self, selinux: Selinux, journal: Journal, clock: Clock, origin_of: Callable[[str], str]) -> None:
        """`origin_of` says where a context is written in the configuration."""
        self._selinux = selinux
        self._journal = journal
        self._clock = clock
        self._origin_of = origin_of
        self._seen: tuple[int, frozenset[str]] = (0, frozenset())
        """The policy that was asked last, and for which contexts."""
        self._enforcing: bool | None = None
        self._since = 0.0
        self.unknown: frozenset[str] = frozenset()
        """Contexts in the kernel that the loaded policy does not know."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Those, each with the place where it is written."""
        return tuple(self._named(each) for each in sorted(self.unknown))

    def look(self, table: Table) -> None:
        """Tell what has changed for the contexts of a table."""
        contexts = frozenset(str(each.context) for each in table.objects if each.kind is ObjectKind.SECMARK)
        if not contexts:
            self.unknown = contexts
            return
        state = self._selinux.state()
        if not state.active:
            return  # selinuxfs is not to be seen; a policy that is loaded once stays
        if self._enforcing not in (None, state.enforcing):
            self._journal.write(EnforcementChanged("enforcing" if state.enforcing else "permissive"))
        self._enforcing = state.enforcing
        if state.policy and self._seen == (state.policy, contexts):
            return
        try:
            unknown = frozenset(each for each in contexts if not self._selinux.valid(each))
        except OSError:
            return  # this process may not ask
        self._seen = (state.policy, contexts)
        before, self.unknown = self.unknown & contexts, unknown
        now = self._clock.monotonic()
        if back := before - unknown:
            self._journal.write(ContextsKnown(len(back), self._sample(back), now - self._since))
        if new := unknown - before:
            self._since = self._since if before else now
            self._journal.write(ContextsUnknown(len(new), self._sample(new)))

    def _sample(self, contexts: frozenset[str]) -> str:
        named = [self._named(each) for each in sorted(contexts)[:SAMPLES]]
        more = len(contexts) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")

    def _named(self, context: str) -> str:
        origin = self._origin_of(context)
        return f"{context} ({origin})" if origin else context
