# SPDX-License-Identifier: GPL-2.0-or-later
"""What labels packets outside of our table, from nf_tables' messages about objects, sets, rules and chains of all tables.

Messages have their struct nfgenmsg before the attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from secmarkd.errors import one_line
from secmarkd.netlink.codec import NFGENMSG, as_text, attributes, number
from secmarkd.netlink.numbers import (
    Chain,
    Ct,
    CtKey,
    Expr,
    Hook,
    Meta,
    MetaKey,
    Obj,
    Object,
    Objref,
    Rule,
    Set,
    Target,
)
from secmarkd.table.other_labels import ChainName, Does, Place, is_ours

_RESTORE = 2
"""CONNSECMARK_RESTORE; the other mode saves."""
_HOOKS_OF = {3: ("input", "output"), 5: ("ingress", "egress")}
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
NEEDLES = (
    number(Meta.KEY, MetaKey.SECMARK),
    number(Ct.KEY, CtKey.SECMARK),
    b"objref\0",
    b"SECMARK\0",
)
"""Without one of these, no message holds a rule that labels. With one it may be any rule."""


def declaring(messages: Iterable[bytes]) -> frozenset[tuple[int, str]]:
    """Family and name of the other tables that have secmark objects, from messages about objects."""
    tables: set[tuple[int, str]] = set()
    for message in messages:
        found = _by_kind(message[NFGENMSG.size :])
        owner = message[0], _text(found.get(Obj.TABLE))
        if _number(found.get(Obj.TYPE)) == Object.SECMARK and not is_ours(*owner):
            tables.add(owner)
    return frozenset(tables)


def label_maps(messages: Iterable[bytes]) -> frozenset[tuple[int, str, str]]:
    """Family, table and name of the maps whose values are secmark objects, from messages about sets."""
    maps: set[tuple[int, str, str]] = set()
    for message in messages:
        found = _by_kind(message[NFGENMSG.size :])
        if _number(found.get(Set.OBJ_TYPE)) == Object.SECMARK:
            maps.add((message[0], _text(found.get(Set.TABLE)), _text(found.get(Set.NAME))))
    return frozenset(maps)


def labelling_rules(
    messages: Iterable[bytes], maps: frozenset[tuple[int, str, str]]
) -> frozenset[tuple[ChainName, Does]]:
    """The chains of other tables with rules that label, from messages about rules; `maps` as `label_maps` has them."""
    chains: set[tuple[ChainName, Does]] = set()
    for message in messages:
        if not any(needle in message for needle in NEEDLES):
            continue
        found = _by_kind(message[NFGENMSG.size :])
        chain = message[0], _text(found.get(Rule.TABLE)), _text(found.get(Rule.CHAIN))
        if is_ours(chain[0], chain[1]):
            continue
        for _, expression in _readable(found.get(Rule.EXPRESSIONS, b"")):
            parts = _by_kind(expression)
            does = _does(_text(parts.get(Expr.NAME)), _by_kind(parts.get(Expr.DATA, b"")), chain[:2], maps)
            if does is not None:
                chains.add((chain, does))
    return frozenset(chains)


def _does(
    expression: str, data: Mapping[int, bytes], table: tuple[int, str], maps: frozenset[tuple[int, str, str]]
) -> Does | None:
    """What an expression does about labels; None for nothing. A key that is loaded has no source register."""
    match expression:
        case "meta" if Meta.SREG in data and _number(data.get(Meta.KEY)) == MetaKey.SECMARK:
            return Does.PACKETS
        case "ct" if Ct.SREG in data and _number(data.get(Ct.KEY)) == CtKey.SECMARK:
            return Does.CONNECTIONS
        case "objref" if _number(data.get(Objref.IMM_TYPE)) == Object.SECMARK:
            return Does.PACKETS
        case "objref" if (*table, _text(data.get(Objref.SET_NAME))) in maps:
            return Does.PACKETS
        case "target" if _text(data.get(Target.NAME)) == "SECMARK":
            return Does.PACKETS
        case "target" if _text(data.get(Target.NAME)) == "CONNSECMARK":
            restores = data.get(Target.INFO, b"\0")[:1] == bytes([_RESTORE])
            return Does.PACKETS if restores else Does.CONNECTIONS
        case _:
            return None


def places(messages: Iterable[bytes]) -> dict[ChainName, Place]:
    """Where base chains are hooked, from messages about chains."""
    found: dict[ChainName, Place] = {}
    for message in messages:
        chain = _by_kind(message[NFGENMSG.size :])
        hook = _by_kind(chain.get(Chain.HOOK, b""))
        place, priority = _number(hook.get(Hook.HOOKNUM)), hook.get(Hook.PRIORITY)
        if place is None or priority is None:
            continue
        names = _HOOKS_OF.get(message[0], _HOOKS)
        name = names[place] if place < len(names) else f"hook {place}"
        found[message[0], _text(chain.get(Chain.TABLE)), _text(chain.get(Chain.NAME))] = (
            name,
            int.from_bytes(priority, "big", signed=True),
        )
    return found


def _readable(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Attributes up to the first broken one: a message that nobody can read hides no other."""
    with suppress(ValueError):
        yield from attributes(data)


def _by_kind(data: bytes) -> dict[int, bytes]:
    """Attributes by kind; of several of a kind the last."""
    return dict(_readable(data))


def _text(value: bytes | None) -> str:
    return one_line(as_text(value or b""))


def _number(value: bytes | None) -> int | None:
    return int.from_bytes(value, "big") if value else None
