"""One statement of a rule, from nft's JSON.

What is not exactly something that secmarkd writes is Foreign and keeps its place in the rule. JSON says less than the
kernel holds in two known cases, both in 1.0.6 and 1.1.3: a bit test prints `in` for its operator (`ct state new`), so that
`==` there is another rule; and `socket cgroupv2` lacks its level, see `with_cgroup_levels`.
"""

from __future__ import annotations

from dataclasses import replace

from secmarkd.model.address import parse_prefix
from secmarkd.model.precedence import cgroup_level
from secmarkd.model.protocols import WITH_PORTS, WITHOUT_PORTS
from secmarkd.ruleset.foreign import Json, dump
from secmarkd.ruleset.table import (
    Chain,
    Foreign,
    InSet,
    Key,
    Lookup,
    Mark,
    Match,
    ObjectKind,
    Remember,
    Restore,
    Rule,
    Save,
    Span,
    Statement,
    Value,
    Verdict,
)

_PROTOCOLS = WITHOUT_PORTS | WITH_PORTS
_NUMBERS = frozenset(
    {Key.L4PROTO, Key.SKUID, Key.TH_SPORT, Key.TH_DPORT, Key.TCP_SPORT, Key.TCP_DPORT, Key.UDP_SPORT, Key.UDP_DPORT}
)
_ADDRESSES = {Key.IP_SADDR: 4, Key.IP_DADDR: 4, Key.IP6_SADDR: 6, Key.IP6_DADDR: 6}
_NAMES = frozenset({Key.IIFNAME, Key.OIFNAME, Key.CGROUP})
_WORDS = {
    Key.CT_DIRECTION: ("original", "reply"),
    Key.CT_STATE: ("new", "established", "related", "invalid", "untracked"),  # and several, in this order
    Key.CT_STATUS: ("expected",),
    Key.TCP_SYN_ACK: ("syn", "ack", "syn | ack"),
    Key.DCCP_TYPE: ("request",),
}
_BIT_TESTS = frozenset({Key.CT_STATE, Key.CT_STATUS})
_SECMARK = {"meta": {"key": "secmark"}}
_CT_SECMARK = {"ct": {"key": "secmark"}}


class _Unknown(Exception):
    """Nothing that the compiler's types can say."""


def decode_rule(rule: Json) -> Rule:
    """A rule's statements; what else there is to it (a comment) is Foreign at its end."""
    listed = rule.get("expr")
    if not isinstance(listed, list):
        return (Foreign("rule", "", dump(rule)),)
    statements = tuple(decode_statement(each) for each in listed)
    rest = {name: value for name, value in rule.items() if name not in _RULE_FIELDS}
    return (*statements, Foreign("rule", "", dump(rest))) if rest else statements


_RULE_FIELDS = frozenset({"family", "table", "chain", "handle", "expr"})


def decode_statement(statement: Json) -> Statement:
    """One statement; Foreign for anything that secmarkd does not write. Raises nothing."""
    try:
        ((word, inner),) = statement.items()
        return _statement(word, inner)
    except (_Unknown, ValueError, TypeError, LookupError, AttributeError):
        return Foreign("statement", "", dump(statement))


def _statement(word: str, inner: Json) -> Statement:
    match word:
        case "match":
            return _match(inner)
        case "secmark" | "counter":
            return _labelling(ObjectKind(word), inner)
        case "mangle" if inner == {"key": _CT_SECMARK, "value": _SECMARK}:
            return Save()
        case "mangle" if inner == {"key": _SECMARK, "value": _CT_SECMARK}:
            return Restore()
        case "accept" | "return" if inner is None:
            return Verdict(word)
        case "set" if set(inner) == {"op", "elem", "set"} and inner["op"] in ("add", "update"):
            return Remember(_key(inner["elem"]), _text(inner["set"]).removeprefix("@"), inner["op"] == "update")
        case "jump" | "goto" if set(inner) == {"target"}:
            return Verdict(word, _text(inner["target"]))
    raise _Unknown


def _labelling(kind: ObjectKind, inner: Json) -> Statement:
    if type(inner) is str:
        return Mark(kind, inner)
    if set(inner) == {"map"} and set(inner["map"]) == {"key", "data"}:
        key, data = inner["map"]["key"], _text(inner["map"]["data"])
        keys = key["concat"] if set(key) == {"concat"} else [key]
        if data.startswith("@"):
            return Lookup(kind, tuple(_key(each) for each in keys), data[1:])
    raise _Unknown


