"""A few elements written by raw netlink: within a millisecond, and only if nobody has committed meanwhile.

libnftables cannot say the latter (it sends no NFNL_BATCH_GENID), and it fetches what is in the maps before it adds to them.
The constants are those of linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.kernel.netlink_gen import (
    ATTRIBUTE,
    FAMILY,
    HEADER,
    NFPROTO_INET,
    NFT_MSG_DELSETELEM,
    NFT_MSG_NEWSETELEM,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
    SUBSYSTEM,
    open_link,
    string_attribute,
)
from secmarkd.ruleset.hints import ElementChange

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFNL_BATCH_GENID = 1
_NFNL_SUBSYS_NFTABLES = 10
_NLMSG_ERROR = 2
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE = 1, 4, 0x400
_NLA_F_NESTED = 1 << 15
_LONGEST = 0xFFFF
"""Bytes of an attribute: nla_len has 16 bits."""
_PATIENCE = 10.0
"""Seconds. The kernel answers before `send` returns; a busy one, with others' large transactions before ours, takes so
long to come to it."""
_ANSWER_BYTES = 65536


@dataclass(frozen=True, slots=True)
class _Message:
    kind: int
    flags: int
    body: bytes


class NetlinkBatch:
    """A socket to nf_tables for transactions. Errors are OSError with the kernel's errno; then nothing was changed, but
    after a TimeoutError nobody knows. After an error close it."""

    def __init__(self, link: socket.socket | None = None) -> None:
        """`link` takes the place of a netlink socket."""
        self._socket = link or open_link()
        self._socket.settimeout(_PATIENCE)
        self._sequence = 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def commit(self, table: str, changes: Iterable[ElementChange], generation: int) -> None:
        """Add and delete elements of a table `inet` in one transaction, if the ruleset's last one is `generation`.

        ERESTART where it is another (nf_tables_valid_genid). ValueError for more elements than an attribute holds, 64 KiB.
        """
        inner = [_elements(table, each) for each in changes]
        if not inner:
            return
        # The last one is acknowledged, after the commit; errors are told of every message.
        inner[-1] = _Message(inner[-1].kind, inner[-1].flags | _NLM_F_ACK, inner[-1].body)
        expected = ATTRIBUTE.pack(ATTRIBUTE.size + 4, _NFNL_BATCH_GENID) + generation.to_bytes(4, "big")
        batch = FAMILY.pack(0, 0, socket.htons(_NFNL_SUBSYS_NFTABLES))
        messages = [_Message(_BATCH_BEGIN, 0, batch + expected), *inner, _Message(_BATCH_END, 0, batch)]
        first = self._sequence + 1
        self._socket.send(b"".join([self._numbered(each) for each in messages]))
        self._await(first, first + len(inner))

    def _numbered(self, message: _Message) -> bytes:
        self._sequence += 1
        length = HEADER.size + len(message.body)
        flags = message.flags | _NLM_F_REQUEST
        return HEADER.pack(length, message.kind, flags, self._sequence, 0) + message.body

    def _await(self, first: int, last: int) -> None:
        """Take answers up to the acknowledgement of message `last`, or an error of any one."""
        while True:
            data = self._socket.recv(_ANSWER_BYTES)
            _, kind, _, sequence, _ = HEADER.unpack_from(data)
            if kind != _NLMSG_ERROR or sequence < first:
                continue
            number = -struct.unpack_from("=i", data, HEADER.size)[0]
            if number:
                raise OSError(number, os.strerror(number))
            if sequence == last:
                return


def _elements(table: str, change: ElementChange) -> _Message:
    kind = NFT_MSG_NEWSETELEM if change.added else NFT_MSG_DELSETELEM
    where = string_attribute(NFTA_SET_ELEM_LIST_TABLE, table) + string_attribute(NFTA_SET_ELEM_LIST_SET, change.map)
    length = ATTRIBUTE.size + len(change.elements)
    if length > _LONGEST:
        raise ValueError(f"too many elements for one message: {length} bytes")
    listed = ATTRIBUTE.pack(length, NFTA_SET_ELEM_LIST_ELEMENTS | _NLA_F_NESTED) + change.elements
    flags = _NLM_F_CREATE if change.added else 0
    return _Message(SUBSYSTEM | kind, flags, FAMILY.pack(NFPROTO_INET, 0, 0) + where + listed)
