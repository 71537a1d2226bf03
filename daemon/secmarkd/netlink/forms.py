# SPDX-License-Identifier: GPL-2.0-or-later
"""Which key of nft each source of a value is, and how the constants that it is compared with are written: one table.

What nft 1.0.6 and 1.1.3 write was recorded (tests/golden/raw) and is all that is taken for ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from secmarkd.model.address import format_address
from secmarkd.model.protocols import DCCP, TCP, UDP
from secmarkd.netlink.expression import (
    CT,
    EXTHDR,
    META,
    PAYLOAD,
    SOCKET,
    Between,
    Compare,
    NotOurs,
    Source,
)
from secmarkd.netlink.numbers import (
    ByteorderOp,
    CtKey,
    ExthdrFlag,
    ExthdrOp,
    MetaKey,
    Nfproto,
    PayloadBase,
    SocketKey,
)
from secmarkd.nft.element_text import interface_text
from secmarkd.selectors.fields import FIELD_OF, META_NUMBERS
from secmarkd.table.table import CgroupId, Key, Match, Span, Value

NFPROTO = "nfproto"
L4PROTO = "l4proto"
Fact = tuple[str, int]
"""What a rule has tested before, and nft adds by itself where a key asks for it: the IP version or the protocol."""
_IPV4, _IPV6 = (NFPROTO, Nfproto.IPV4), (NFPROTO, Nfproto.IPV6)
_TCP, _UDP, _DCCP = (L4PROTO, TCP), (L4PROTO, UDP), (L4PROTO, DCCP)
NFPROTO_SOURCE = Source(META, (MetaKey.NFPROTO,), 1)
L4PROTO_SOURCE = Source(META, (MetaKey.L4PROTO,), 1)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whether a value is one of some constants."""

    source: Source
    data: tuple[bytes, ...]
    negated: bool


Test = Compare | Between | OneOf


@dataclass(frozen=True, slots=True)
class Form:
    """How a key is tested."""

    key: Key
    match: Callable[[Key, Test], Match]
    """NotOurs for a test that secmarkd never makes."""
    needs: Fact | None = None
    """What must have been tested before in the rule."""


def forms_of(source: Source) -> tuple[Form, ...]:
    """What this can be, depending on what the rule has tested before; none for anything that is no key of ours."""
    plain = source.kind, source.which
    if source.kind == PAYLOAD and source.which[0] == PayloadBase.NETWORK_HEADER:
        return tuple(form for form, width in _ADDRESSES.get(source.which, ()) if source.width <= width)
    if source.kind == SOCKET and source.which[0] == SocketKey.CGROUPV2:
        return (Form(Key.CGROUP, _cgroup),)
    return tuple(form for form, width in _FORMS.get(plain, ()) if source.width == width)


def field_of(source: Source) -> tuple[Key, Fact | None] | None:
    """The key as which a source is looked up in a map, and what it needs; None for what no map of ours is asked for."""
    if source.masked is not None:
        return None
    for form in forms_of(source):
        if form.key in _PORT_BY_PROTOCOL or form.key not in FIELD_OF:
            continue
        if source.width == FIELD_OF[form.key].width:
            return form.key, form.needs
    return None


# --- constants ---


def _number(key: Key, test: Test) -> Match:
    """Numbers: one, a range, or an anonymous set."""
    host = key in FIELD_OF and FIELD_OF[key].turned
    source = test.source
    turned = host and isinstance(test, Between)
    if source.masked or source.turned != ((ByteorderOp.HTON, source.width) if turned else None):
        raise NotOurs("a changed value")
    order = sys.byteorder if host and not turned else "big"

    def number(data: bytes) -> int:
        if len(data) != source.width:
            raise NotOurs("a constant of another length")
        return int.from_bytes(data, order)

    value: Value | Span
    match test:
        case Compare():
            value = number(test.data)
        case Between():
            value = Span(number(test.low), number(test.high))
        case OneOf():
            value = tuple(sorted(map(number, test.data)))
    return Match(key, value, test.negated)


def _interface(key: Key, test: Test) -> Match:
    """A name, all of the register compared, or its beginning."""
    match test:
        case Compare(Source(_, _, width, None, None), data, negated):
            name = data.rstrip(b"\0") if len(data) == width else data
            try:
                shown = name.decode("ascii") + ("" if len(data) == width else "*")
                interface_text(shown, wildcard=len(data) != width)
            except ValueError as error:
                raise NotOurs("no name of an interface") from error
            if len(name) < width:
                return Match(key, shown, negated)
    raise NotOurs("no name of an interface")


