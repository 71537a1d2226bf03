# SPDX-License-Identifier: GPL-2.0-or-later
"""Random tables, of everything that nft can hold and the types can say."""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from secmarkd.table.elements import Elements, Field, key_width, pack_value
from secmarkd.table.table import (
    BaseHook,
    Chain,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    ObjectKind,
    Restore,
    Rule,
    Save,
    Span,
    Statement,
    Table,
    Verdict,
)
from tests.support.tables import make_object

OBJECTS = ("s_a", "s_b", "s_c")
_INTERFACE = st.from_regex(r"[a-z][a-z0-9.:@_+-]{0,12}", fullmatch=True)
_INTERFACE_KEYS = (Key.IIFNAME, Key.OIFNAME)
_PORT_KEYS = {
    6: (Key.TCP_SPORT, Key.TCP_DPORT),
    17: (Key.UDP_SPORT, Key.UDP_DPORT),
}
_FIELD_KEYS: dict[Field, tuple[Key, ...]] = {
    Field.PROTOCOL: (Key.L4PROTO,),
    Field.PORT: (Key.TH_SPORT, Key.TH_DPORT),
    Field.IPV4: (Key.IP_SADDR, Key.IP_DADDR),
    Field.IPV6: (Key.IP6_SADDR, Key.IP6_DADDR),
    Field.INTERFACE: _INTERFACE_KEYS,
    Field.USER: (Key.SKUID,),
    Field.GROUP: (Key.SKGID,),
}

Range = tuple[bytes, bytes]


def values(field: Field) -> SearchStrategy[bytes]:
    """Single packed values of a field."""
    if field is Field.INTERFACE:
        return _INTERFACE.map(lambda name: pack_value(field, name))
    top = (1 << 8 * field.width) - 1
    edges = st.sampled_from([0, 1, top - 1, top])
    return st.one_of(st.integers(0, top), edges).map(lambda number: pack_value(field, number))


@st.composite
def ranges(draw: DrawFn, field: Field) -> Range:
    """Packed ranges of a field: single values, prefixes, other ranges, beginnings of interface names."""
    if field is Field.INTERFACE:
        name = draw(_INTERFACE).encode()
        wildcard = draw(st.booleans())
        return name.ljust(16, b"\0"), name.ljust(16, b"\xff" if wildcard else b"\0")
    first, second = sorted((draw(values(field)), draw(values(field))))
    shape = draw(st.sampled_from(["single", "prefix", "range", "all"]))
    match shape:
        case "single":
            return first, first
        case "prefix":
            inside = (1 << draw(st.integers(1, 8 * field.width))) - 1
            low = int.from_bytes(first, "big") & ~inside
            return pack_value(field, low), pack_value(field, low | inside)
        case "range":
            return first, second
        case _:
            return b"\0" * field.width, b"\xff" * field.width


@st.composite
def maps(draw: DrawFn, name: str, kind: ObjectKind) -> Map:
    """A map with elements that do not overlap: in interval maps every first field is another single port or protocol,
    or there is one element only."""
    fields = tuple(draw(st.lists(st.sampled_from(list(Field)), min_size=1, max_size=5, unique=True)))
    if Field.IPV4 in fields and Field.IPV6 in fields:
        fields = tuple(each for each in fields if each is not Field.IPV6)
    interval = draw(st.booleans())
    target = st.sampled_from(OBJECTS)
    width = key_width(fields, interval)
    if not interval:
        key = st.tuples(*(values(each) for each in fields)).map(b"".join)
        return Map(name, fields, kind, False, Elements.of(width, draw(st.dictionaries(key, target, max_size=8))))
    first = draw(st.lists(values(fields[0]), max_size=6, unique=True))
    keys = []
    for one in first if len(first) > 1 else [None] * len(first):
        low_high = [
            (one, one) if one is not None else draw(ranges(fields[0])),
            *[draw(ranges(each)) for each in fields[1:]],
        ]
        keys.append(b"".join(low for low, _ in low_high) + b"".join(high for _, high in low_high))
    return Map(name, fields, kind, True, Elements.of(width, [(key, draw(target)) for key in keys]))


@st.composite
def matches(draw: DrawFn, protocol: int) -> Match:
    """A match that nft lists as it was written, in a rule that is for `protocol` only (0: any)."""
    choices = [
        *_INTERFACE_KEYS,
        Key.SKUID,
        Key.SKGID,
        Key.CT_DIRECTION,
        Key.CT_STATE,
        Key.CT_STATUS,
        Key.CT_SECMARK,
        *_PORT_KEYS.get(protocol, ()),
    ]
    key = draw(st.sampled_from(choices + ([Key.TCP_SYN_ACK] if protocol == 6 else [])))
    return Match(key, draw(_value(key)), draw(st.booleans()))


