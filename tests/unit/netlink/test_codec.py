# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages and attributes: what is written is read again, and the half of something is nothing."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secmarkd
from secmarkd.netlink.codec import (
    Message,
    as_number,
    as_text,
    attribute,
    attributes,
    messages,
    nested,
    nfgenmsg,
    number,
    text,
)
from secmarkd.netlink.numbers import Nlmsg

KINDS = st.integers(0, 0x3FFF)
CONTENTS = st.binary(max_size=40)
ATTRIBUTES = st.lists(st.tuples(KINDS, CONTENTS), max_size=6)
MESSAGES = st.lists(
    st.builds(Message, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), CONTENTS, st.integers(0, 0xFFFFFFFF)),
    max_size=5,
)


@given(ATTRIBUTES)
def test_attributes_are_read_as_they_were_written(listed: list[tuple[int, bytes]]) -> None:
    data = b"".join(attribute(kind, content) for kind, content in listed)
    assert list(attributes(data)) == listed
    assert list(attributes(nested(7, data))) == [(7, data)], "the mark of nested attributes is no part of their type"


@given(MESSAGES)
def test_messages_are_read_as_they_were_written(listed: list[Message]) -> None:
    assert list(messages(b"".join(each.encoded() for each in listed))) == listed


@given(st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"])), st.integers(0, 0xFFFFFFFF))
def test_texts_and_numbers_are_read_as_they_were_written(word: str, value: int) -> None:
    (first,), (second,) = attributes(text(1, word)), attributes(number(2, value))
    assert (first[0], as_text(first[1])) == (1, word)
    assert (second[0], as_number(second[1])) == (2, value)


def test_bytes_that_are_no_utf_8_survive_in_a_name() -> None:
    name = as_text(b"caf\xe9\0rest")
    assert list(attributes(text(1, name))) == [(1, b"caf\xe9\0")]


@given(st.lists(st.tuples(KINDS, st.binary(min_size=1, max_size=9)), min_size=1, max_size=3), st.data())
def test_attributes_that_are_cut_off_are_an_error(listed: list[tuple[int, bytes]], data: st.DataObject) -> None:
    *before, (kind, content) = listed
    start = b"".join(attribute(*each) for each in before)
    last = struct.pack("=HH", 4 + len(content), kind) + content
    cut = data.draw(st.integers(1, len(last) - 1))
    with pytest.raises(ValueError, match="broken attribute"):
        list(attributes(start + last[:cut]))


def test_a_message_that_is_cut_off_is_an_error_and_those_before_it_are_read() -> None:
    first, second = Message(1, 2, b"abcd", 3), Message(4, 5, b"efgh", 6)
    reader = messages(first.encoded() + second.encoded()[:-1])
    assert next(reader) == first
    with pytest.raises(ValueError, match="cut off"):
        next(reader)


@pytest.mark.parametrize("length", [0, 3])
def test_a_length_that_leads_nowhere_ends_in_an_error_and_not_in_a_loop(length: int) -> None:
    with pytest.raises(ValueError, match="broken attribute"):
        list(attributes(struct.pack("=HH", length, 1)))
    with pytest.raises(ValueError, match="cut off"):
        list(messages(struct.pack("=IHHII", length, 1, 0, 0, 0)))


def test_an_attribute_holds_64_kib() -> None:
    attribute(1, bytes(0xFFFF - 4))
    with pytest.raises(ValueError, match="65536 bytes"):
        attribute(1, bytes(0xFFFF - 3))


def test_an_answer_has_an_error_where_it_is_one() -> None:
    assert Message(Nlmsg.ERROR, 0, struct.pack("=i", -errno.ENOENT)).error == errno.ENOENT
    assert Message(Nlmsg.ERROR, 0, struct.pack("=i", 0)).error == 0
    assert Message(Nlmsg.DONE, 0, b"").error == 0
    assert Message(0x0A00, 0, struct.pack("=i", -1)).error is None


def test_what_follows_the_head_of_netfilter_are_the_attributes() -> None:
    assert Message(1, 0, nfgenmsg(1, 10) + b"rest").attributes == b"rest"
    assert nfgenmsg(1, 10) == b"\1\0\0\x0a"


def test_no_other_module_takes_netlink_apart_by_itself() -> None:
    heads = re.compile(r"""Struct\("=(?:HH|IHHII|BBH)"\)|(?:un)?pack(?:_from)?\("=(?:HH|IHHII|BBH)""")
    root = Path(secmarkd.__file__).parent
    found = {str(each.relative_to(root)) for each in root.rglob("*.py") if heads.search(each.read_text())}
    assert found == {"netlink/codec.py"}