def _address(family: int) -> Callable[[Key, Test], Match]:
    full = 4 if family == 4 else 16

    def match_address(key: Key, test: Test) -> Match:
        if not isinstance(test, Compare) or test.source.turned or len(test.data) != test.source.width:
            raise NotOurs("another test of an address")
        width, number = test.source.width, int.from_bytes(test.data, "big")
        length = 8 * width
        if test.source.masked is not None:
            # nft masks where a prefix is no whole number of bytes, and the prefix of no bits.
            mask, other = (int.from_bytes(each, "big") for each in test.source.masked)
            free = ~mask & ((1 << length) - 1)
            if other or width != full or free & (free + 1) or number & free:
                raise NotOurs("no prefix")
            length -= free.bit_length()
            if length % 8 == 0 and length:
                raise NotOurs("a mask that nft does not need")
        text = format_address(family, number << 8 * (full - width))
        return Match(key, text if length == 8 * full else f"{text}/{length}", test.negated)

    return match_address


def _bits(words: dict[str, int], text: Callable[[tuple[str, ...]], str]) -> Callable[[Key, Test], Match]:
    """A test of bits: `& BITS != 0` for any of them, and negated `!= BITS` (as nft has it)."""

    def match_bits(key: Key, test: Test) -> Match:
        source = test.source
        if not isinstance(test, Compare) or source.turned or len(test.data) != source.width or not test.negated:
            raise NotOurs("no test of bits")
        number = int.from_bytes(test.data, sys.byteorder)
        if source.masked is not None:
            mask, other = (int.from_bytes(each, sys.byteorder) for each in source.masked)
            if number or other:
                raise NotOurs("no test of bits")
            number = mask
        found = tuple(word for word, bit in words.items() if number & bit)
        if not found or sum(words[each] for each in found) != number:
            raise NotOurs("other bits")
        return Match(key, text(found), source.masked is None)

    return match_bits


def _masked(mask: int, words: dict[int, str] | None) -> Callable[[Key, Test], Match]:
    """A value of which only some bits are compared; its words, or none for a number."""

    def match_masked(key: Key, test: Test) -> Match:
        source = test.source
        expected = mask.to_bytes(source.width, "big"), bytes(source.width)
        if not isinstance(test, Compare) or source.turned or source.masked != expected:
            raise NotOurs("another mask")
        if len(test.data) != source.width:
            raise NotOurs("a constant of another length")
        number = int.from_bytes(test.data, sys.byteorder)
        if words is None:
            return Match(key, number, test.negated)
        if number not in words:
            raise NotOurs("another value")
        return Match(key, words[number], test.negated)

    return match_masked


def _word(words: dict[int, str]) -> Callable[[Key, Test], Match]:
    """A value of one byte that has words."""

    def match_word(key: Key, test: Test) -> Match:
        source = test.source
        if not isinstance(test, Compare) or source.turned or source.masked or len(test.data) != 1:
            raise NotOurs("another test")
        if test.data[0] not in words:
            raise NotOurs("another value")
        return Match(key, words[test.data[0]], test.negated)

    return match_word


def _kind(key: Key, test: Test) -> Match:
    """The kind of an interface, a word: all of the register compared."""
    source = test.source
    if not isinstance(test, Compare) or source.turned or source.masked or len(test.data) != source.width:
        raise NotOurs("no kind of interface")
    word = test.data.rstrip(b"\0")
    if not word.isalpha() or not word.islower():
        raise NotOurs("no kind of interface")
    return Match(key, word.decode(), test.negated)


def _in_sets_only(key: Key, test: Test) -> Match:
    """What is looked up in a set (InSet) and never compared."""
    raise NotOurs(f"{key} {test}")


def _cgroup(key: Key, test: Test) -> Match:
    """The number of a cgroup's inode, and the level at which the socket's cgroup is looked at."""
    source = test.source
    if not isinstance(test, Compare) or source.turned or source.masked or len(test.data) != source.width:
        raise NotOurs("another test of a cgroup")
    return Match(key, CgroupId(source.which[1], int.from_bytes(test.data, sys.byteorder)), test.negated)


