# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading SELinux denials of packets out of the audit log's text."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DENIED = re.compile(r"avc: +denied +\{ (?P<permissions>[^}]*) \} for (?P<fields>.*)")
_FIELD = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Denial:
    """One denied use of a packet.

    `source` is the type of the process or its socket, `target` the packet's type; `sport` and `dport` are None for
    packets without ports. `enforced` is False when the machine was permissive and let the packet through. What an AVC says
    about pid and comm is left out: the check runs in softirq context, where they belong to whoever was interrupted.
    """

    permissions: frozenset[str]
    source: str
    target: str
    saddr: str | None
    sport: int | None
    daddr: str | None
    dport: int | None
    netif: str | None
    enforced: bool
    raw: str


def packet_denials(text: str) -> list[Denial]:
    """The denials of class packet in audit records, in order; all other records are passed over."""
    return [denial for line in text.splitlines() if (denial := _denial(line))]


def _denial(line: str) -> Denial | None:
    match = _DENIED.search(line)
    if match is None:
        return None
    fields = dict(_FIELD.findall(match["fields"]))
    if fields.get("tclass") != "packet":
        return None
    return Denial(
        permissions=frozenset(match["permissions"].split()),
        source=_type(fields["scontext"]),
        target=_type(fields["tcontext"]),
        saddr=fields.get("saddr"),
        sport=_port(fields.get("src")),
        daddr=fields.get("daddr"),
        dport=_port(fields.get("dest")),
        netif=fields.get("netif"),
        enforced=fields.get("permissive") == "0",
        raw=line,
    )


def _type(context: str) -> str:
    return context.split(":")[2]


def _port(text: str | None) -> int | None:
    return int(text) if text else None
