# SPDX-License-Identifier: GPL-2.0-or-later
"""The lookups of one role, as rules of nft: the same maps, read with other keys on the way in and on the way out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secmarkd.model.label_map import Role
from secmarkd.selectors.ports import PORTS
from secmarkd.selectors.selector import Ends, Selector, Weight
from secmarkd.table.table import CgroupId, Key, Lookup, Mark, Match, ObjectKind, Rule, Statement, Verdict


@dataclass(frozen=True, slots=True)
class GuardedLookup:
    """One lookup in a map, or where the guards say all, one label; with what must hold before it."""

    cgroup: CgroupId | None
    pattern: str | None
    family: int
    selectors: tuple[Selector, ...]
    map: str
    object: str
    """The label where there is no map."""

    @property
    def by_process(self) -> bool:
        """Whether it asks for the local process, which not every hook sees for every packet."""
        return self.cgroup is not None or any(each.by_process for each in self.selectors)

    @property
    def more_than_ports(self) -> bool:
        """Whether it asks for anything besides protocol and ports."""
        guarded = self.cgroup is not None or self.pattern is not None
        return guarded or any(each.weight > Weight.PORTS for each in self.selectors)

    @property
    def names_port(self) -> bool:
        """Whether it asks for the service's port."""
        return PORTS in self.selectors

    def probe(self, ends: Ends, prefix: str, kind: ObjectKind, hit: Verdict) -> Rule:
        """The same lookup in a map of the same keys, whose name has the prefix."""
        return replace(self, map=prefix + self.map).rule(ends, kind, hit)

    def rule(self, ends: Ends, kind: ObjectKind, hit: Verdict) -> Rule:
        """The lookup as a rule that ends with `hit` where it finds a label."""
        statements: list[Statement] = []
        if self.cgroup is not None:
            statements.append(Match(Key.CGROUP, self.cgroup))
        if self.pattern is not None and self.pattern != "*":
            statements.append(Match(ends.interface, self.pattern))
        if self.map:
            keys = tuple(each.in_key.expression(ends, self.family) for each in self.selectors if each.in_key)
            statements.append(Lookup(kind, keys, self.map))
        else:
            statements.append(Mark(kind, self.object))
        return (*statements, hit)


@dataclass(frozen=True, slots=True)
class RoleLookups:
    """All lookups of one role, in order."""

    role: Role
    lookups: tuple[GuardedLookup, ...]

    @property
    def by_process(self) -> tuple[GuardedLookup, ...]:
        """Those that ask for the local process; they come first, being the most selective."""
        return tuple(each for each in self.lookups if each.by_process)

    @property
    def by_packet(self) -> tuple[GuardedLookup, ...]:
        """Those that ask for nothing but the packet."""
        return tuple(each for each in self.lookups if not each.by_process)
