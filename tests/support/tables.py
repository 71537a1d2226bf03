# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables for tests: one with every kind of thing that the compiler writes, and the parts to make others."""

from __future__ import annotations

from dataclasses import replace

from secmarkd.table.elements import Elements, Field, key_width, pack_value
from secmarkd.table.table import (
    BaseHook,
    Chain,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    Object,
    ObjectKind,
    Restore,
    Rule,
    Save,
    Span,
    Table,
    Verdict,
)

CONTEXTS = {
    "s_http": "system_u:object_r:http_server_packet_t:s0",
    "s_ssh": "system_u:object_r:ssh_server_packet_t:s0",
    "s_default": "system_u:object_r:server_packet_t:s0",
}

Values = int | str | tuple[int, int]


def make_object(name: str, kind: ObjectKind) -> Object:
    """An object of the kind; a secmark has one of the reference policy's contexts."""
    context = CONTEXTS.get(name, "system_u:object_r:client_packet_t:s0")
    return Object(name, kind, context if kind is ObjectKind.SECMARK else None)


def pack_key(fields: tuple[Field, ...], interval: bool, *values: Values) -> bytes:
    """A packed key. In an interval map a value may be a pair, or the beginning of interface names followed by `*`."""
    lows, highs = [], []
    for field, value in zip(fields, values, strict=True):
        if isinstance(value, str) and value.endswith("*"):
            start = value[:-1].encode()
            low, high = start.ljust(field.width, b"\0"), start.ljust(field.width, b"\xff")
        elif isinstance(value, tuple):
            low, high = (pack_value(field, each) for each in value)
        else:
            low = high = pack_value(field, value)
        lows.append(low)
        highs.append(high)
    return b"".join(lows + highs) if interval else b"".join(lows)


def make_map(
    name: str,
    fields: tuple[Field, ...],
    kind: ObjectKind,
    *elements: tuple[tuple[Values, ...], str],
    interval: bool = False,
) -> Map:
    """A map from keys, as tuples of values, to objects."""
    packed = [(pack_key(fields, interval, *values), target) for values, target in elements]
    return Map(name, fields, kind, interval, Elements.of(key_width(fields, interval), packed))


def with_elements(map_: Map, *elements: tuple[tuple[Values, ...], str]) -> Elements:
    """Elements that fit the map."""
    return make_map(map_.name, map_.key, map_.kind, *elements, interval=map_.interval).elements


P, N, A, AA, IF, U = Field.PROTOCOL, Field.PORT, Field.IPV4, Field.IPV6, Field.INTERFACE, Field.USER
_PREFIX6 = 0x20010DB8 << 96


def full_table(kind: ObjectKind = ObjectKind.COUNTER) -> Table:
    """A table with a map of every shape and a rule of every kind that needs no cgroup."""
    maps = (
        make_map("m_address", (A,), kind, (((10 << 24, (10 << 24) + (1 << 24) - 1),), "s_http"),
                 (((11 << 24, (11 << 24) + 5),), "s_ssh"), ((12 << 24,), "s_http"), interval=True),
        make_map("m_empty", (P, N), kind),
        make_map("m_empty_ranges", (N, P), kind, interval=True),
        make_map("m_interface", (P, N, IF), kind, ((6, 22, "eth0"), "s_ssh"), ((6, 22, "lo"), "s_http")),
        make_map("m_port", (P, N), kind, ((6, 80), "s_http"), ((17, 53), "s_ssh"), ((6, 65535), "s_http"),
                 ((132, 0), "s_ssh")),
        make_map("m_protocol", (P,), kind, ((1,), "s_http"), ((200,), "s_ssh")),
        make_map("m_ranges", (N, P), kind, (((8000, 9000), 6), "s_http"), (((0, 65535), 132), "s_ssh"), interval=True),
        make_map("m_remote4", (N, A, P, IF), kind, (((8000, 9000), (10 << 24, (11 << 24) - 1), 6, "eth0"), "s_http"),
                 ((443, ((10 << 24) + 3, (10 << 24) + 9), 6, "eth1"), "s_ssh"), ((44, 10 << 24, 6, "eth1"), "s_ssh"),
                 interval=True),
        make_map("m_remote6", (AA, N, P), kind, (((_PREFIX6, _PREFIX6 | ((1 << 96) - 1)), 22, 6), "s_ssh"),
                 (((1, 5), 22, 6), "s_http"), (((0, (1 << 128) - 1), 23, 6), "s_http"), interval=True),
        make_map("m_user", (U, P, N), kind, ((1000, 6, 22), "s_ssh"), ((4294967294, 17, 53), "s_http")),
        make_map("m_wildcard", (N, IF), kind, (((5, 9), "wg*"), "s_ssh"), ((7, "eth0"), "s_http"), interval=True),
    )  # fmt: skip
    chains = (
        Chain("done", ((Match(Key.CT_STATE, "new"), Match(Key.IIFNAME, "lo", True), Save()), (Verdict("accept"),))),
        Chain("empty", ()),
        Chain("input", ((Match(Key.CT_DIRECTION, "original"), Verdict("goto", "server")),
                        (Match(Key.CT_DIRECTION, "reply", True), Verdict("jump", "server"))), BaseHook("input", 50)),
        Chain("routed", (), BaseHook("forward", -226)),
        Chain("server", server_rules(kind)),
    )  # fmt: skip
    return Table(tuple(make_object(name, kind) for name in sorted(CONTEXTS)), maps, chains)


