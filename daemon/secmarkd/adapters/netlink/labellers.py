# SPDX-License-Identifier: GPL-2.0-or-later
"""The port `Labellers`: lists of nf_tables for all tables, by raw netlink, and only as much of them as is cheap.

Other programs' tables may hold a hundred thousand rules. Rules are dumped once, some hundred in a datagram, of which nearly
all are passed over by a search for bytes; after a limit the rest is left, and said to be.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from secmarkd.adapters.netlink.errors import typed_errors
from secmarkd.adapters.netlink.socket import Link, open_link, raise_error
from secmarkd.netlink.codec import NLMSGHDR, Message, aligned, nfgenmsg, nft, number
from secmarkd.netlink.labelling import NEEDLES, declaring, label_maps, labelling_rules, places
from secmarkd.netlink.numbers import Nfproto, NftMsg, NlmF, Nlmsg, Obj, Object
from secmarkd.table.other_labels import Does, OtherLabel, OtherLabels, Position, other_labels

_OBJECT_TYPE = number(Obj.TYPE, Object.SECMARK)
"""NFTA_OBJ_TYPE: only these objects are listed."""
_BUFFER = 1 << 17
_PATIENCE = 2.0
MOST_BYTES = 16 << 20
"""Of rules: some 40,000."""
MOST_SECONDS = 0.25
_ATTEMPTS = 3
"""Looks while others change the ruleset."""
MOST_FOUND = 64
_PROC_NET = Path("/proc/net")


class NetlinkLabellers:
    """Implements ports.Labellers for the network namespace of the calling thread."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, proc_net: Path = _PROC_NET) -> None:
        self._most_bytes = most_bytes
        self._proc_net = proc_net

    def look(self) -> OtherLabels:
        """See ports.Labellers."""
        with typed_errors("look at other tables"):
            attempt = 1
            found = _look(lists := _Lists(self._most_bytes))
            while lists.interrupted and attempt < _ATTEMPTS:
                attempt += 1
                found = _look(lists := _Lists(self._most_bytes))
        every = sorted({*found, *_old_iptables(self._proc_net)})
        whole = not (lists.interrupted or lists.cut) and len(every) <= MOST_FOUND
        return OtherLabels(tuple(every[:MOST_FOUND]), whole)


def _look(lists: _Lists) -> frozenset[OtherLabel]:
    tables = declaring(lists.messages(NftMsg.GETOBJ, _OBJECT_TYPE))
    maps = label_maps(lists.messages(NftMsg.GETSET)) if tables else frozenset()
    chains = labelling_rules(lists.messages(NftMsg.GETRULE, needles=NEEDLES), maps)
    hooks = places(lists.messages(NftMsg.GETCHAIN)) if chains else {}
    return frozenset(other_labels(tables, chains, hooks))


class _Lists:
    """The lists of one look. `cut` and `interrupted` say why they are not whole."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.cut = self.interrupted = False

    def messages(self, question: int, request: bytes = b"", *, needles: tuple[bytes, ...] = ()) -> Iterator[bytes]:
        """What the kernel lists, of all families; with `needles`, only datagrams in which one is."""
        # A socket for each: what is left of a list that was cut would keep the kernel from beginning another.
        with closing(Link(open_link(), patience=_PATIENCE, buffer=_BUFFER)) as link:
            body = nfgenmsg(Nfproto.UNSPEC) + request
            link.send([Message(nft(question), NlmF.REQUEST | NlmF.DUMP, body)])
            left, end = self._most_bytes, time.monotonic() + MOST_SECONDS
            while left > 0 and time.monotonic() < end:
                data = link.datagram()
                left -= len(data)
                last, interrupted = _scan(data)
                self.interrupted = self.interrupted or interrupted
                if last or not needles or any(needle in data for needle in needles):
                    yield from _listed(link.answers(data))
                if last:
                    return
            self.cut = True


def _listed(answers: Iterable[tuple[int, Message]]) -> Iterator[bytes]:
    for _, answer in answers:
        raise_error(answer)
        if answer.error is not None:
            return
        yield answer.body


def _scan(data: bytes) -> tuple[bool, bool]:
    """Whether one of the messages is the last of a list, and whether one says that someone changed the ruleset meanwhile.
    Faster than to take all of them apart."""
    place, flagged = 0, 0
    while place + NLMSGHDR.size <= len(data):
        length, kind, flags, *_ = NLMSGHDR.unpack_from(data, place)
        flagged |= flags
        if kind in (Nlmsg.ERROR, Nlmsg.DONE):
            return True, bool(flagged & NlmF.DUMP_INTR)
        place += max(aligned(length), NLMSGHDR.size)
    return False, bool(flagged & NlmF.DUMP_INTR)


def _old_iptables(proc_net: Path) -> Iterator[OtherLabel]:
    """Tables of iptables-legacy, where the targets are loaded that label; their rules are not looked into."""
    for family, prefix in (("ip", "ip"), ("ip6", "ip6")):
        if {"SECMARK", "CONNSECMARK"}.isdisjoint(_words(proc_net / f"{prefix}_tables_targets")):
            continue
        for table in sorted(_words(proc_net / f"{prefix}_tables_names") & {"mangle", "security"}):
            yield OtherLabel(family, table, "", "", None, Does.MAY, Position.UNKNOWN)


def _words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()
