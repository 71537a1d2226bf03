# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole lists from nf_tables by raw netlink: the elements of a map, and what says that nothing else of a table changed.

A dump of 10,000 elements takes 2 ms in the kernel where libnftables' listing takes 150.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from secmarkd.adapters.netlink.socket import Link
from secmarkd.netlink.codec import Message, attributes, nfgenmsg, nft, text
from secmarkd.netlink.numbers import OF_TABLE, Nfproto, NftMsg, NlmF, SetElemList
from secmarkd.netlink.structure import Structure, lasting_chain, lasting_object, lasting_rule, lasting_set, whole
from secmarkd.workers import trace

_BUFFER = 1 << 17
"""Bytes. The kernel fills at most 32 KiB of it at once; the more, the fewer times it walks through a map from its start."""
_PATIENCE = 2.0
_ATTEMPTS = 32
_SECONDS = 2.5
"""How long, and how often, a dump is begun anew because someone changed the ruleset meanwhile."""


class Interrupted(Exception):
    """The ruleset changed during each of many dumps."""


class NetlinkDump:
    """A socket to nf_tables for lists. Errors are OSError with the kernel's errno, FileNotFoundError for what is not there.

    After an error, or after an Interrupted, close it: answers to what was asked may still come.
    """

    def __init__(self, link: socket.socket | None = None) -> None:
        """`link` takes the place of a netlink socket."""
        self._link = Link(link, patience=_PATIENCE, buffer=_BUFFER)

    def close(self) -> None:
        """Give the socket back."""
        self._link.close()

    def elements(self, table: str, name: str) -> list[bytes]:
        """The contents of NFTA_SET_ELEM_LIST_ELEMENTS in all messages about a set or map of a table `inet`, all of one
        generation of the ruleset."""
        request = text(SetElemList.TABLE, table) + text(SetElemList.SET, name)
        messages = self._dump(NftMsg.GETSETELEM, request)
        return [
            content for message in messages for kind, content in attributes(message) if kind == SetElemList.ELEMENTS
        ]

    def structure(self, table: str) -> Structure:
        """All else of a table `inet`: nothing where there is none; FileNotFoundError where it goes meanwhile.

        Each kind of thing is of one generation of the ruleset, and not all need be of the same. Some kilobytes.
        """
        ours = text(OF_TABLE, table)
        # Chains and tables are listed for all tables of the family, whatever the request says.

        def part(question: int, lasting: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
            return self._dump(question, ours, lambda message: lasting(message) if message.startswith(ours) else b"")

        tables = part(*_TABLES)
        if not tables:
            return Structure()
        return Structure(tables, *(part(*each) for each in _PARTS))

    def _dump(self, question: int, request: bytes, kept: Callable[[bytes], bytes] = whole) -> tuple[bytes, ...]:
        """What is `kept` of the messages of a dump (nothing, of some), during which the ruleset's generation did not
        change, or that was the same twice: what changed meanwhile is then something else, of another table perhaps.
        Under steady writing by others no long dump would ever find the whole ruleset still."""
        end = time.monotonic() + _SECONDS
        before: tuple[bytes, ...] | None = None
        for _ in range(_ATTEMPTS):
            asked = Message(nft(question), NlmF.REQUEST, nfgenmsg(Nfproto.INET) + request)
            listed, still = self._link.list_all(asked)
            messages = [each.attributes for each in listed]
            if trace.SWITCH.on:
                trace.trace("netlink", f"dump {question}: {len(messages)} messages{'' if still else ', interrupted'}")
            lasting = tuple(each for message in messages if (each := kept(message)))
            if still or lasting == before:
                return lasting
            before = lasting
            if time.monotonic() > end:
                break
        raise Interrupted


_TABLES = (NftMsg.GETTABLE, whole)
_PARTS: tuple[tuple[int, Callable[[bytes], bytes]], ...] = (
    (NftMsg.GETCHAIN, lasting_chain),
    (NftMsg.GETRULE, lasting_rule),
    (NftMsg.GETSET, lasting_set),
    (NftMsg.GETOBJ, lasting_object),
    (NftMsg.GETFLOWTABLE, whole),
)
