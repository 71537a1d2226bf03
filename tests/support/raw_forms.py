# SPDX-License-Identifier: GPL-2.0-or-later
"""A table with every form of every statement that `encode` writes: what the decoder must read from any nft and kernel."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from secmarkd.table.elements import Field
from secmarkd.table.table import (
    CgroupId,
    Chain,
    DynamicSet,
    InSet,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    ObjectKind,
    Remember,
    Restore,
    Rule,
    Save,
    Span,
    Table,
    Value,
    Verdict,
)
from tests.support.tables import make_map, make_object

CGROUPS = ("secmarkd-forms", "secmarkd-forms/below")
K = ObjectKind.COUNTER
ACCEPT = Verdict("accept")
_NUMBERS: tuple[Value | Span, ...] = (0, 5, 255, (1, 58), Span(3, 200))
_PORTS: tuple[Value | Span, ...] = (0, 80, 65535, (22, 80, 443), Span(32768, 60999), Span(0, 9))
_IPV4 = ("10.0.0.0/8", "10.16.0.0/12", "10.16.0.0/16", "10.1.2.0/23", "192.0.2.1", "0.0.0.0/0", "128.0.0.0/1")
_IPV6 = ("2001:db8::/32", "2001:db8::/33", "2001:db8::1", "::/0", "fe80::/10", "2000::/3", "2001:db8:1::/127")
VALUES: dict[Key, tuple[Value | Span, ...]] = {
    Key.L4PROTO: _NUMBERS,
    Key.IIFNAME: ("lo", "wg*", "abcdefghijklmno", "abcdefghijklmn*", "a"),
    Key.OIFNAME: ("eth0", "e*"),
    Key.IIFKIND: ("vrf",),
    Key.OIFKIND: ("vrf", "veth"),
    Key.SKGID: (0, 100, 4294967295, (5, 100), Span(100, 105)),
    Key.SKUID: (0, 1000, 4294967295, (5, 1000), Span(1000, 1005)),
    Key.IP_SADDR: _IPV4,
    Key.IP_DADDR: _IPV4,
    Key.IP6_SADDR: _IPV6,
    Key.IP6_DADDR: _IPV6,
    Key.TCP_SPORT: _PORTS,
    Key.TCP_DPORT: _PORTS,
    Key.UDP_SPORT: _PORTS,
    Key.UDP_DPORT: _PORTS,
    Key.CT_DIRECTION: ("original", "reply"),
    Key.CT_STATE: ("new", "established", "related", "invalid", "untracked", "new,related"),
    Key.CT_STATUS: ("expected",),
    Key.CT_SECMARK: (0,),
    Key.META_SECMARK: (0,),
    Key.SCTP_INIT: ("exists", "missing"),
    Key.DCCP_TYPE: ("request",),
    Key.TCP_SYN_ACK: ("syn", "ack", "syn | ack"),
}
"""Constants of each key. `th` alone nft takes only after a protocol: see `more_rules`."""
_PROTOCOL = Field.PROTOCOL
_ENDS4 = (Key.L4PROTO, Key.IP_SADDR, Key.TH_SPORT, Key.IP_DADDR, Key.TH_DPORT)
_ENDS6 = (Key.L4PROTO, Key.IP6_DADDR, Key.TH_DPORT, Key.IP6_SADDR, Key.TH_SPORT)
_FIELD_KEYS = {
    Field.PROTOCOL: (Key.L4PROTO,),
    Field.PORT: (Key.TH_SPORT, Key.TH_DPORT),
    Field.IPV4: (Key.IP_SADDR, Key.IP_DADDR),
    Field.IPV6: (Key.IP6_SADDR, Key.IP6_DADDR),
    Field.INTERFACE: (Key.IIFNAME, Key.OIFNAME),
    Field.USER: (Key.SKUID,),
    Field.GROUP: (Key.SKGID,),
}


def match_rules() -> list[Rule]:
    """A rule for each comparison with a constant."""
    return [
        (Match(key, value, negated), ACCEPT)
        for key, values in VALUES.items()
        for value, negated in product(values, (False, True))
    ]


def more_rules() -> list[Rule]:
    """What else there is, and what comes after something that the rule has asked already."""
    return [
        (Match(Key.L4PROTO, (6, 17)), Match(Key.TH_DPORT, 80), ACCEPT),
        (Match(Key.L4PROTO, (6, 17), True), Match(Key.TH_SPORT, Span(5, 9), True), ACCEPT),
        (Match(Key.IP_SADDR, "10.0.0.1"), Match(Key.IP_DADDR, "10.0.0.0/8", True), ACCEPT),
        (Match(Key.IP6_SADDR, "fe80::1"), Match(Key.IIFNAME, "lo"), Match(Key.IP6_DADDR, "fe80::2"), ACCEPT),
        (Match(Key.IP_SADDR, "10.0.0.1"), Match(Key.TCP_DPORT, 80), Match(Key.TCP_SYN_ACK, "syn"), ACCEPT),
        (Match(Key.UDP_DPORT, 53), Match(Key.IP_SADDR, "10.0.0.1"), Match(Key.IIFNAME, "wg*"), ACCEPT),
        (Match(Key.L4PROTO, 6), Match(Key.IIFNAME, "lo"), Match(Key.TCP_DPORT, 80), ACCEPT),
        (Match(Key.L4PROTO, 1, True), Match(Key.IP_SADDR, "10.0.0.0/9"), ACCEPT),
        (Match(Key.CT_STATE, "new"), Match(Key.IIFNAME, "lo", True), Save(), ACCEPT),
        (Match(Key.CT_SECMARK, 0, True), Restore(), Verdict("return")),
        (Save(), Verdict("jump", "leaf")),
        (Restore(), Verdict("goto", "leaf")),
        (Mark(K, "s_a"), Verdict("return")),
        (Mark(K, "s_b"),),
        (InSet((Key.CT_ID,), "opened"), ACCEPT),
        (InSet((Key.CT_ID,), "opened", True), Match(Key.CT_DIRECTION, "reply"), Verdict("return")),
        (Remember((Key.CT_ID,), "opened"), ACCEPT),
        (Match(Key.CT_STATE, "new"), Remember((Key.CT_ID,), "opened", refresh=True)),
        (InSet(_ENDS4, "ends4"), Remember(_ENDS4, "ends4", refresh=True), Verdict("goto", "leaf")),
        (InSet(_ENDS6, "ends6", True), ACCEPT),
        (Match(Key.OIFKIND, "vrf"), Remember(_ENDS4[::-1], "turned4", timeout=120), Verdict("return")),
        (Remember(_ENDS6, "ends6", timeout=120), Verdict("return")),
        (Match(Key.TCP_SYN_ACK, "syn"), InSet(_ENDS4, "ends4"), ACCEPT),
    ]


def forms_table(cgroups: Mapping[str, int]) -> Table:
    """The table; `cgroups` are those of CGROUPS that exist, with their inodes."""
    combinations: list[tuple[Field, ...]] = [(each,) for each in Field]
    combinations += [(one, other) for one in Field for other in Field if one is not other]
    combinations += [(Field.PORT, Field.IPV4, Field.PROTOCOL, Field.INTERFACE, Field.USER)]
    maps: list[Map] = []
    lookups: list[Rule] = []
    for number, fields in enumerate(combinations):
        if Field.IPV4 in fields and Field.IPV6 in fields:
            continue
        for interval in (False, True):
            name = f"m{number}_{'ranges' if interval else 'keys'}"
            maps.append(make_map(name, fields, K, interval=interval))
            for place in (0, 1):
                keys = tuple(_FIELD_KEYS[each][place % len(_FIELD_KEYS[each])] for each in fields)
                lookups.append((Lookup(K, keys, name), ACCEPT))
    by_cgroup: list[Rule] = [
        (Match(Key.CGROUP, CgroupId(path.count("/") + 1, number, path), negated), ACCEPT)
        for path, number in cgroups.items()
        for negated in (False, True)
    ]
    chains: dict[str, list[Rule]] = {
        "leaf": [],
        "lookups": lookups,
        "matches": match_rules(),
        "more": more_rules(),
        "process": by_cgroup,
    }
    return Table(
        tuple(make_object(name, K) for name in ("s_a", "s_b")),
        tuple(sorted(maps, key=lambda each: each.name)),
        tuple(Chain(name, tuple(rules)) for name, rules in sorted(chains.items())),
        sets=(
            DynamicSet("ends4", (_PROTOCOL, Field.IPV4, Field.PORT, Field.IPV4, Field.PORT), 131072, 3600),
            DynamicSet("ends6", (_PROTOCOL, Field.IPV6, Field.PORT, Field.IPV6, Field.PORT), 131072, 3600),
            DynamicSet("opened", Key.CT_ID, 65536, 3600),
            DynamicSet("turned4", (Field.PORT, Field.IPV4, Field.PORT, Field.IPV4, _PROTOCOL), 1000, 60),
        ),
    )
