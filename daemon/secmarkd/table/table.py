# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of our table. Desired and live state are values of these same types, so that comparing them is `==`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from secmarkd.table.elements import Elements, Field

FAMILY, NAME = "inet", "secmarkd"
"""Our table. Never `secmark`: that is a reserved word of nft, whose parser then cannot name the table."""
PRIORITY_SECURITY = 50
"""NF_IP_PRI_SECURITY: after destination NAT, before source NAT and SELinux's own hook at 225 (linux/netfilter_ipv4.h)."""
PRIORITY_FORWARD = -226
"""One before NF_IP_PRI_SELINUX_FIRST (-225), where SELinux checks forward_in; conntrack (-200) has run in prerouting."""


class ObjectKind(StrEnum):
    """What a label is in the kernel: a secmark object, or in rehearsal a counter."""

    SECMARK = "secmark"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True, order=True)
class Object:
    """A named stateful object. `context` is None for counters, whose packets and bytes are not part of the state."""

    name: str
    kind: ObjectKind
    context: str | None = None


# --- expressions and statements: exactly those that the compiler uses; anything else in the kernel is Foreign ---


class Key(StrEnum):
    """An expression of nft that reads something of the packet."""

    L4PROTO = "meta l4proto"
    IIFNAME = "meta iifname"
    OIFNAME = "meta oifname"
    IIFKIND = "meta iifkind"
    OIFKIND = "meta oifkind"
    SKUID = "meta skuid"
    SKGID = "meta skgid"
    IP_SADDR = "ip saddr"
    IP_DADDR = "ip daddr"
    IP6_SADDR = "ip6 saddr"
    IP6_DADDR = "ip6 daddr"
    TH_SPORT = "th sport"
    TH_DPORT = "th dport"
    TCP_SPORT = "tcp sport"
    TCP_DPORT = "tcp dport"
    UDP_SPORT = "udp sport"
    UDP_DPORT = "udp dport"
    CT_DIRECTION = "ct direction"
    CT_STATE = "ct state"
    CT_STATUS = "ct status"
    CT_SECMARK = "ct secmark"
    CT_ID = "ct id"
    META_SECMARK = "meta secmark"
    TCP_SYN_ACK = "tcp flags & (syn | ack)"
    SCTP_INIT = "sctp chunk init"
    """Compared with "exists" or "missing"."""
    DCCP_TYPE = "dccp type"
    CGROUP = "socket cgroupv2"


@dataclass(frozen=True, slots=True)
class CgroupId:
    """A cgroup as rules hold it: the level at which a socket's cgroup is looked at, and the number of an inode."""

    level: int
    inode: int
    path: str = field(default="", compare=False)
    """For people, and for nft, which looks for the inode. Empty for what was found in the kernel."""


Value = int | str | tuple[int, ...] | CgroupId
"""A constant: a number, a word or name, an anonymous set of numbers (sorted), or a cgroup."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of numbers, inclusive."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Match:
    """`KEY == VALUE` or `KEY != VALUE`. A `ct state` is one of those that a word with commas lists (`new,related`)."""

    key: Key
    value: Value | Span
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Give the packet one label: `meta secmark set "object"`, or `counter name "object"` in rehearsal."""

    kind: ObjectKind
    object: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """Give the packet the label that `map` has for the keys; a miss ends the rule."""

    kind: ObjectKind
    keys: tuple[Key, ...]
    map: str


@dataclass(frozen=True, slots=True)
class Save:
    """`ct secmark set meta secmark`."""


@dataclass(frozen=True, slots=True)
class Restore:
    """`meta secmark set ct secmark`."""


@dataclass(frozen=True, slots=True)
class InSet:
    """`KEY @SET`, or `KEY != @SET`: whether a dynamic set holds it. Several keys are one, `KEY . KEY`."""

    keys: tuple[Key, ...]
    set: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Remember:
    """`add @SET { KEY }`, or where `refresh` `update @SET { KEY }`, which also restarts its timeout. Where the set is full
    the rule ends here (nft_dynset_eval)."""

    keys: tuple[Key, ...]
    set: str
    refresh: bool = False
    timeout: int = 0
    """Seconds that the element stays; 0 for the set's own timeout."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`accept`, `return`, `jump CHAIN` or `goto CHAIN`."""

    action: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something in our table that secmarkd never writes. `text` is its JSON with sorted keys, without its handle."""

    what: str
    """table flag, object, map, chain, statement, …: nft's word for it."""
    name: str
    text: str


Statement = Match | Mark | Lookup | Save | Restore | InSet | Remember | Verdict | Foreign
Rule = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class BaseHook:
    """Where a base chain hangs. `priority` is netfilter's number; the lower runs first."""

    hook: str
    priority: int
    policy: str = "accept"
    type: str = "filter"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules in order; `base` is None for one that is only jumped to."""

    name: str
    rules: tuple[Rule, ...]
    base: BaseHook | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """A named map from keys to objects."""

    name: str
    key: tuple[Field, ...]
    kind: ObjectKind
    interval: bool
    elements: Elements


@dataclass(frozen=True, slots=True)
class DynamicSet:
    """A named set that rules fill (`flags dynamic,timeout`). What is in it is the kernel's, and no part of the state."""

    name: str
    key: Key | tuple[Field, ...]
    """An expression, whose type it has (`typeof`), or fields."""
    size: int
    """How many elements it can hold."""
    timeout: int
    """Seconds that an element stays after it was last added or updated."""


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table. Each tuple is sorted by name, so that equal tables are equal values."""

    objects: tuple[Object, ...] = ()
    maps: tuple[Map, ...] = ()
    chains: tuple[Chain, ...] = ()
    foreign: tuple[Foreign, ...] = field(default=())
    flags: tuple[str, ...] = ()
    """`owner`, `persist`, `dormant`, sorted."""
    sets: tuple[DynamicSet, ...] = ()

    def element_count(self) -> int:
        """How many elements all maps have together."""
        return sum(len(each.elements) for each in self.maps)

    def elements(self) -> Iterator[tuple[Map, bytes, str]]:
        """Every element as its map, its packed key and the name of its object."""
        for each in self.maps:
            for key, name in each.elements.items():
                yield each, key, name
