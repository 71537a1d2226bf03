# SPDX-License-Identifier: GPL-2.0-or-later
"""What accounts of this machine have in common as selectors: a number, or a name that is looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secmarkd.mistakes.processes import MAX_NUMBER, Accounts, account_mistake
from secmarkd.model.label_map import Rule
from secmarkd.model.names import Name, NameKind
from secmarkd.selectors.selector import NO_NUMBER, InKey, Item
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

_SCHEMA = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}]}


def reader(accounts: Accounts) -> Callable[[object], int | str]:
    """The reader of one kind of account: a number, or a name -> itself, which is looked up elsewhere."""

    def read(value: object) -> int | str:
        if type(value) is int and 0 <= value <= MAX_NUMBER:
            return value
        if mistake := account_mistake(value, accounts, read):
            raise mistake
        assert isinstance(value, str)
        return value

    return read


def item(key: str, kind: NameKind, read: Callable[[object], int | str], description: str, example: list[Any]) -> Item:
    """The key of a label; a rule has the number in the field of that name, and the name in one with `_name` behind it."""

    def rule(account: int | str) -> Mapping[str, Any]:
        return {f"{key}_name" if isinstance(account, str) else key: account}

    return Item(
        key=key,
        description=description,
        examples=(example,),
        schema=_SCHEMA,
        read=read,
        like="[0]",
        rule=rule,
        names=lambda account: Name(kind, account) if isinstance(account, str) else None,
    )


def in_key(key: str, field: Field, expression: Key, *, meta: int) -> InKey:
    """The number in the key of a map."""

    def value(rule: Rule) -> int | None:
        number, name = getattr(rule, key), getattr(rule, f"{key}_name")
        return NO_NUMBER if number is None and name is not None else number

    return InKey(field=lambda _: field, expression=lambda *_: expression, value=value, meta=meta)


def words(key: str) -> Callable[[Rule], str]:
    """`user 1000`, or the name where it has no number."""

    def in_words(rule: Rule) -> str:
        number = getattr(rule, key)
        return f"{key} {getattr(rule, f'{key}_name') if number is None else number}"

    return in_words
