# SPDX-License-Identifier: GPL-2.0-or-later
"""Single things in nft's own words: for messages, where anything that was found may appear, and for `text`."""

from __future__ import annotations

from typing import assert_never

from secmarkd.nft.element_text import render_packed
from secmarkd.table.table import (
    CgroupId,
    Chain,
    DynamicSet,
    Foreign,
    InSet,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    Object,
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

_NAMES = (Key.IIFNAME, Key.OIFNAME, Key.IIFKIND, Key.OIFKIND)
_ADDRESSES = (Key.IP_SADDR, Key.IP_DADDR, Key.IP6_SADDR, Key.IP6_DADDR)
_SECMARKS = (Key.CT_SECMARK, Key.META_SECMARK)


def render_object(each: Object) -> str:
    """`secmark s_x { "system_u:…" }` or `counter s_x`."""
    return f"{each.kind} {shown(each.name)}" + ("" if each.context is None else f' {{ "{shown(each.context)}" }}')


def render_chain_head(chain: Chain) -> str:
    """`type filter hook input priority 50; policy accept;`, or nothing for a chain that is only jumped to."""
    if chain.base is None:
        return ""
    base = chain.base
    return f"type {base.type} hook {base.hook} priority {base.priority}; policy {base.policy};"


def render_set(each: DynamicSet) -> str:
    """`typeof ct id; size 65536; flags dynamic,timeout; timeout 3600s`, or with `type inet_proto . ipv4_addr`."""
    of = f"typeof {each.key}" if isinstance(each.key, Key) else f"type {' . '.join(one.nft_type for one in each.key)}"
    return f"{of}; size {each.size:d}; flags dynamic,timeout; timeout {each.timeout:d}s"


def render_key(map_: Map, key: bytes) -> str:
    """A packed key of a map as people read it: `tcp . 80`, `10.0.0.0/8 . 443-450`, `"eth0" . 22`, `1000 . udp . 53`."""
    return render_packed(map_.key, map_.interval, key, names=True)


def render_rule(rule: Rule) -> str:
    """The rule in nft's words; a statement that secmarkd never writes appears as its JSON."""
    return " ".join(render_statement(each) for each in rule)


def render_statement(statement: Statement) -> str:
    """One statement in nft's words."""
    match statement:
        case Match():
            return _match(statement)
        case Mark(kind, name):
            return f'{_labelling(kind)} "{shown(name)}"'
        case Lookup(kind, keys, map_):
            return f"{_labelling(kind)} {_concatenated(keys)} map @{shown(map_)}"
        case Save():
            return "ct secmark set meta secmark"
        case Restore():
            return "meta secmark set ct secmark"
        case InSet(keys, name, negated):
            return f"{_concatenated(keys)} {'!= ' if negated else ''}@{shown(name)}"
        case Remember(keys, name, refresh, timeout):
            element = _concatenated(keys) + (f" timeout {timeout:d}s" if timeout else "")
            return f"{'update' if refresh else 'add'} @{shown(name)} {{ {element} }}"
        case Verdict(action, chain):
            return f"{action} {shown(chain)}".rstrip()
        case Foreign():
            return statement.text
        case _:
            assert_never(statement)


def _concatenated(keys: tuple[Key, ...]) -> str:
    return " . ".join(each.value for each in keys)


def _labelling(kind: ObjectKind) -> str:
    return "meta secmark set" if kind is ObjectKind.SECMARK else "counter name"


def _match(match: Match) -> str:
    key, value = match.key, _value(match.key, match.value)
    sign = "!=" if match.negated else "=="
    match key:
        case Key.CT_SECMARK | Key.META_SECMARK:
            # nft refuses `ct secmark != 0` but takes a masked form, which it then lists without the mask.
            return f"{key} and 0xffffffff {sign} {value}"
        case Key.TCP_SYN_ACK:
            return f"{key} {sign} {value}"
        case Key.CGROUP if isinstance(match.value, CgroupId):
            key_text = f"{key} level {match.value.level}"
        case _:
            key_text = key.value
    return f"{key_text} != {value}" if match.negated else f"{key_text} {value}"


def _value(key: Key, value: Value | Span) -> str:
    match value:
        case Span(low, high):
            return f"{low}-{high}"
        case tuple():
            return f"{{ {', '.join(map(str, value))} }}"
        case CgroupId(_, number, path):
            return f'"{shown(path)}"' if path else f"inode {number}"
        case str() if key in _NAMES:
            return f'"{shown(value)}"'
        case "syn | ack":
            return "(syn | ack)"
        case _:
            return shown(str(value))


def shown(text: str) -> str:
    """Text that was found in the kernel, with what could upset a terminal escaped."""
    return text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode()
