"""Tables as `nft -j list table inet secmarkd` prints them, in the dialects of nft 1.0.6 and of 1.1.x."""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Any

from secmarkd.ruleset.elements import Field, key_width, unpack_value
from secmarkd.ruleset.table import (
    FAMILY,
    NAME,
    Chain,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    Object,
    ObjectKind,
    Restore,
    Save,
    Span,
    Statement,
    Table,
    Verdict,
)

Json = Any
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}


class Dialect(Enum):
    """How a version of nft prints what can be printed in more than one way."""

    OLD = "1.0.6"
    NEW = "1.1.3"
    BARE = "1.1.4"
    """A single flag as a bare word; here also with protocols by name, as without numeric output."""


def to_json(table: Table, dialect: Dialect) -> Json:
    """The document that nft prints for a table without foreign things."""
    head: Json = {"family": FAMILY, "name": NAME, "handle": 1}
    if table.flags:
        head["flags"] = _flags(list(table.flags), dialect)
    objects = [{str(each.kind): _object(each)} for each in table.objects]
    maps = [{"map": _map(each, dialect)} for each in table.maps]
    chains = [{"chain": _chain(each)} for each in table.chains]
    rules = [{"rule": rule} for each in table.chains for rule in _rules(each, dialect)]
    parts = [*objects, *maps, *chains] if dialect is Dialect.OLD else [*chains, *objects, *maps]
    return {
        "nftables": [
            {"metainfo": {"version": dialect.value, "json_schema_version": 1}},
            {"table": head},
            *parts,
            *rules,
        ]
    }


def _named(name: str) -> Json:
    return {"family": FAMILY, "name": name, "table": NAME, "handle": 2}


def _object(each: Object) -> Json:
    if each.kind is ObjectKind.COUNTER:
        return {**_named(each.name), "packets": 17, "bytes": 1024}
    return {**_named(each.name), "context": each.context}


def _chain(each: Chain) -> Json:
    if each.base is None:
        return _named(each.name)
    base = each.base
    return {**_named(each.name), "type": base.type, "hook": base.hook, "prio": base.priority, "policy": base.policy}


def _flags(words: list[str], dialect: Dialect) -> Json:
    return words[0] if dialect is Dialect.BARE and len(words) == 1 else words


def _map(each: Map, dialect: Dialect) -> Json:
    types = [one.nft_type for one in each.key]
    result = {**_named(each.name), "type": types if len(types) > 1 else types[0], "map": str(each.kind)}
    if each.interval:
        result["flags"] = _flags(["interval"], dialect)
    if len(each.elements):
        result["elem"] = [[_element(each, key, dialect), name] for key, name in each.elements.items()]
    return result


def _element(each: Map, key: bytes, dialect: Dialect) -> Json:
    values, place, half = [], 0, key_width(each.key, interval=False) if each.interval else 0
    for field in each.key:
        low, high = key[place : place + field.width], key[half + place : half + place + field.width]
        values.append(_range(field, low, high, dialect))
        place += field.width
    return {"concat": values} if len(values) > 1 else values[0]


def _range(field: Field, low: bytes, high: bytes, dialect: Dialect) -> Json:
    if low == high:
        return _single(field, low, dialect)
    if field is Field.INTERFACE:
        return low.rstrip(b"\0").decode() + "*"
    first, last = int.from_bytes(low, "big"), int.from_bytes(high, "big")
    free = (first ^ last).bit_length()
    if field in (Field.IPV4, Field.IPV6) and first % (1 << free) == 0 and last == first + (1 << free) - 1:
        return {"prefix": {"addr": _single(field, low, dialect), "len": field.width * 8 - free}}
    return {"range": [_single(field, low, dialect), _single(field, high, dialect)]}


def _single(field: Field, value: bytes, dialect: Dialect) -> Json:
    if field is Field.IPV4:
        return str(ipaddress.IPv4Address(value))
    if field is Field.IPV6:
        return str(ipaddress.IPv6Address(value))
    number = unpack_value(field, value)
    if field is Field.PROTOCOL and dialect is Dialect.BARE:
        return _PROTOCOLS.get(int(number), number)
    return number


def _rules(chain: Chain, dialect: Dialect) -> list[Json]:
    return [
        {
            "family": FAMILY,
            "table": NAME,
            "chain": chain.name,
            "handle": number,
            "expr": [_say(one, dialect) for one in rule],
        }
        for number, rule in enumerate(chain.rules, 10)
    ]


def _say(statement: Statement, dialect: Dialect) -> Json:
    secmark, saved = {"meta": {"key": "secmark"}}, {"ct": {"key": "secmark"}}
    match statement:
        case Match():
            return {"match": _match(statement, dialect)}
        case Mark(kind, name):
            return {str(kind): name}
        case Lookup(kind, keys, map_):
            left = [_key(each, dialect) for each in keys]
            return {str(kind): {"map": {"key": {"concat": left} if len(left) > 1 else left[0], "data": f"@{map_}"}}}
        case Save():
            return {"mangle": {"key": saved, "value": secmark}}
        case Restore():
            return {"mangle": {"key": secmark, "value": saved}}
        case Verdict(action, chain):
            return {action: {"target": chain} if chain else None}
    raise AssertionError(statement)


def _key(key: Key, dialect: Dialect) -> Json:
    if key is Key.TCP_SYN_ACK:
        flags = ["syn", "ack"]
        field = {"payload": {"protocol": "tcp", "field": "flags"}}
        return {"&": [field, flags if dialect is Dialect.OLD else {"|": flags}]}
    word, name = key.value.split(" ", 1)
    if word in ("meta", "ct", "socket"):
        return {word: {"key": name}}
    return {"payload": {"protocol": word, "field": name}}


def _match(match: Match, dialect: Dialect) -> Json:
    bit_test = match.key in (Key.CT_STATE, Key.CT_STATUS)
    operator = "!=" if match.negated else "in" if bit_test else "=="
    return {"op": operator, "left": _key(match.key, dialect), "right": _right(match, dialect)}


def _right(match: Match, dialect: Dialect) -> Json:
    value = match.value
    if isinstance(value, Span):
        return {"range": [value.low, value.high]}
    if isinstance(value, tuple):
        return {"set": [_named_protocol(match.key, each, dialect) for each in value]}
    if isinstance(value, int):
        return _named_protocol(match.key, value, dialect)
    if value == "syn | ack":
        return ["syn", "ack"] if dialect is Dialect.OLD else {"|": ["syn", "ack"]}
    if match.key in (Key.IP_SADDR, Key.IP_DADDR, Key.IP6_SADDR, Key.IP6_DADDR) and "/" in value:
        address, length = value.split("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    return value


def _named_protocol(key: Key, value: int, dialect: Dialect) -> Json:
    return _PROTOCOLS.get(value, value) if key is Key.L4PROTO and dialect is Dialect.BARE else value