def server_rules(kind: ObjectKind) -> tuple[Rule, ...]:
    """A rule of every kind that needs no cgroup."""
    end = Verdict("goto", "done")
    saved = (Match(Key.CT_SECMARK, 0, True), Restore(), Verdict("accept"))
    return (
        (Lookup(kind, (Key.L4PROTO, Key.TH_DPORT), "m_port"), end),
        (Lookup(kind, (Key.TH_SPORT, Key.L4PROTO), "m_ranges"), end),
        (Lookup(kind, (Key.TH_DPORT, Key.IP_SADDR, Key.L4PROTO, Key.IIFNAME), "m_remote4"), end),
        (Lookup(kind, (Key.IP6_DADDR, Key.TH_DPORT, Key.L4PROTO), "m_remote6"), end),
        (Lookup(kind, (Key.L4PROTO, Key.TH_DPORT, Key.OIFNAME), "m_interface"), end),
        (Match(Key.IIFNAME, "wg*"), Lookup(kind, (Key.L4PROTO, Key.TH_DPORT), "m_port"), end),
        (Lookup(kind, (Key.SKUID, Key.L4PROTO, Key.TH_DPORT), "m_user"), end),
        (Lookup(kind, (Key.IP_DADDR,), "m_address"), end),
        (Lookup(kind, (Key.L4PROTO,), "m_protocol"), end),
        (Match(Key.SKUID, 4294967295, True), Verdict("return")),
        saved,
        (Match(Key.CT_STATUS, "expected"), Match(Key.IIFNAME, "lo", True), *saved),
        (Match(Key.L4PROTO, (1, 58)), Mark(kind, "s_default"), end),
        (
            Match(Key.TCP_SYN_ACK, "syn", True),
            Match(Key.TCP_SPORT, Span(32768, 60999), True),
            Verdict("jump", "done"),
        ),
        (Match(Key.UDP_DPORT, Span(32768, 60999), True), Verdict("jump", "done")),
        (Match(Key.TCP_SYN_ACK, "syn | ack"), Verdict("return")),
        (Match(Key.IP_SADDR, "10.0.0.0/8"), Match(Key.L4PROTO, 6, True), Verdict("return")),
        (Match(Key.IP6_SADDR, "2001:db8::1"), Verdict("return")),
        (Mark(kind, "s_default"), end),
    )


def replace_map(table: Table, name: str, elements: Elements) -> Table:
    """The table with other elements in one of its maps."""
    return replace(
        table, maps=tuple(replace(each, elements=elements) if each.name == name else each for each in table.maps)
    )


def find_map(table: Table, name: str) -> Map:
    """The table's map of that name."""
    return next(each for each in table.maps if each.name == name)