def _match(inner: Json) -> Match | InSet:
    if set(inner) != {"op", "left", "right"}:
        raise _Unknown
    key = _key(inner["left"])
    negated = inner["op"] == "!="
    if key is Key.CT_ID and inner["op"] in ("==", "!="):
        return InSet(key, _text(inner["right"]).removeprefix("@"), negated)
    if not negated and inner["op"] != ("in" if key in _BIT_TESTS else "=="):
        raise _Unknown
    return Match(key, _value(key, inner["right"]), negated)


def _key(left: Json) -> Key:
    ((word, inner),) = left.items()
    match word:
        case "meta" | "ct" if set(inner) == {"key"}:
            return Key(f"{word} {inner['key']}")
        case "payload" if set(inner) == {"protocol", "field"}:
            return Key(f"{inner['protocol']} {inner['field']}")
        case "sctp chunk" if inner == {"name": "init"}:
            return Key.SCTP_INIT
        case "socket" if set(inner) <= {"key", "level"} and inner["key"] == "cgroupv2":
            return Key.CGROUP
        case "&" if inner[0] == {"payload": {"protocol": "tcp", "field": "flags"}}:
            if len(inner) == 2 and _flags(inner[1]) == ["ack", "syn"]:
                return Key.TCP_SYN_ACK
    raise _Unknown


def _flags(value: Json) -> list[str]:
    """Sorted flags: a list in 1.0.6, a list below "|" in 1.1.3, a single one as itself."""
    if type(value) is dict and set(value) == {"|"}:
        value = value["|"]
    return sorted(value) if type(value) is list else [value]


def _value(key: Key, right: Json) -> Value | Span:
    if key in _NUMBERS:
        return _numbers(key, right)
    if key in _ADDRESSES:
        return _address(_ADDRESSES[key], right)
    if key in _NAMES:
        return _text(right)
    if key in (Key.CT_SECMARK, Key.META_SECMARK):
        return _number(key, right)
    if key is Key.SCTP_INIT and type(right) is bool:
        return "exists" if right else "missing"
    if key is Key.CT_STATE and len(_flags(right)) > 1 and set(_flags(right)) <= set(_WORDS[key]):
        return ",".join(sorted(_flags(right), key=_WORDS[key].index))
    word = "syn | ack" if key is Key.TCP_SYN_ACK and _flags(right) == ["ack", "syn"] else _flags(right)[0]
    if (len(_flags(right)) > 1 and word != "syn | ack") or word not in _WORDS[key]:
        raise _Unknown
    return word


def _numbers(key: Key, right: Json) -> Value | Span:
    if type(right) is not dict:
        return _number(key, right)
    ((word, inner),) = right.items()
    if word == "set":
        return tuple(sorted(_number(key, each) for each in inner))
    if word == "range":
        low, high = (_number(key, each) for each in inner)
        return Span(low, high)
    raise _Unknown


def _number(key: Key, value: Json) -> int:
    if key is Key.L4PROTO and type(value) is str:
        return _PROTOCOLS[value]
    if type(value) is not int:
        raise _Unknown
    return value


def _address(family: int, right: Json) -> str:
    if type(right) is dict:
        prefix = right["prefix"]
        if len(right) != 1 or set(prefix) != {"addr", "len"}:
            raise _Unknown
        right = f"{prefix['addr']}/{prefix['len']:d}"
    network = parse_prefix(_text(right))
    if network.family != family:
        raise _Unknown
    return str(network)


def _text(value: Json) -> str:
    if type(value) is not str:
        raise _Unknown
    return value


def with_cgroup_levels(chain: Chain, levels: list[int]) -> Chain:
    """The chain, where every match of a cgroup whose level in the kernel is not the depth of its path is Foreign.

    `levels` are the levels of the chain's cgroup matches in their order, as nft's text listing (and not its JSON) has
    them. Where they are not as many as the matches, none can be trusted.
    """
    total = sum(isinstance(each, Match) and each.key is Key.CGROUP for rule in chain.rules for each in rule)
    waiting = iter(levels if len(levels) == total else [-1] * total)

    def checked(statement: Statement) -> Statement:
        if not isinstance(statement, Match) or statement.key is not Key.CGROUP:
            return statement
        level = next(waiting)
        if level == cgroup_level(str(statement.value)):
            return statement
        return Foreign("statement", "", dump({"socket cgroupv2": statement.value, "level": level}))

    return replace(chain, rules=tuple(tuple(checked(each) for each in rule) for rule in chain.rules))
