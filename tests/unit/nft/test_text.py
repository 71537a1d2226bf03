# SPDX-License-Identifier: GPL-2.0-or-later
"""Transactions as text for nft, and single things as text for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secmarkd.change.rebuild import rebuild
from secmarkd.nft.render import render_chain_head, render_key, render_object, render_rule, render_statement
from secmarkd.nft.text import encode
from secmarkd.table.elements import Elements, Field
from secmarkd.table.table import (
    BaseHook,
    CgroupId,
    Chain,
    Foreign,
    Key,
    Lookup,
    Mark,
    Match,
    Object,
    ObjectKind,
    Restore,
    Save,
    Span,
    Statement,
    Table,
    Verdict,
)
from secmarkd.table.transaction import (
    AddElements,
    AddObjects,
    DeleteElements,
    DeleteObjects,
    Remove,
    Replace,
)
from tests.support.tables import Values, make_map, pack_key

MARK, COUNT = ObjectKind.SECMARK, ObjectKind.COUNTER
P, N, V4, V6, IF, U = Field.PROTOCOL, Field.PORT, Field.IPV4, Field.IPV6, Field.INTERFACE, Field.USER
HTTP = Object("s_http", MARK, "system_u:object_r:http_server_packet_t:s0")

STATEMENTS: list[tuple[Statement, str]] = [
    (Match(Key.L4PROTO, (1, 58)), "meta l4proto { 1, 58 }"),
    (Match(Key.L4PROTO, 6, True), "meta l4proto != 6"),
    (Match(Key.TH_SPORT, Span(32768, 60999), True), "th sport != 32768-60999"),
    (Match(Key.TCP_SYN_ACK, "syn", True), "tcp flags & (syn | ack) != syn"),
    (Match(Key.TCP_SYN_ACK, "syn | ack"), "tcp flags & (syn | ack) == (syn | ack)"),
    (Match(Key.CT_SECMARK, 0, True), "ct secmark and 0xffffffff != 0"),
    (Match(Key.CT_DIRECTION, "reply"), "ct direction reply"),
    (Match(Key.CT_STATE, "new"), "ct state new"),
    (Match(Key.CT_STATUS, "expected"), "ct status expected"),
    (Match(Key.IIFNAME, "wg*"), 'meta iifname "wg*"'),
    (Match(Key.OIFNAME, "lo", True), 'meta oifname != "lo"'),
    (Match(Key.SKUID, 4294967295, True), "meta skuid != 4294967295"),
    (Match(Key.IP_SADDR, "10.0.0.0/8"), "ip saddr 10.0.0.0/8"),
    (Match(Key.CGROUP, CgroupId(2, 7, "a/b.service")), 'socket cgroupv2 level 2 "a/b.service"'),
    (Match(Key.CGROUP, CgroupId(1, 7, "a"), True), 'socket cgroupv2 level 1 != "a"'),
    (Mark(MARK, "s_x"), 'meta secmark set "s_x"'),
    (Mark(COUNT, "s_x"), 'counter name "s_x"'),
    (Lookup(MARK, (Key.L4PROTO, Key.TH_DPORT), "m"), "meta secmark set meta l4proto . th dport map @m"),
    (Lookup(COUNT, (Key.IP6_SADDR,), "m"), "counter name ip6 saddr map @m"),
    (Save(), "ct secmark set meta secmark"),
    (Restore(), "meta secmark set ct secmark"),
    (Verdict("accept"), "accept"),
    (Verdict("goto", "done"), "goto done"),
    (Foreign("statement", "", '{"drop": null}'), '{"drop": null}'),
]

KEYS: list[tuple[tuple[Field, ...], bool, tuple[Values, ...], str]] = [
    ((P, N), False, (6, 80), "tcp . 80"),
    ((P,), False, (200,), "200"),
    ((U, P, N), False, (1000, 17, 53), "1000 . udp . 53"),
    ((IF, N), False, ("eth0", 22), '"eth0" . 22'),
    ((V4, N), True, ((10 << 24, (11 << 24) - 1), (443, 450)), "10.0.0.0/8 . 443-450"),
    ((V4,), True, ((1, 5),), "0.0.0.1-0.0.0.5"),
    ((V4,), True, ((0, (1 << 32) - 1),), "0.0.0.0/0"),
    ((V6,), True, (1,), "::1"),
    ((V6,), True, ((0, 3),), "::/126"),
    ((N, IF), True, ((0, 65535), "wg*"), '0-65535 . "wg*"'),
]


@pytest.mark.parametrize(("statement", "text"), STATEMENTS, ids=[text for _, text in STATEMENTS])
def test_a_statement_in_words_of_nft(statement: Statement, text: str) -> None:
    assert render_statement(statement) == text


@pytest.mark.parametrize(("fields", "interval", "values", "text"), KEYS, ids=[text for *_, text in KEYS])
def test_a_key_as_people_read_it(
    fields: tuple[Field, ...], interval: bool, values: tuple[Values, ...], text: str
) -> None:
    assert render_key(make_map("m", fields, MARK, interval=interval), pack_key(fields, interval, *values)) == text


def test_single_things() -> None:
    assert render_object(HTTP) == 'secmark s_http { "system_u:object_r:http_server_packet_t:s0" }'
    assert render_object(Object("s", COUNT)) == "counter s"
    assert render_chain_head(Chain("c", ())) == ""
    assert (
        render_chain_head(Chain("c", (), BaseHook("forward", -226)))
        == "type filter hook forward priority -226; policy accept;"
    )
    assert render_rule((Match(Key.L4PROTO, 6), Verdict("accept"))) == "meta l4proto 6 accept"


def test_what_was_found_in_the_kernel_can_be_shown_whatever_it_is() -> None:
    assert render_object(Object("a\x1b[2J", MARK, 'x"y')) == 'secmark a\\x1b[2J { "x"y" }'
    assert (
        render_rule((Match(Key.IIFNAME, "a\\*"), Mark(COUNT, "ä\n"))) == 'meta iifname "a\\*" counter name "\\xe4\\n"'
    )


def test_a_replacement_says_all_of_the_table_a_line_each() -> None:
    port = make_map("m", (P, N), MARK, ((6, 80), "s_http"), ((6, 443), "s_http"))
    ranges = make_map("r", (N, P), MARK, (((1, 2), 6), "s_http"), interval=True)
    base = Chain("input", ((Verdict("jump", "c"),),), BaseHook("input", 50))
    rule = (Lookup(MARK, (Key.L4PROTO, Key.TH_DPORT), "m"), Verdict("return"))
    table = Table((HTTP,), (port, ranges), (Chain("c", (rule,)), base), flags=("owner", "persist"))
    assert encode((Replace(table),)) == (
        "add table inet secmarkd\n"
        "delete table inet secmarkd\n"
        "add table inet secmarkd { flags owner, persist; }\n"
        'add secmark inet secmarkd s_http { "system_u:object_r:http_server_packet_t:s0" }\n'
        "add map inet secmarkd m { type inet_proto . inet_service : secmark; }\n"
        "add map inet secmarkd r { type inet_service . inet_proto : secmark; flags interval; }\n"
        "add chain inet secmarkd c\n"
        "add chain inet secmarkd input { type filter hook input priority 50; policy accept; }\n"
        "add rule inet secmarkd c meta secmark set meta l4proto . th dport map @m return\n"
        "add rule inet secmarkd input jump c\n"
        "add element inet secmarkd m {\n"
        '6 . 80 : "s_http",\n'
        '6 . 443 : "s_http"\n'
        "}\n"
        "add element inet secmarkd r {\n"
        '1-2 . 6 : "s_http"\n'
        "}\n"
    )


def test_a_rebuild_leaves_a_chain_hooked_and_puts_its_policy_right_in_place() -> None:
    rules = ((Verdict("accept"),),)
    kept = Chain("input", rules, BaseHook("input", 50))
    moved = Chain("output", rules, BaseHook("output", 50))
    live = Table(
        chains=(replace(kept, base=BaseHook("input", 50, "drop")), replace(moved, base=BaseHook("output", 51)))
    )
    assert encode((rebuild(live, Table(chains=(kept, moved))),)) == (
        "flush chain inet secmarkd input\n"
        "flush chain inet secmarkd output\n"
        "delete chain inet secmarkd output\n"
        "add chain inet secmarkd input { type filter hook input priority 50; policy accept; }\n"
        "add chain inet secmarkd output { type filter hook output priority 50; policy accept; }\n"
        "add rule inet secmarkd input accept\n"
        "add rule inet secmarkd output accept\n"
    )


def test_small_changes() -> None:
    port = make_map("m", (P, N), COUNT, ((6, 80), "s"))
    counter = Object("s", COUNT)
    transaction = (
        AddObjects((counter, HTTP)),
        DeleteElements(port, port.elements),
        AddElements(port, port.elements),
        AddElements(port, Elements(3)),
        DeleteObjects((counter,)),
        Remove(),
    )
    assert encode(transaction) == (
        "add counter inet secmarkd s\n"
        'add secmark inet secmarkd s_http { "system_u:object_r:http_server_packet_t:s0" }\n'
        "delete element inet secmarkd m {\n6 . 80\n}\n"
        'add element inet secmarkd m {\n6 . 80 : "s"\n}\n'
        "delete counter inet secmarkd s\n"
        "add table inet secmarkd\n"
        "delete table inet secmarkd\n"
    )


def test_a_table_with_flags_is_deleted_without_being_added() -> None:
    assert encode((Remove(),), table_present=True) == "delete table inet secmarkd\n"


def test_an_ipv6_address_is_written_in_full_where_that_is_faster() -> None:
    one = make_map("m", (V6,), COUNT, ((1,), "s"))
    assert "0:0:0:0:0:0:0:1 : " in encode((AddElements(one, one.elements),))


EVIL = ["", "a b", 'a"', "a;b", "a\nb", "a}", "1a", "ä", "a" * 128, "$x", "@m"]


@pytest.mark.parametrize("name", EVIL)
def test_names_that_nft_cannot_take_are_refused(name: str) -> None:
    tables = [
        Table(objects=(Object(name, COUNT),)),
        Table(maps=(make_map(name, (N,), COUNT),)),
        Table(maps=(make_map("m", (N,), COUNT, ((1,), name)),)),
        Table(chains=(Chain(name, ()),)),
        Table(chains=(Chain("c", ((Mark(COUNT, name),),)),)),
        Table(chains=(Chain("c", ((Lookup(COUNT, (Key.L4PROTO,), name),),)),)),
    ] + ([Table(chains=(Chain("c", ((Verdict("goto", name),),)),))] if name else [])
    for table in tables:
        with pytest.raises(ValueError, match="cannot be a name"):
            encode((Replace(table),))


@pytest.mark.parametrize("context", [None, "", 'a" }\nflush ruleset', "a b", "a:b:c\\", "x" * 256, "é"])
def test_contexts_that_nft_cannot_take_are_refused(context: str | None) -> None:
    with pytest.raises(ValueError, match="security context"):
        encode((AddObjects((replace(HTTP, context=context),)),))


@pytest.mark.parametrize(
    "statement",
    [
        Match(Key.IIFNAME, 'a"'),
        Match(Key.IIFNAME, "a\\"),
        Match(Key.IIFNAME, "*"),
        Match(Key.IIFNAME, "a" * 16),
        Match(Key.CGROUP, 'a"b'),
        Match(Key.CGROUP, ""),
        Match(Key.IP_SADDR, "1.2.3.4; flush ruleset"),
        Match(Key.CT_STATE, "new; drop"),
        Match(Key.L4PROTO, (6,)),
        Match(Key.L4PROTO, (17, 6)),
        Match(Key.TH_SPORT, Span(5, 5)),
        Match(Key.SKUID, -1),
        Lookup(COUNT, (), "m"),
        Lookup(COUNT, (Key.CGROUP,), "m"),
        Verdict("drop; flush ruleset"),
        Foreign("statement", "", '{"drop": null}'),
    ],
    ids=repr,
)
def test_statements_that_cannot_be_written_are_refused(statement: Statement) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode((Replace(Table(chains=(Chain("c", ((statement,),)),))),))


@pytest.mark.parametrize("name", ["", "a b", 'a"', "a\\b", "a*", "ä"])
def test_interface_names_that_nft_cannot_quote_are_refused(name: str) -> None:
    one = make_map("m", (IF,), COUNT)
    elements = Elements.of(16, {name.encode().ljust(16, b"\0"): "s"})
    with pytest.raises(ValueError, match="interface"):
        encode((AddElements(one, elements),))


def test_a_range_of_interface_names_is_refused() -> None:
    one = make_map("m", (IF,), COUNT, interval=True)
    with pytest.raises(ValueError, match="interface names"):
        encode((AddElements(one, Elements.of(32, {b"a".ljust(16, b"\0") + b"b".ljust(16, b"\0"): "s"})),))


def test_foreign_things_are_never_written() -> None:
    with pytest.raises(ValueError, match="does not write a set"):
        encode((Replace(Table(foreign=(Foreign("set", "f", "{}"),))),))
