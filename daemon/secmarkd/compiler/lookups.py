# SPDX-License-Identifier: GPL-2.0-or-later
"""The lookups of one role, as rules of nft: the same maps, read with other keys on the way in and on the way out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secmarkd.compiler.grouping import Selector
from secmarkd.model.label_map import Role
from secmarkd.table.table import CgroupId, Key, Lookup, Mark, Match, ObjectKind, Rule, Statement, Verdict


@dataclass(frozen=True, slots=True)
class View:
    """Where the packets of one chain carry what the selectors ask for."""

    remote_is_source: bool
    port_is_destination: bool
    interface_is_input: bool

    def key(self, selector: Selector, family: int) -> Key:
        """nft's expression for a selector, for packets of IP version `family`."""
        match selector:
            case Selector.PORT:
                return Key.TH_DPORT if self.port_is_destination else Key.TH_SPORT
            case Selector.REMOTE:
                return _address(family, self.remote_is_source)
            case Selector.LOCAL:
                return _address(family, not self.remote_is_source)
            case Selector.INTERFACE:
                return self.interface
            case Selector.USER:
                return Key.SKUID
            case Selector.PROTOCOL:
                return Key.L4PROTO

    @property
    def interface(self) -> Key:
        """The interface that the packets enter or leave by."""
        return Key.IIFNAME if self.interface_is_input else Key.OIFNAME


def _address(family: int, source: bool) -> Key:
    if family == 4:
        return Key.IP_SADDR if source else Key.IP_DADDR
    return Key.IP6_SADDR if source else Key.IP6_DADDR


@dataclass(frozen=True, slots=True)
class GuardedLookup:
    """One lookup in a map, or where the guards say all, one label; with what must hold before it."""

    cgroup: CgroupId | None
    pattern: str | None
    by_user: bool
    family: int
    selectors: tuple[Selector, ...]
    map: str
    object: str
    """The label where there is no map."""

    @property
    def by_process(self) -> bool:
        """Whether it asks for the local process, which not every hook sees for every packet."""
        return self.by_user or self.cgroup is not None

    @property
    def more_than_ports(self) -> bool:
        """Whether it asks for anything besides protocol and ports."""
        narrow = {Selector.REMOTE, Selector.LOCAL, Selector.INTERFACE}
        return self.by_process or self.pattern is not None or not narrow.isdisjoint(self.selectors)

    @property
    def names_port(self) -> bool:
        """Whether it asks for the service's port."""
        return Selector.PORT in self.selectors

    def probe(self, view: View, prefix: str, kind: ObjectKind, hit: Verdict) -> Rule:
        """The same lookup in a map of the same keys, whose name has the prefix."""
        return replace(self, map=prefix + self.map).rule(view, kind, hit)

    def rule(self, view: View, kind: ObjectKind, hit: Verdict) -> Rule:
        """The lookup as a rule that ends with `hit` where it finds a label."""
        statements: list[Statement] = []
        if self.cgroup is not None:
            statements.append(Match(Key.CGROUP, self.cgroup))
        if self.pattern is not None and self.pattern != "*":
            statements.append(Match(view.interface, self.pattern))
        if self.map:
            keys = tuple(view.key(selector, self.family) for selector in self.selectors)
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
