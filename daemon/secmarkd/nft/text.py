# SPDX-License-Identifier: GPL-2.0-or-later
"""From values to nft's own words: a transaction as text for libnftables.

The text has every object, map, chain, rule and element on a line of its own, because libnftables reports an error by its
line. It is understood by nft 1.0.6 and 1.1.3 (both tried), and names nothing by /etc/protocols, /etc/services or passwd.

Rules are written as they are: where the kernel knows the protocol already (after `tcp flags`, `tcp sport` or
`meta l4proto 6`) nft lists `th sport` as `tcp sport`, so only a rule that says so itself reads back as the same rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from secmarkd.nft.element_text import element_lines, interface_text, key_lines
from secmarkd.nft.names import named
from secmarkd.nft.render import render_chain_head, render_rule, render_set
from secmarkd.selectors.fields import FIELD_OF
from secmarkd.table.cgroups import writable
from secmarkd.table.table import (
    FAMILY,
    NAME,
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
    Table,
    Value,
    Verdict,
)
from secmarkd.table.transaction import (
    AddElements,
    AddObjects,
    Adopt,
    Command,
    DeleteElements,
    DeleteObjects,
    Rebuild,
    Remove,
    Replace,
    Transaction,
)

_HERE = f"{FAMILY} {NAME}"
_CONTEXT = re.compile(r"[A-Za-z0-9_.,:-]{1,255}\Z")
_WORD = re.compile(r"[a-z]+\Z")
_ADDRESSES = (Key.IP_SADDR, Key.IP_DADDR, Key.IP6_SADDR, Key.IP6_DADDR)
_ADDRESS = re.compile(r"[0-9a-f.:]+(/[0-9]+)?\Z")
_STATES = re.compile(r"[a-z]+(,[a-z]+)+\Z")


def encode(transaction: Transaction, *, table_present: bool = False) -> str:
    """The transaction as commands of nft, to be carried out as one.

    Replace and Remove begin with `add table; delete table`, which works whether or not there is a table, unless it has
    flags (`add` then tries to change them). `table_present` promises that there is one, and it is deleted only.
    ValueError for anything that cannot be written: a Foreign, a name that nft cannot quote.
    """
    lines: list[str] = []
    for command in transaction:
        lines += _command(command, table_present)
    return "\n".join(lines) + "\n"


def _command(command: Command, table_present: bool) -> list[str]:
    match command:
        case Replace(table):
            return [*_no_table(table_present), *_table(table)]
        case Rebuild():
            return _rebuild(command)
        case Remove():
            return _no_table(table_present)
        case Adopt(flags):
            return [_add_table(flags)]
        case AddObjects(objects):
            return [_add_object(each) for each in objects]
        case DeleteObjects(objects):
            return [f"delete {each.kind} {_HERE} {named(each.name)}" for each in objects]
        case AddElements(map_, elements):
            quoted = [f'"{named(each)}"' for each in elements.objects]
            return _elements("add", map_, element_lines(map_.key, map_.interval, elements, quoted))
        case DeleteElements(map_, elements):
            return _elements("delete", map_, key_lines(map_.key, map_.interval, elements))
        case _:
            assert_never(command)


def _no_table(table_present: bool) -> list[str]:
    delete = f"delete table {_HERE}"
    return [delete] if table_present else [f"add table {_HERE}", delete]


def _add_table(flags: tuple[str, ...]) -> str:
    words = f" {{ flags {', '.join(_word(each) for each in flags)}; }}" if flags else ""
    return f"add table {_HERE}{words}"


def _table(table: Table) -> list[str]:
    if table.foreign:
        raise ValueError(f"secmarkd does not write a {table.foreign[0].what}")
    lines = [_add_table(table.flags)]
    lines += [_add_object(each) for each in table.objects]
    lines += [_add_set(each) for each in table.sets]
    lines += [_add_map(each) for each in table.maps]
    lines += [_add_chain(each) for each in table.chains]
    for chain in table.chains:
        lines += [_add_rule(chain.name, rule) for rule in chain.rules]
    for each in table.maps:
        lines += _command(AddElements(each, each.elements), False)
    return lines


def _rebuild(todo: Rebuild) -> list[str]:
    lines = [f"flush chain {_HERE} {named(each)}" for each in todo.flush]
    lines += [line for each in todo.shrink for line in _command(each, True)]
    lines += [f"delete {kind} {_HERE} {named(name)}" for kind, name in todo.delete]
    lines += [_add_object(each) for each in todo.objects]
    lines += [_add_set(each) for each in todo.sets]
    lines += [_add_map(each) for each in todo.maps]
    lines += [_add_chain(each) for each in todo.chains]
    for chain in todo.rules:
        lines += [_add_rule(chain.name, rule) for rule in chain.rules]
    lines += [line for each in todo.maps for line in _command(AddElements(each, each.elements), True)]
    return lines + [line for each in todo.grow for line in _command(each, True)]


def _add_object(each: Object) -> str:
    command = f"add {each.kind} {_HERE} {named(each.name)}"
    if each.kind is ObjectKind.COUNTER:
        return command
    if each.context is None or not _CONTEXT.match(each.context):
        raise ValueError(f"{each.context!r} is not a security context")
    return f'{command} {{ "{each.context}" }}'


def _add_chain(chain: Chain) -> str:
    command = f"add chain {_HERE} {named(chain.name)}"
    if chain.base is None:
        return command
    for word in (chain.base.type, chain.base.hook, chain.base.policy):
        _word(word)
    return f"{command} {{ {render_chain_head(chain)} }}"


def _add_rule(chain: str, rule: Rule) -> str:
    if not rule:
        raise ValueError(f"an empty rule in chain {chain!r} cannot be written")
    for statement in rule:
        _check(statement)
    return f"add rule {_HERE} {named(chain)} {render_rule(rule)}"


def _add_set(each: DynamicSet) -> str:
    return f"add set {_HERE} {named(each.name)} {{ {render_set(each)}; }}"


def _add_map(each: Map) -> str:
    key = " . ".join(one.nft_type for one in each.key)
    flags = " flags interval;" if each.interval else ""
    return f"add map {_HERE} {named(each.name)} {{ type {key} : {each.kind};{flags} }}"


def _elements(verb: str, map_: Map, lines: Iterator[str]) -> list[str]:
    """One command for all elements; none where there are none, which nft's grammar does not know."""
    body = ",\n".join(lines)
    return [f"{verb} element {_HERE} {named(map_.name)} {{", body, "}"] if body else []


