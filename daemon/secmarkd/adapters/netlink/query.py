# SPDX-License-Identifier: GPL-2.0-or-later
"""Two questions to nf_tables over a raw netlink socket: which generation is it, and which flags has our table.

libnftables answers neither: it compares 16 bits of the generation, reports errors as English text, and before 1.1.0 prints
arbitrary memory for a table's flags in JSON. Here an answer is a number or an errno.
"""

from __future__ import annotations

import errno
from types import TracebackType
from typing import Self

from secmarkd.adapters.netlink.socket import Link
from secmarkd.netlink.codec import Message, as_number, attributes, nfgenmsg, nft, text
from secmarkd.netlink.numbers import Gen, Nfproto, NftMsg, NlmF, Table
from secmarkd.netlink.structure import table_flags

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
        found = self._ask(NftMsg.GETGEN, NftMsg.NEWGEN, nfgenmsg(Nfproto.UNSPEC))
        if Gen.ID not in found:
            raise OSError(errno.EPROTO, "nf_tables answered without a generation")
        return as_number(found[Gen.ID])

    def table_flags(self, name: str) -> tuple[str, ...] | None:
        """Flags of the table `inet NAME`, sorted, those without a word as `0x…`; None when there is no such table."""
        try:
            found = self._ask(NftMsg.GETTABLE, NftMsg.NEWTABLE, nfgenmsg(Nfproto.INET) + text(Table.NAME, name))
        except FileNotFoundError:
            return None
        return table_flags(as_number(found.get(Table.FLAGS, b"")))

    def _ask(self, question: int, expected: int, asked: bytes) -> dict[int, bytes]:
        """The attributes of the one answer to a request."""
        answer = self._link.ask(Message(nft(question), NlmF.REQUEST, asked))
        if answer.kind != nft(expected):
            raise OSError(errno.EPROTO, f"nf_tables answered with message {answer.kind:#x}")
        try:
            return dict(attributes(answer.attributes))
        except ValueError as error:
            raise OSError(errno.EPROTO, f"nf_tables answered with {error}") from error
