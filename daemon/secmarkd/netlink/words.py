# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own words for what is in the kernel's rules and not ours. libnftables has better ones, and may be unable to say them.

Texts are printable and on one line, whatever the kernel holds.
"""

from __future__ import annotations

import sys

from secmarkd.netlink.codec import attributes
from secmarkd.netlink.expression import (
    META,
    PAYLOAD,
    VERDICTS,
    Between,
    Compare,
    End,
    Expression,
    Insert,
    Member,
    Put,
    Source,
    Step,
    Use,
    UseNamed,
)
from secmarkd.netlink.numbers import DynsetOp, MetaKey, PayloadBase

_MOST = 400
"""Characters of one statement."""
_META = {
    0: "length", 1: "protocol", 2: "priority", 3: "mark", 4: "iif", 5: "oif", 6: "iifname", 7: "oifname", 8: "iiftype",
    9: "oiftype", 10: "skuid", 11: "skgid", 12: "nftrace", 13: "rtclassid", 14: "secmark", 15: "nfproto", 16: "l4proto",
    19: "pkttype", 20: "cpu", 21: "iifgroup", 22: "oifgroup", 23: "cgroup", 26: "iifkind", 27: "oifkind",
}  # fmt: skip
_CT = {
    0: "state",
    1: "direction",
    2: "status",
    3: "mark",
    4: "secmark",
    5: "expiration",
    6: "helper",
    17: "zone",
    23: "id",
}
_SOCKET = {0: "transparent", 1: "mark", 2: "wildcard", 3: "cgroupv2"}
_LINK, _NETWORK, _TRANSPORT = PayloadBase.LL_HEADER, PayloadBase.NETWORK_HEADER, PayloadBase.TRANSPORT_HEADER
_BASES = {_LINK: "@ll", _NETWORK: "@nh", _TRANSPORT: "@th", PayloadBase.INNER_HEADER: "@ih"}
_PAYLOADS = {
    (_TRANSPORT, 0, 2): "th sport", (_TRANSPORT, 2, 2): "th dport", (_TRANSPORT, 13, 1): "tcp flags",
    (_NETWORK, 12, 4): "ip saddr", (_NETWORK, 16, 4): "ip daddr", (_NETWORK, 8, 16): "ip6 saddr",
    (_NETWORK, 24, 16): "ip6 daddr",
}  # fmt: skip
"""By base, offset and bytes."""
_TEXTS = frozenset((META, (each,)) for each in (MetaKey.IIFNAME, MetaKey.OIFNAME, MetaKey.IIFKIND, MetaKey.OIFKIND))
"""Sources that are names."""
_INSERTS = {DynsetOp.ADD: "add", DynsetOp.UPDATE: "update", DynsetOp.DELETE: "delete"}
_STATEFUL = frozenset({"counter", "quota", "limit", "last", "connlimit", "notrack", "masq", "log", "reject"})
"""Expressions whose name says most of it."""


def step_words(step: Step) -> str:
    """What the expressions of a step say together."""
    match step.action:
        case Compare(source, data, negated):
            said = f"{_source(source)} {'!=' if negated else '=='} {_value(source, data)}"
        case Between(source, low, high, negated):
            said = f"{_source(source)} {'!= ' if negated else ''}{_value(source, low)}-{_value(source, high)}"
        case Member(sources, name, negated):
            said = f"{_sources(sources)} {'!= ' if negated else ''}@{name}"
        case Use(sources, name):
            said = f"objref {_sources(sources)} map @{name}"
        case UseNamed(kind, name):
            said = f'objref type {kind} "{name}"'
        case Put(kind, key, source):
            said = f"{kind} {(_META if kind == META else _CT).get(key, key)} set {_source(source)}"
        case Insert(sources, name, operator):
            said = f"{_INSERTS.get(operator, operator)} @{name} {{ {_sources(sources)} }}"
        case End(code, chain):
            said = f"{VERDICTS.get(code, f'verdict {code}')} {chain}".rstrip()
        case _:
            said = " ".join(map(_expression, step.expressions))
    return printable(said)


def printable(said: str) -> str:
    """On one line, without what could upset a terminal, and not too long."""
    shown = said if said.isprintable() else said.encode("unicode_escape", "backslashreplace").decode()
    return shown if len(shown) <= _MOST else f"{shown[:_MOST]}…"


def _sources(sources: tuple[Source, ...]) -> str:
    return " . ".join(map(_source, sources))


def _source(source: Source) -> str:
    match source.kind, source.which:
        case "meta", (key,):
            said = f"meta {_META.get(key, key)}"
        case "ct", (key,):
            said = f"ct {_CT.get(key, key)}"
        case "payload", (base, offset):
            raw = f"{_BASES.get(base, base)},{offset * 8},{source.width * 8}"
            said = _PAYLOADS.get((base, offset, source.width), raw)
        case "socket", (key, level):
            said = f"socket {_SOCKET.get(key, key)} level {level}"
        case _:
            said = f"{source.kind} {' '.join(map(str, source.which))}"
    if source.turned is not None:
        said = f"byteorder({said})"
    if source.masked is not None:
        mask, other = source.masked
        said += f" & 0x{mask.hex()}" + (f" ^ 0x{other.hex()}" if any(other) else "")
    return said


def _value(source: Source, data: bytes) -> str:
    if (source.kind, source.which) in _TEXTS:
        return '"' + data.rstrip(b"\0").decode("ascii", "backslashreplace") + '"'
    if source.kind == PAYLOAD:
        return _number(data)
    return f"0x{int.from_bytes(data, sys.byteorder if source.turned is None else 'big'):x}"


def _number(data: bytes) -> str:
    """A constant in network byte order; a short one as a number of ten, as ports and protocols are."""
    return str(int.from_bytes(data, "big")) if len(data) <= 2 else f"0x{data.hex()}"


def _expression(each: Expression) -> str:
    """An expression by its name and what it holds."""
    name = {"masq": "masquerade"}.get(each.name, each.name)
    if each.name in _STATEFUL:
        return name
    said = " ".join(_attribute(kind, content) for kind, content in each.attributes)
    return f"{name}({said})" if said else name


def _attribute(kind: int, content: bytes, depth: int = 2) -> str:
    try:
        inner = list(attributes(content)) if depth and len(content) > 4 and content[-1:] != b"" else []
    except ValueError:
        inner = []
    if inner and all(0 < each <= 32 for each, _ in inner):
        return f"{kind}({' '.join(_attribute(one, more, depth - 1) for one, more in inner)})"
    name = content.rstrip(b"\0")
    if len(name) > 1 and content.endswith(b"\0") and all(32 < each < 127 for each in name):
        return f"{kind}={name.decode()}"
    return f"{kind}=0x{content.hex()}" if content else str(kind)
