# SPDX-License-Identifier: GPL-2.0-or-later
"""A few elements written by raw netlink: within a millisecond, and only if nobody has committed meanwhile.

libnftables cannot say the latter (it sends no NFNL_BATCH_GENID), and it fetches what is in the maps before it adds to them.
The constants are those of linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import replace

from secmarkd.adapters.netlink.query import (
    NFPROTO_INET,
    NFT_MSG_DELSETELEM,
    NFT_MSG_NEWSETELEM,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
    SUBSYSTEM,
    string_attribute,
)
from secmarkd.adapters.netlink.socket import ATTRIBUTE, FAMILY, Link, Message
from secmarkd.change.early_repair import ElementChange

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFNL_BATCH_GENID = 1
_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_DELRULE = 8
_NFTA_RULE_TABLE, _NFTA_RULE_CHAIN, _NFTA_RULE_HANDLE = 1, 2, 3
_NLMSG_ERROR = 2
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE = 1, 4, 0x400
_NLA_F_NESTED = 1 << 15
_LONGEST = 0xFFFF
"""Bytes of an attribute: nla_len has 16 bits."""
_PATIENCE = 10.0
"""Seconds. The kernel answers before `send` returns; a busy one, with others' large transactions before ours, takes so
long to come to it."""
_ANSWER_BYTES = 65536


class NetlinkBatch:
    """A socket to nf_tables for transactions. Errors are OSError with the kernel's errno; then nothing was changed, but
    after a TimeoutError nobody knows. After an error close it."""

    def __init__(self, link: socket.socket | None = None) -> None:
        """`link` takes the place of a netlink socket."""
        self._link = Link(link, patience=_PATIENCE)

    def close(self) -> None:
        """Give the socket back."""
        self._link.close()

    def commit(self, table: str, changes: Iterable[ElementChange], generation: int) -> None:
        """Add and delete elements of a table `inet` in one transaction, if the ruleset's last one is `generation`.

        ERESTART where it is another (nf_tables_valid_genid). ValueError for more elements than an attribute holds, 64 KiB.
        """
        expected = ATTRIBUTE.pack(ATTRIBUTE.size + 4, _NFNL_BATCH_GENID) + generation.to_bytes(4, "big")
        self._commit([_elements(table, each) for each in changes], expected)

    def delete_rules(self, table: str, rules: Iterable[tuple[str, int]]) -> None:
        """Delete rules of a table `inet`, by chain and handle, in one transaction, whatever generation it is."""
        inner = [_rule(table, chain, handle) for chain, handle in rules]
        self._commit(inner, b"")

    def _commit(self, inner: list[Message], expected: bytes) -> None:
        """Send messages as one transaction, and wait for what becomes of it."""
        if not inner:
            return
        # The last one is acknowledged, after the commit; errors are told of every message.
        inner[-1] = replace(inner[-1], flags=inner[-1].flags | _NLM_F_ACK)
        batch = FAMILY.pack(0, 0, socket.htons(_NFNL_SUBSYS_NFTABLES))
        begin = Message(_BATCH_BEGIN, _NLM_F_REQUEST, batch + expected)
        end = Message(_BATCH_END, _NLM_F_REQUEST, batch)
        self._link.send([begin, *inner, end])
        self._await(len(inner))

    def _await(self, last: int) -> None:
        """Take answers up to the acknowledgement of message `last`, or an error of any one; 0 is the batch itself."""
        while True:
            for each in self._link.receive(_ANSWER_BYTES):
                if each.kind != _NLMSG_ERROR or each.number > last + 1:
                    continue
                number = -struct.unpack_from("=i", each.body)[0]
                if number:
                    raise OSError(number, os.strerror(number))
                if each.number == last:
                    return


def _rule(table: str, chain: str, handle: int) -> Message:
    where = string_attribute(_NFTA_RULE_TABLE, table) + string_attribute(_NFTA_RULE_CHAIN, chain)
    which = ATTRIBUTE.pack(ATTRIBUTE.size + 8, _NFTA_RULE_HANDLE) + handle.to_bytes(8, "big")
    return Message(SUBSYSTEM | _NFT_MSG_DELRULE, _NLM_F_REQUEST, FAMILY.pack(NFPROTO_INET, 0, 0) + where + which)


def _elements(table: str, change: ElementChange) -> Message:
    kind = NFT_MSG_NEWSETELEM if change.added else NFT_MSG_DELSETELEM
    where = string_attribute(NFTA_SET_ELEM_LIST_TABLE, table) + string_attribute(NFTA_SET_ELEM_LIST_SET, change.map)
    length = ATTRIBUTE.size + len(change.elements)
    if length > _LONGEST:
        raise ValueError(f"too many elements for one message: {length} bytes")
    listed = ATTRIBUTE.pack(length, NFTA_SET_ELEM_LIST_ELEMENTS | _NLA_F_NESTED) + change.elements
    flags = _NLM_F_REQUEST | (_NLM_F_CREATE if change.added else 0)
    return Message(SUBSYSTEM | kind, flags, FAMILY.pack(NFPROTO_INET, 0, 0) + where + listed)
