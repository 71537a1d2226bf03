# SPDX-License-Identifier: GPL-2.0-or-later
"""The port `Labellers`: lists of nf_tables for all tables, by raw netlink, and only as much of them as is cheap.

Other programs' tables may hold a hundred thousand rules. Rules are dumped once, some hundred in a datagram, of which nearly
all are passed over by a search for bytes; after a limit the rest is left, and said to be.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from secmarkd.adapters.netlink.errors import typed_errors
from secmarkd.adapters.netlink.query import SUBSYSTEM
from secmarkd.adapters.netlink.socket import FAMILY, HEADER, Answer, Link, Message, aligned, open_link
from secmarkd.table.other_labels import (
    NEEDLES,
    SECMARK_OBJECT,
    Does,
    OtherLabel,
    OtherLabels,
    Position,
    declaring,
    label_maps,
    labelling_rules,
    other_labels,
    places,
)

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP_INTR, _NLM_F_DUMP = 1, 0x10, 0x300
_GET_CHAIN, _GET_RULE, _GET_SET, _GET_OBJECT = 4, 7, 10, 19
_ALL_FAMILIES = 0
_OBJECT_TYPE = struct.pack("=HH", 8, 3) + SECMARK_OBJECT.to_bytes(4, "big")
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
    tables = declaring(lists.messages(_GET_OBJECT, _OBJECT_TYPE))
    maps = label_maps(lists.messages(_GET_SET)) if tables else frozenset()
    chains = labelling_rules(lists.messages(_GET_RULE, needles=NEEDLES), maps)
    hooks = places(lists.messages(_GET_CHAIN)) if chains else {}
    return frozenset(other_labels(tables, chains, hooks))


class _Lists:
    """The lists of one look. `cut` and `interrupted` say why they are not whole."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.cut = self.interrupted = False

    def messages(self, question: int, request: bytes = b"", *, needles: tuple[bytes, ...] = ()) -> Iterator[bytes]:
        """What the kernel lists, of all families; with `needles`, only datagrams in which one is."""
        # A socket for each: what is left of a list that was cut would keep the kernel from beginning another.
        with closing(Link(open_link(), patience=_PATIENCE)) as link:
            body = FAMILY.pack(_ALL_FAMILIES, 0, 0) + request
            link.send([Message(SUBSYSTEM | question, _NLM_F_REQUEST | _NLM_F_DUMP, body)])
            left, end = self._most_bytes, time.monotonic() + MOST_SECONDS
            while left > 0 and time.monotonic() < end:
                data = link.datagram(_BUFFER)
                left -= len(data)
                last, interrupted = _scan(data)
                self.interrupted = self.interrupted or interrupted
                if last or not needles or any(needle in data for needle in needles):
                    yield from _listed(link.answers(data))
                if last:
                    return
            self.cut = True


def _listed(answers: Iterable[Answer]) -> Iterator[bytes]:
    for answer in answers:
        if answer.kind in (_NLMSG_ERROR, _NLMSG_DONE):
            number = -struct.unpack_from("=i", answer.body)[0] if len(answer.body) >= 4 else 0
            if number:
                raise OSError(number, os.strerror(number))
            return
        yield answer.body


def _scan(data: bytes) -> tuple[bool, bool]:
    """Whether one of the messages is the last of a list, and whether one says that someone changed the ruleset meanwhile.
    Faster than to take all of them apart."""
    place, flagged = 0, 0
    while place + HEADER.size <= len(data):
        length, kind, flags, *_ = HEADER.unpack_from(data, place)
        flagged |= flags
        if kind in (_NLMSG_ERROR, _NLMSG_DONE):
            return True, bool(flagged & _NLM_F_DUMP_INTR)
        place += max(aligned(length), HEADER.size)
    return False, bool(flagged & _NLM_F_DUMP_INTR)


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
