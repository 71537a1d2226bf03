# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tables the kernel tells of when something in them changes: what `nft monitor` shows, without its crashes.

(nft 1.0.6's monitor dies over elements of interval maps.) A commit's messages are there once the commit has returned.
"""

from __future__ import annotations

import socket

from secmarkd.adapters.netlink.socket import open_link
from secmarkd.netlink.codec import attributes, messages
from secmarkd.netlink.numbers import NftMsg
from tests.support.namespace import Namespace

_GROUP = 7  # NFNLGRP_NFTABLES
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP = 270, 1
_SO_RCVBUFFORCE = 33
_ROOM = 64 << 20
_TABLE = 1  # NFTA_TABLE_NAME and its like in every other kind of message


class TableEvents:
    """Listens from its making on."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.enter():
            self._socket = open_link()
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _GROUP)
        self._socket.setblocking(False)

    def take(self) -> list[tuple[int, str]]:
        """Family and name of the table of each change since the last call. OSError ENOBUFS where some were lost."""
        found: list[tuple[int, str]] = []
        while True:
            try:
                datagram = self._socket.recv(1 << 20)
            except BlockingIOError:
                return found
            for message in messages(datagram):
                if message.kind & 0xFF != NftMsg.NEWGEN:
                    name = dict(attributes(message.attributes))[_TABLE]
                    found.append((message.body[0], name.rstrip(b"\0").decode()))

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
