# SPDX-License-Identifier: GPL-2.0-or-later
"""What lasts as long as nobody changes it: everything of a thing but its counts."""

from __future__ import annotations

import pytest

from secmarkd.netlink.structure import lasting_chain, lasting_object, lasting_rule, lasting_set
from tests.support.raw_netlink import attribute

TABLE, NAME, TYPE, DATA, USE, HANDLE = 1, 2, 3, 4, 5, 6
COUNTER, SECMARK = 1, 8
SET_FLAGS, SET_TYPE, SET_COUNT = 3, 19, 20


def an_object(kind: int, data: bytes, *, use: int = 0) -> bytes:
    return b"".join(
        [
            attribute(TABLE, b"secmarkd\0"),
            attribute(NAME, b"s_http\0"),
            attribute(TYPE, kind.to_bytes(4, "big")),
            attribute(USE, use.to_bytes(4, "big")),
            attribute(DATA, data),
            attribute(HANDLE, bytes(8)),
        ]
    )


def a_counter(packets: int) -> bytes:
    return attribute(1, bytes(8)) + attribute(2, packets.to_bytes(8, "big"))


def a_context(text: str) -> bytes:
    return attribute(1, text.encode() + b"\0")


def a_set(*, flags: int = 8, kind: bytes = b"nft_hash_map\0", count: int | None = None) -> bytes:
    parts = [
        attribute(TABLE, b"secmarkd\0"),
        attribute(SET_FLAGS, flags.to_bytes(4, "big")),
        attribute(SET_TYPE, kind),
    ]
    return b"".join(parts if count is None else [*parts, attribute(SET_COUNT, count.to_bytes(4, "big"))])


def test_what_a_counter_has_counted_and_how_often_it_is_used_does_not_last() -> None:
    first, second = (an_object(COUNTER, a_counter(number), use=number) for number in (0, 77))
    assert first != second
    assert lasting_object(first) == lasting_object(second)


def test_the_context_of_a_secmark_lasts() -> None:
    first, second = (an_object(SECMARK, a_context(f"u:object_r:{each}_t:s0")) for each in ("http", "pttp"))
    assert len(first) == len(second)
    assert lasting_object(first) != lasting_object(second)
    assert lasting_object(first) == lasting_object(an_object(SECMARK, a_context("u:object_r:http_t:s0"), use=9))


def test_a_counter_is_no_secmark() -> None:
    assert lasting_object(an_object(COUNTER, b"")) != lasting_object(an_object(SECMARK, b""))


def test_how_many_elements_a_set_has_does_not_last_and_all_else_does() -> None:
    assert lasting_set(a_set()) == lasting_set(a_set(count=7)) == lasting_set(a_set(count=8))
    assert lasting_set(a_set()) != lasting_set(a_set(flags=12))
    assert lasting_set(a_set()) == lasting_set(a_set(kind=b"nft_hash_fast\0"))  # the kernel's own choice


def a_rule(*expressions: tuple[bytes, bytes]) -> bytes:
    inner = b"".join(attribute(1, attribute(1, name + b"\0") + attribute(2, data)) for name, data in expressions)
    return attribute(TABLE, b"secmarkd\0") + attribute(3, bytes(8)) + attribute(4, inner)


@pytest.mark.parametrize("name", [b"counter", b"quota", b"limit", b"last", b"connlimit"])
def test_what_runs_on_in_a_rule_does_not_last_and_that_it_is_there_does(name: bytes) -> None:
    first, second = (a_rule((name, a_counter(number)), (b"cmp", b"....")) for number in (1, 2))
    assert first != second
    assert lasting_rule(first) == lasting_rule(second)
    assert lasting_rule(first) != lasting_rule(a_rule((b"cmp", b"....")))
    assert lasting_rule(first) != lasting_rule(a_rule((name, a_counter(1)), (b"cmp", b",,,,")))


def test_the_constants_of_a_rule_last() -> None:
    assert lasting_rule(a_rule((b"cmp", b"...."))) != lasting_rule(a_rule((b"cmp", b",,,,")))


def test_what_a_chain_has_counted_does_not_last_and_that_it_counts_does() -> None:
    plain, first, second = (
        attribute(TABLE, b"secmarkd\0") + attribute(3, b"c\0") + more
        for more in (b"", attribute(8, a_counter(1)), attribute(8, a_counter(2)))
    )
    assert lasting_chain(first) == lasting_chain(second) != lasting_chain(plain) == plain
