# SPDX-License-Identifier: GPL-2.0-or-later
"""A few elements written by raw netlink: within a millisecond, and only if nobody has committed meanwhile.

libnftables cannot say the latter (it sends no NFNL_BATCH_GENID), and it fetches what is in the maps before it adds to them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from secmarkd.adapters.netlink.socket import Link
from secmarkd.change.early_repair import ElementChange
from secmarkd.netlink.codec import Message, nested, nfgenmsg, nft, number, text
from secmarkd.netlink.numbers import Nfnl, Nfproto, NftMsg, NlmF, Rule, SetElemList

_PATIENCE = 10.0
"""Seconds. The kernel answers before `send` returns; a busy one, with others' large transactions before ours, takes so
long to come to it."""
_INET = nfgenmsg(Nfproto.INET)


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
        self._commit([_elements(table, each) for each in changes], number(Nfnl.BATCH_GENID, generation))

    def delete_rules(self, table: str, rules: Iterable[tuple[str, int]]) -> None:
        """Delete rules of a table `inet`, by chain and handle, in one transaction, whatever generation it is."""
        self._commit([_rule(table, chain, handle) for chain, handle in rules], b"")

    def _commit(self, changes: list[Message], expected: bytes) -> None:
        """Send messages as one transaction, and wait for what becomes of it."""
        if not changes:
            return
        # The last one is acknowledged, after the commit; errors are told of every message.
        changes[-1] = changes[-1]._replace(flags=changes[-1].flags | NlmF.ACK)
        frame = nfgenmsg(Nfproto.UNSPEC, Nfnl.SUBSYS_NFTABLES)
        begin = Message(Nfnl.MSG_BATCH_BEGIN, NlmF.REQUEST, frame + expected)
        end = Message(Nfnl.MSG_BATCH_END, NlmF.REQUEST, frame)
        self._link.transact([begin, *changes, end], last=len(changes))


def _rule(table: str, chain: str, handle: int) -> Message:
    which = text(Rule.TABLE, table) + text(Rule.CHAIN, chain) + number(Rule.HANDLE, handle, 8)
    return Message(nft(NftMsg.DELRULE), NlmF.REQUEST, _INET + which)


def _elements(table: str, change: ElementChange) -> Message:
    where = text(SetElemList.TABLE, table) + text(SetElemList.SET, change.map)
    try:
        body = _INET + where + nested(SetElemList.ELEMENTS, change.elements)
    except ValueError as error:
        raise ValueError(f"more elements of {change.map} than fit into one message: {error}") from error
    if change.added:
        return Message(nft(NftMsg.NEWSETELEM), NlmF.REQUEST | NlmF.CREATE, body)
    return Message(nft(NftMsg.DELSETELEM), NlmF.REQUEST, body)