def _value(key: Key) -> SearchStrategy[int | str | tuple[int, ...] | Span]:
    match key:
        case Key.IIFNAME | Key.OIFNAME:
            return st.tuples(_INTERFACE, st.sampled_from(["", "*"])).map("".join)
        case Key.CT_DIRECTION:
            return st.sampled_from(["original", "reply"])
        case Key.CT_STATE:
            return st.sampled_from(["new", "established", "related", "invalid", "untracked"])
        case Key.CT_STATUS:
            return st.just("expected")
        case Key.CT_SECMARK:
            return st.just(0)
        case Key.TCP_SYN_ACK:
            return st.sampled_from(["syn", "ack", "syn | ack"])
        case _:
            return _numbers(4294967295 if key in (Key.SKUID, Key.SKGID) else 65535)


def _numbers(top: int) -> SearchStrategy[int | tuple[int, ...] | Span]:
    number = st.integers(0, top)
    two = st.lists(number, min_size=2, max_size=5, unique=True).map(sorted)
    return st.one_of(
        number, two.map(tuple), two.map(lambda some: Span(some[0], some[-1])).filter(lambda s: s != Span(0, top))
    )


@st.composite
def rules(draw: DrawFn, kind: ObjectKind, all_maps: tuple[Map, ...], targets: tuple[str, ...]) -> Rule:
    """A rule as the kernel can tell it from others."""
    # Of a rule for one protocol nft shows all ports by that protocol's name, and it takes `th` only after a protocol that
    # has ports; so lookups stand in rules for any protocol, ports and flags in rules for one.
    protocol = draw(st.sampled_from([6, 17, 0]))
    statements: list[Statement] = []
    if protocol == 0:
        statements += draw(st.lists(st.one_of(_l4proto(), _addresses()), max_size=1))
    statements += draw(st.lists(matches(protocol), max_size=3, unique_by=_source_of))
    acts: list[SearchStrategy[Statement]] = [
        st.sampled_from(OBJECTS).map(lambda name: Mark(kind, name)), st.just(Save()), st.just(Restore())
    ]  # fmt: skip
    if all_maps and protocol == 0 and not any(_of_ipv4(each) for each in statements):
        acts.append(st.sampled_from(all_maps).flatmap(lambda map_: _lookup(kind, map_)))
    statements += draw(st.lists(st.one_of(acts), max_size=1))
    verdicts = [Verdict("accept"), Verdict("return"), *(Verdict("goto", name) for name in targets)]
    verdicts += [Verdict("jump", name) for name in targets]
    return (*statements, draw(st.sampled_from(verdicts)))


def _source_of(statement: Statement) -> object:
    """One for both ports: nft makes one comparison of two that are next to each other in the header."""
    if not isinstance(statement, Match):
        return statement
    return Key.TH_SPORT if statement.key in (*_PORT_KEYS[6], *_PORT_KEYS[17]) else statement.key


def _of_ipv4(statement: Statement) -> bool:
    """Whether a rule with it cannot ask for IPv6 addresses as well."""
    return isinstance(statement, Match) and statement.key in _FIELD_KEYS[Field.IPV4]


def _lookup(kind: ObjectKind, map_: Map) -> SearchStrategy[Statement]:
    keys = st.tuples(*(st.sampled_from(_FIELD_KEYS[each]) for each in map_.key))
    return keys.map(lambda some: Lookup(kind, some, map_.name))


def _l4proto() -> SearchStrategy[Statement]:
    several = st.lists(st.integers(0, 255), min_size=2, max_size=4, unique=True).map(lambda some: tuple(sorted(some)))
    return st.one_of(several.map(lambda some: Match(Key.L4PROTO, some)), st.just(Match(Key.L4PROTO, 1, True)))


@st.composite
def _addresses(draw: DrawFn) -> Statement:
    length = draw(st.integers(1, 32))
    network = ipaddress.ip_network((draw(st.integers(0, (1 << 32) - 1)), length), strict=False)
    text = str(network.network_address) if length == 32 else str(network)
    return Match(draw(st.sampled_from([Key.IP_SADDR, Key.IP_DADDR])), text, draw(st.booleans()))


@st.composite
def tables(draw: DrawFn, kind: ObjectKind = ObjectKind.COUNTER) -> Table:
    """A table that nft accepts as a whole, and that reads back as it is."""
    all_maps = tuple(draw(maps(f"m_{number}", kind)) for number in range(draw(st.integers(0, 3))))
    targets = ("leaf_a", "leaf_b")
    # Chains that are jumped to jump nowhere, or there could be loops.
    leaves = [Chain(name, tuple(draw(st.lists(rules(kind, all_maps, ()), max_size=3)))) for name in targets]
    base = BaseHook(
        draw(st.sampled_from(["input", "output", "forward"])),
        draw(st.integers(-300, 300)),
        draw(st.sampled_from(["accept", "drop"])),
    )
    root = Chain("root", tuple(draw(st.lists(rules(kind, all_maps, targets), max_size=4))), base)
    return Table(tuple(make_object(name, kind) for name in OBJECTS), all_maps, (*leaves, root))
