# SPDX-License-Identifier: GPL-2.0-or-later
"""Two questions to nf_tables over a raw netlink socket: which generation is it, and which flags has our table.

libnftables answers neither: it compares 16 bits of the generation, reports errors as English text, and before 1.1.0 prints
arbitrary memory for a table's flags in JSON. Here an answer is a number or an errno.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from secmarkd.adapters.netlink.socket import ATTRIBUTE, FAMILY, Link, Message, aligned
from secmarkd.netlink.table import table_flags

SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NFT_MSG_NEWTABLE, _NFT_MSG_GETTABLE, NFT_MSG_NEWGEN, _NFT_MSG_GETGEN = 0, 1, 15, 16
NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_DELSETELEM = 12, 13, 14
NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS = 1, 2, 3
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
NFTA_GEN_ID = 1
_NFTA_TABLE_NAME, _NFTA_TABLE_FLAGS = 1, 2
_TYPE_MASK = 0x3FFF
NFPROTO_INET = 1
_ANSWER_BYTES = 65536
_PATIENCE = 2.0
"""Seconds. The kernel answers both questions at once; this only keeps a broken one from hanging us."""


class Netlink:
    """A socket to nf_tables of the network namespace in which it was opened. Errors are OSError with the kernel's errno."""

    def __init__(self) -> None:
        self._link = Link(patience=_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self._link.close()

    def generation(self) -> int:
        """The number of the last committed transaction, by whomever, modulo 2**32.

        OSError EPERM without CAP_NET_ADMIN, EINVAL where the kernel has no nf_tables.
        """
        answer = self._ask(_NFT_MSG_GETGEN, NFT_MSG_NEWGEN, 0, b"")
        return int.from_bytes(answer[NFTA_GEN_ID], "big")

    def table_flags(self, name: str) -> tuple[str, ...] | None:
        """Flags of the table `inet NAME`, sorted, those without a word as `0x…`; None when there is no such table."""
        try:
            answer = self._ask(
                _NFT_MSG_GETTABLE, _NFT_MSG_NEWTABLE, NFPROTO_INET, string_attribute(_NFTA_TABLE_NAME, name)
            )
        except FileNotFoundError:
            return None
        return table_flags(int.from_bytes(answer.get(_NFTA_TABLE_FLAGS, b""), "big"))

    def _ask(self, question: int, answer: int, family: int, asked: bytes) -> dict[int, bytes]:
        """The attributes of the one answer to a request."""
        self._link.send([Message(SUBSYSTEM | question, _NLM_F_REQUEST, FAMILY.pack(family, 0, 0) + asked)])
        while True:
            for each in self._link.receive(_ANSWER_BYTES):
                if each.number != 0:
                    continue
                if each.kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", each.body)[0]
                    raise OSError(number, os.strerror(number))
                if each.kind != SUBSYSTEM | answer:
                    raise OSError(errno.EPROTO, f"nf_tables answered with message {each.kind:#x}")
                return dict(attributes(each.body[FAMILY.size :]))


def string_attribute(kind: int, text: str) -> bytes:
    """A netlink attribute with a text that ends with NUL, padded. Bytes that are no UTF-8 are surrogates in it."""
    value = text.encode(errors="surrogateescape") + b"\0"
    length = ATTRIBUTE.size + len(value)
    return (ATTRIBUTE.pack(length, kind) + value).ljust(aligned(length), b"\0")


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kinds and values of netlink attributes, up to the first that is cut off."""
    place = 0
    while place + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, place)
        if length < ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[place + ATTRIBUTE.size : place + length]
        place += aligned(length)
