# SPDX-License-Identifier: GPL-2.0-or-later
"""What of others' tables sets labels, from nf_tables' messages."""

from __future__ import annotations

import struct

import pytest

from secmarkd.netlink.labelling import NEEDLES, declaring, label_maps, labelling_rules, places
from secmarkd.table.other_labels import Does, other_labels
from tests.support.raw_netlink import attribute

INET, IP, BRIDGE, NETDEV = 1, 2, 7, 5
MAPS = frozenset({(INET, "other", "by_port")})


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4, "big"))


def message(family: int, *parts: bytes) -> bytes:
    return struct.pack("=BBH", family, 0, 0) + b"".join(parts)


def rule(*expressions: bytes, family: int = INET, table: str = "other", chain: str = "c") -> bytes:
    return message(family, text(1, table), text(2, chain), attribute(4, b"".join(expressions)))


def expression(name: str, *data: bytes) -> bytes:
    return attribute(1, text(1, name) + attribute(2, b"".join(data)))


META_SET = expression("meta", number(2, 14), number(3, 1))
META_READ = expression("meta", number(1, 1), number(2, 14))
MARK_SET = expression("meta", number(2, 3), number(3, 1))
CT_SET = expression("ct", number(2, 4), number(4, 1))
CT_READ = expression("ct", number(1, 1), number(2, 4))
OBJECT = expression("objref", number(1, 8), text(2, "web"))
COUNTER = expression("objref", number(1, 1), text(2, "hits"))
BY_MAP = expression("objref", number(3, 1), text(4, "by_port"))
BY_ANOTHER_MAP = expression("objref", number(3, 1), text(4, "quotas"))
SECMARK = expression("target", text(1, "SECMARK"), number(2, 1), attribute(3, bytes(264)))
SAVE = expression("target", text(1, "CONNSECMARK"), number(2, 0), attribute(3, b"\x01"))
RESTORE = expression("target", text(1, "CONNSECMARK"), number(2, 0), attribute(3, b"\x02"))
OTHER_TARGET = expression("target", text(1, "MARK"), number(2, 2), attribute(3, bytes(8)))


@pytest.mark.parametrize(
    ("one", "does"),
    [
        (META_SET, Does.PACKETS),
        (CT_SET, Does.CONNECTIONS),
        (OBJECT, Does.PACKETS),
        (BY_MAP, Does.PACKETS),
        (SECMARK, Does.PACKETS),
        (SAVE, Does.CONNECTIONS),
        (RESTORE, Does.PACKETS),
    ],
)
def test_a_rule_that_labels_is_found_wherever_it_stands(one: bytes, does: Does) -> None:
    found = labelling_rules([rule(MARK_SET), rule(MARK_SET, one, COUNTER, family=IP, chain="d"), rule(one)], MAPS)
    table = {(INET, "other", "c")} if one is BY_MAP else {(INET, "other", "c"), (IP, "other", "d")}
    assert found == {(chain, does) for chain in table}


@pytest.mark.parametrize("one", [META_READ, CT_READ, MARK_SET, COUNTER, BY_ANOTHER_MAP, OTHER_TARGET])
def test_a_rule_that_labels_nothing_is_none(one: bytes) -> None:
    assert labelling_rules([rule(one)], MAPS) == frozenset()


@pytest.mark.parametrize("one", [META_SET, CT_SET, OBJECT, BY_MAP, SECMARK, SAVE, RESTORE])
def test_no_rule_that_labels_lacks_what_is_searched_for(one: bytes) -> None:
    assert any(needle in rule(one) for needle in NEEDLES)


def test_our_own_table_is_not_anothers_and_one_of_its_name_in_another_family_is() -> None:
    ours = rule(META_SET, table="secmarkd")
    assert labelling_rules([ours], MAPS) == frozenset()
    assert labelling_rules([rule(META_SET, table="secmarkd", family=IP)], MAPS)
    secmark = text(1, "secmarkd"), text(2, "s_http"), number(3, 8)
    assert declaring([message(INET, *secmark)]) == frozenset()
    assert declaring([message(IP, *secmark)]) == {(IP, "secmarkd")}


def test_objects_of_other_kinds_declare_no_label() -> None:
    objects = [message(INET, text(1, "other"), text(2, f"o{kind}"), number(3, kind)) for kind in range(1, 12)]
    assert declaring(objects) == {(INET, "other")}
    assert declaring([each for each in objects if number(3, 8) not in each]) == frozenset()


def test_maps_of_labels_are_told_from_maps_of_other_objects() -> None:
    maps = [message(INET, text(1, "other"), text(2, f"m{kind}"), number(15, kind)) for kind in (1, 8)]
    assert label_maps([*maps, message(INET, text(1, "other"), text(2, "set"))]) == {(INET, "other", "m8")}


def test_a_chain_is_named_with_its_hook_and_what_follows() -> None:
    hook = attribute(4, number(1, 1) + attribute(2, (60).to_bytes(4, "big", signed=True)))
    early = attribute(4, number(1, 3) + attribute(2, (-150).to_bytes(4, "big", signed=True)))
    chains = [
        message(INET, text(1, "other"), text(3, "in"), hook),
        message(IP, text(1, "mangle"), text(3, "OUTPUT"), early),
        message(INET, text(1, "other"), text(3, "jumped")),
    ]
    found = {((INET, "other", "in"), Does.PACKETS), ((IP, "mangle", "OUTPUT"), Does.PACKETS),
             ((INET, "other", "jumped"), Does.CONNECTIONS)}  # fmt: skip
    told = sorted(map(str, other_labels([(INET, "other")], found, places(chains))))
    assert told == [
        "table inet other, chain in (input at priority 60): sets the label of packets after secmarkd, "
        "whose label it replaces",
        "table inet other, chain jumped: sets the label that is saved on connections at a place that is not known, "
        "which secmarkd may restore from there",
        "table inet other: declares labels",
        "table ip mangle, chain OUTPUT (output at priority -150): sets the label of packets before secmarkd, "
        "which keeps such a label",
    ]


def test_what_others_chose_for_a_name_adds_no_line() -> None:
    (found,) = other_labels([], labelling_rules([rule(META_SET, table="a\nb\x1b[2J")], MAPS), {})
    assert str(found).isprintable()


def test_cut_messages_are_no_reason_to_fail() -> None:
    whole = rule(META_SET, SECMARK, BY_MAP)
    for end in range(5, len(whole)):
        labelling_rules([whole[:end]], MAPS)
        declaring([whole[:end]])
        places([whole[:end]])
