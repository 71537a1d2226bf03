# SPDX-License-Identifier: GPL-2.0-or-later
"""Netlink's bytes in both directions: messages and the attributes in them are taken apart and put together here only.

A message is struct nlmsghdr, then for netfilter struct nfgenmsg, then attributes (struct nlattr), which may be nested.
All lengths are in the machine's order and padded to 4 bytes. What a number means is in `numbers`.

Reading is strict: bytes that are not whole messages or attributes are a ValueError, for who reads the half of something
takes it for something else.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

from secmarkd.netlink.numbers import Nfnl, NlaF, Nlmsg

NLMSGHDR = struct.Struct("=IHHII")
"""Length, type, flags, sequence and port."""
NFGENMSG = struct.Struct("=BBH")
"""Family, version and resource; the resource is in network byte order."""
NLATTR = struct.Struct("=HH")
"""Length and type."""
TYPE_MASK = ~(NlaF.NESTED | NlaF.NET_BYTEORDER) & 0xFFFF
LONGEST = 0xFFFF
"""Bytes of an attribute with its head: nla_len has 16 bits."""


class Message(NamedTuple):
    """One message."""

    kind: int
    flags: int
    """NLM_F_*."""
    body: bytes
    """What follows the header."""
    sequence: int = 0

    @property
    def error(self) -> int | None:
        """Of an error, an acknowledgement or the end of a list: the errno, 0 for none. None for any other message."""
        if self.kind not in (Nlmsg.ERROR, Nlmsg.DONE):
            return None
        return -int.from_bytes(self.body[:4], sys.byteorder, signed=True)

    @property
    def attributes(self) -> bytes:
        """What follows struct nfgenmsg."""
        return self.body[NFGENMSG.size :]

    def encoded(self) -> bytes:
        """The bytes of it, for the kernel."""
        header = NLMSGHDR.pack(NLMSGHDR.size + len(self.body), self.kind, self.flags, self.sequence, 0)
        return padded(header + self.body)


def messages(datagram: bytes) -> Iterator[Message]:
    """The messages of a datagram, one after another. ValueError at one that is cut off."""
    place = 0
    while place < len(datagram):
        if place + NLMSGHDR.size > len(datagram):
            raise ValueError("a message that is cut off")
        length, kind, flags, sequence, _ = NLMSGHDR.unpack_from(datagram, place)
        if length < NLMSGHDR.size or place + length > len(datagram):
            raise ValueError("a message that is cut off")
        yield Message(kind, flags, datagram[place + NLMSGHDR.size : place + length], sequence)
        place += aligned(length)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each attribute. ValueError where they do not fill `data` exactly."""
    place = 0
    while place < len(data):
        if place + NLATTR.size > len(data):
            raise ValueError("a broken attribute")
        length, kind = NLATTR.unpack_from(data, place)
        if length < NLATTR.size or place + length > len(data):
            raise ValueError("a broken attribute")
        yield kind & TYPE_MASK, data[place + NLATTR.size : place + length]
        place += length + 3 & ~3


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute, padded. ValueError for more than an attribute holds, 64 KiB."""
    length = NLATTR.size + len(content)
    if length > LONGEST:
        raise ValueError(f"too much for one attribute: {length} bytes")
    return NLATTR.pack(length, kind) + padded(content)


def nested(kind: int, content: bytes) -> bytes:
    """An attribute that holds attributes, marked as nft marks them."""
    return attribute(kind | NlaF.NESTED, content)


def text(kind: int, value: str) -> bytes:
    """An attribute with a text that ends with NUL. Bytes that are no UTF-8 are surrogates in it."""
    return attribute(kind, value.encode(errors="surrogateescape") + b"\0")


def number(kind: int, value: int, width: int = 4) -> bytes:
    """An attribute with a number of `width` bytes, in network byte order."""
    return attribute(kind, value.to_bytes(width, "big"))


def as_text(content: bytes) -> str:
    """A name of the kernel, up to its NUL; bytes that are no UTF-8 are kept as surrogates."""
    return content.split(b"\0")[0].decode(errors="surrogateescape")


def as_number(content: bytes) -> int:
    """A number in network byte order; 0 of nothing."""
    return int.from_bytes(content, "big")


def nft(kind: int) -> int:
    """The type of a message of nf_tables on the wire, from its NFT_MSG_*."""
    return Nfnl.SUBSYS_NFTABLES << 8 | kind


def nfgenmsg(family: int, resource: int = 0) -> bytes:
    """The head of a message to netfilter."""
    return bytes((family, 0)) + resource.to_bytes(2, "big")


def padded(content: bytes) -> bytes:
    """With zeros up to where the next attribute or message begins."""
    return content + bytes(-len(content) % 4)


def aligned(length: int) -> int:
    """Where the next message or attribute begins: netlink keeps to multiples of four."""
    return (length + 3) & ~3