_STATES = {"invalid": 1, "new": 8, "established": 2, "related": 4, "untracked": 64}
"""NF_CT_STATE_INVALID_BIT, NF_CT_STATE_BIT and NF_CT_STATE_UNTRACKED_BIT, in the order in which they are written."""
_STATUS = {"expected": 1}
"""IPS_EXPECTED."""
_ANY_BIT = 0xFFFFFFFF
_SYN_ACK = {2: "syn", 16: "ack", 18: "syn | ack"}
_DCCP_REQUEST = {0: "request"}
"""DCCP_PKT_REQUEST, below the bit that follows the type."""
_PRESENT = {0: "missing", 1: "exists"}
_NETWORK, _TRANSPORT = PayloadBase.NETWORK_HEADER, PayloadBase.TRANSPORT_HEADER
_INIT = 1
"""SCTP_CID_INIT."""

_PORT_BY_PROTOCOL = frozenset({Key.TCP_SPORT, Key.TCP_DPORT, Key.UDP_SPORT, Key.UDP_DPORT})


def _port(tcp: Key, udp: Key, other: Key) -> tuple[tuple[Form, int], ...]:
    """A port is that of the protocol which the rule has tested."""
    return (Form(tcp, _number, _TCP), 2), (Form(udp, _number, _UDP), 2), (Form(other, _number), 2)


_FORMS: dict[tuple[str, tuple[int, ...]], tuple[tuple[Form, int], ...]] = {
    (META, (MetaKey.L4PROTO,)): ((Form(Key.L4PROTO, _number), 1),),
    (META, (MetaKey.IIFNAME,)): ((Form(Key.IIFNAME, _interface), 16),),
    (META, (MetaKey.OIFNAME,)): ((Form(Key.OIFNAME, _interface), 16),),
    (META, (MetaKey.IIFKIND,)): ((Form(Key.IIFKIND, _kind), 16),),
    (META, (MetaKey.OIFKIND,)): ((Form(Key.OIFKIND, _kind), 16),),
    **{(META, (number,)): ((Form(key, _number), FIELD_OF[key].width),) for number, key in META_NUMBERS.items()},
    (CT, (CtKey.DIRECTION,)): ((Form(Key.CT_DIRECTION, _word({0: "original", 1: "reply"})), 1),),
    (CT, (CtKey.STATE,)): ((Form(Key.CT_STATE, _bits(_STATES, ",".join)), 4),),
    (CT, (CtKey.STATUS,)): ((Form(Key.CT_STATUS, _bits(_STATUS, ",".join)), 4),),
    (CT, (CtKey.SECMARK,)): ((Form(Key.CT_SECMARK, _masked(_ANY_BIT, None)), 4),),
    (META, (MetaKey.SECMARK,)): ((Form(Key.META_SECMARK, _masked(_ANY_BIT, None)), 4),),
    (CT, (CtKey.ID,)): ((Form(Key.CT_ID, _in_sets_only), 4),),
    (EXTHDR, (ExthdrOp.SCTP, _INIT, 0, ExthdrFlag.PRESENT)): ((Form(Key.SCTP_INIT, _word(_PRESENT)), 1),),
    (PAYLOAD, (_TRANSPORT, 0)): _port(Key.TCP_SPORT, Key.UDP_SPORT, Key.TH_SPORT),
    (PAYLOAD, (_TRANSPORT, 2)): _port(Key.TCP_DPORT, Key.UDP_DPORT, Key.TH_DPORT),
    (PAYLOAD, (_TRANSPORT, 8)): ((Form(Key.DCCP_TYPE, _masked(0x1E, _DCCP_REQUEST), _DCCP), 1),),
    (PAYLOAD, (_TRANSPORT, 13)): ((Form(Key.TCP_SYN_ACK, _masked(0x12, _SYN_ACK), _TCP), 1),),
}
"""By kind and numbers of the source, and its width in bytes."""

_ADDRESSES: dict[tuple[int, ...], tuple[tuple[Form, int], ...]] = {
    (_NETWORK, 12): ((Form(Key.IP_SADDR, _address(4), _IPV4), 4),),
    (_NETWORK, 16): ((Form(Key.IP_DADDR, _address(4), _IPV4), 4),),
    (_NETWORK, 8): ((Form(Key.IP6_SADDR, _address(6), _IPV6), 16),),
    (_NETWORK, 24): ((Form(Key.IP6_DADDR, _address(6), _IPV6), 16),),
}
"""Of a prefix nft loads only the bytes that it has, so the width is the greatest."""
