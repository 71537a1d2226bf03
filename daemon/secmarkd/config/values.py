# SPDX-License-Identifier: GPL-2.0-or-later
"""A value that is no list where one is needed: what it comes to, as the list's own reader accepts it."""

from __future__ import annotations

from collections.abc import Mapping

from secmarkd.errors import Fix
from secmarkd.mistakes.advice import Mistake, as_table, instead_of_key, settled, toml, write
from secmarkd.mistakes.words import shown
from secmarkd.selectors.every import ITEMS

EXAMPLES: Mapping[str, str] = {
    **{key: item.like for key, item in ITEMS.items()},
    "match": "[{ tcp = [443] }]",
    "type": '"http_server_packet_t"',
    "context": '"system_u:object_r:http_server_packet_t:s0"',
    "role": '"server"',
}
"""Of every key that labels have."""


def listed(key: str, value: object) -> str:
    """The value as the list that the key needs; empty where it cannot be told."""
    if key not in ITEMS:
        return ""
    texts: list[str] = []
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, str | int) or isinstance(each, bool):
            return ""
        one = settled(ITEMS[key].read, each)
        if not one:
            return ""
        texts += one
    return f"[{', '.join(texts)}]" if texts else ""


def like(key: str, value: object) -> str:
    """The value as the key needs it, or an example."""
    return listed(key, value) or EXAMPLES[key]


def list_mistake(key: str, value: object) -> Mistake:
    """Why the value is no list, and which list is meant."""
    wrong = f"expected a list, got {shown(value)}"
    if key == "match":
        inside = toml([value]) if isinstance(value, dict) and value else EXAMPLES["match"]
        return Mistake(wrong, write(inside))
    try:
        ITEMS[key].read(value)
    except ValueError as error:
        advised = error.fixes if isinstance(error, Mistake) else ()
        fixes = [_outside(fix) for fix in advised if not fix.prose]
        reason = str(error).split("; ")[0]
        return Mistake(f"{wrong}: {reason}", *(fixes or [write(EXAMPLES[key], like=True)]))
    return Mistake(wrong, write(toml([value])))


def _outside(fix: Fix) -> Fix:
    """What an item's fix comes to where there is no list around the item."""
    if fix.whole:
        return fix
    if fix.items:
        text = f"[{', '.join(fix.items)}]"
        words = fix.words.replace(", ".join(fix.items), text)
        return Fix(words if text in words else f"write {text}", items=(text,), beside=fix.beside)
    return instead_of_key(*fix.beside) if fix.beside else Fix(fix.words, whole=True)


def table_mistake(path: tuple[str | int, ...], value: object) -> Mistake:
    """Why the value is no table, and how the table is written."""
    wrong = f"expected a table, got {shown(value)}"
    match path:
        case ("labels",):
            ports = listed("tcp", value) or "[443]"
            return Mistake(
                wrong,
                as_table(f"{{ http = {{ tcp = {ports} }} }}", f"write [labels.http] and tcp = {ports} below it"),
            )
        case ("labels", str(name)) if _selections(value):
            return Mistake(wrong, _one_label(name, value))
        case ("labels", str(name)):
            ports = listed("tcp", value) or "[443]"
            return Mistake(
                wrong, as_table(f"{{ tcp = {ports} }}", f"write [labels.{name}] and tcp = {ports} below it")
            )
        case ("labels", _, "match", int()):
            ports = listed("tcp", value) or "[443]"
            return Mistake(wrong, write(f"{{ tcp = {ports} }}"))
        case ("context",):
            return Mistake(wrong, as_table('{ user = "system_u" }', 'write [context] and user = "system_u" below it'))
        case _:
            pair = 'server = "server_packet_t"'
            return Mistake(wrong, as_table(f"{{ {pair} }}", f"write [{path[-1]}] and {pair} below it"))


def _selections(value: object) -> bool:
    """Whether it is what `[[labels.NAME]]` makes."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and each for each in value)


def _one_label(name: str, value: object) -> Fix:
    assert isinstance(value, list)
    whole: dict[str, object] = {}
    entries = []
    for each in value:
        whole |= {key: inner for key, inner in each.items() if key in ("type", "context", "role")}
        entries.append({key: inner for key, inner in each.items() if key not in ("type", "context", "role")})
    if len(entries) == 1:
        return as_table(toml(whole | entries[0]), f"write [labels.{name}], with one pair of brackets")
    words = f"write [labels.{name}] once, and below it [[labels.{name}.match]] for each selection"
    return as_table(toml(whole | {"match": entries}), words)
