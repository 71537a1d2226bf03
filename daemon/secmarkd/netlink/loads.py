# SPDX-License-Identifier: GPL-2.0-or-later
"""The expressions that load a value into registers, and those that change it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from secmarkd.netlink.arguments import Arguments
from secmarkd.netlink.expression import CT, EXTHDR, META, PAYLOAD, SOCKET, NotOurs, Source
from secmarkd.netlink.numbers import (
    Bitwise,
    BitwiseOp,
    Byteorder,
    Ct,
    CtKey,
    Exthdr,
    Meta,
    MetaKey,
    Payload,
    Reg,
    Socket,
    SocketKey,
)
from secmarkd.selectors.fields import FIELD_OF, META_NUMBERS

_NAME_WIDTH = 16
"""IFNAMSIZ, and the same for kinds of interfaces."""
_META_WIDTHS: Mapping[int, int] = {
    **dict.fromkeys((MetaKey.IIFNAME, MetaKey.OIFNAME, MetaKey.IIFKIND, MetaKey.OIFKIND), _NAME_WIDTH),
    MetaKey.SECMARK: 4,
    MetaKey.NFPROTO: 1,
    MetaKey.L4PROTO: 1,
    **{number: FIELD_OF[key].width for number, key in META_NUMBERS.items()},
}
"""Bytes of each key."""
_CT_WIDTHS = {CtKey.STATE: 4, CtKey.DIRECTION: 1, CtKey.STATUS: 4, CtKey.SECMARK: 4, CtKey.ID: 4}
_SOCKET_WIDTHS = {SocketKey.CGROUPV2: 8}


# --- what loads; None for an expression of the same name that sets something ---


def _load_meta(found: Arguments) -> Source | None:
    if not found.has(Meta.DREG):
        return None
    found.raw(Meta.DREG)
    key = found.number(Meta.KEY)
    found.done()
    return _known(META, (key,), _META_WIDTHS.get(key))


def _load_ct(found: Arguments) -> Source | None:
    if not found.has(Ct.DREG):
        return None
    found.raw(Ct.DREG)
    key = found.number(Ct.KEY)
    found.done()
    return _known(CT, (key,), _CT_WIDTHS.get(key))


def _load_payload(found: Arguments) -> Source | None:
    if not found.has(Payload.DREG):
        return None
    found.raw(Payload.DREG)
    base, offset, length = found.number(Payload.BASE), found.number(Payload.OFFSET), found.number(Payload.LEN)
    found.done()
    return _known(PAYLOAD, (base, offset), length if 0 < length <= Reg.SIZE else None)


def _load_socket(found: Arguments) -> Source | None:
    found.raw(Socket.DREG)
    key, level = found.number(Socket.KEY), found.number(Socket.LEVEL)
    found.done()
    return _known(SOCKET, (key, level), _SOCKET_WIDTHS.get(key))


def _load_exthdr(found: Arguments) -> Source | None:
    if not found.has(Exthdr.DREG):
        return None
    found.raw(Exthdr.DREG)
    kind = found.raw(Exthdr.TYPE)
    offset, flags = found.number(Exthdr.OFFSET), found.number(Exthdr.FLAGS)
    which = (found.number(Exthdr.OP), int.from_bytes(kind, "big"), offset, flags)
    length = found.number(Exthdr.LEN)
    found.done()
    return _known(EXTHDR, which, length if length == 1 and len(kind) == 1 else None)


def _known(kind: str, which: tuple[int, ...], width: int | None) -> Source:
    if width is None:
        raise NotOurs(f"another key of {kind}")
    return Source(kind, which, width)


LOADS = {META: _load_meta, CT: _load_ct, PAYLOAD: _load_payload, SOCKET: _load_socket, EXTHDR: _load_exthdr}
DESTINATIONS = {META: Meta.DREG, CT: Ct.DREG, PAYLOAD: Payload.DREG, SOCKET: Socket.DREG, EXTHDR: Exthdr.DREG}
"""The attribute with the register in which it puts what it loads."""


# --- what changes a register ---


def _mask(found: Arguments, source: Source) -> Source:
    length, operator = found.number(Bitwise.LEN), found.number(Bitwise.OP)
    mask, other = found.value(Bitwise.MASK), found.value(Bitwise.XOR)
    if length != source.width or operator != BitwiseOp.MASK_XOR or len(mask) != length or len(other) != length:
        raise NotOurs("another bitwise")
    if source.masked or source.turned:
        raise NotOurs("changed twice")
    return replace(source, masked=(mask, other))


def _turn(found: Arguments, source: Source) -> Source:
    operator, length = found.number(Byteorder.OP), found.number(Byteorder.LEN)
    size = found.number(Byteorder.SIZE)
    if length != source.width or source.masked or source.turned:
        raise NotOurs("another byteorder")
    return replace(source, turned=(operator, size))


CHANGES = {"bitwise": _mask, "byteorder": _turn}