def _check(statement: Statement) -> None:
    """ValueError for a statement that cannot be written as it is."""
    match statement:
        case Match(key, value):
            _check_value(key, value)
        case Mark(_, name):
            named(name)
        case Lookup(_, keys, map_):
            named(map_)
            if not keys or not set(keys) <= FIELD_OF.keys():
                raise ValueError(f"no map can be looked up by {' . '.join(keys)}")
        case InSet(keys, name) | Remember(keys, name):
            named(name)
            if keys != (Key.CT_ID,) and (not keys or not set(keys) <= FIELD_OF.keys()):
                raise ValueError(f"no set can hold {' . '.join(keys)}")
        case Verdict(action, chain):
            _word(action)
            if chain:
                named(chain)
        case Foreign():
            raise ValueError(f"secmarkd does not write {statement.text}")
        case Save() | Restore():
            pass
        case _:
            assert_never(statement)


def _check_value(key: Key, value: Value | Span) -> None:
    match value:
        case Span(low, high):
            good = 0 <= low < high
        case tuple():
            good = len(value) > 1 and list(value) == sorted(set(value)) and value[0] >= 0
        case str() if key in (Key.IIFNAME, Key.OIFNAME):
            interface_text(value)
            return
        case CgroupId():
            good = key is Key.CGROUP and writable(value)
        case str() if key in _ADDRESSES:
            good = _ADDRESS.match(value) is not None
        case str() if key is Key.SCTP_INIT:
            good = value in ("exists", "missing")
        case str() if key is Key.CT_STATE and "," in value:
            good = _STATES.match(value) is not None
        case str():
            good = value == "syn | ack" or _WORD.match(value) is not None
        case int():
            good = value >= 0
        case _:
            assert_never(value)
    if not good:
        raise ValueError(f"{key} cannot be compared with {value!r}")


def _word(word: str) -> str:
    if not _WORD.match(word):
        raise ValueError(f"{word!r} is not a word of nft")
    return word
