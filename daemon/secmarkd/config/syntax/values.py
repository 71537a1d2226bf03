# SPDX-License-Identifier: GPL-2.0-or-later
"""One value as people write it -> the TOML that it must mean, as the key's own reader accepts it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from secmarkd.config import items
from secmarkd.config.syntax.tokens import tokens
from secmarkd.config.values import EXAMPLES, listed
from secmarkd.mistakes.advice import Mistake, Reader, settled, toml
from secmarkd.mistakes.contexts import default_mistake, role_mistake
from secmarkd.mistakes.settings import choice_mistake
from secmarkd.model.label_map import Mode, OnDrift, OnStop, Ownership
from secmarkd.selectors.every import ITEMS

CURLY = str.maketrans(
    dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u301d\u301e\uff02", '"')
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a`\u00b4\uff07", "'")
)
"""Quotes that word processors and web pages have in place of the plain ones."""

_CHOICES = {"mode": Mode, "on_drift": OnDrift, "on_stop": OnStop, "ownership": Ownership}
_DEFAULTS = {"server": "server_packet_t", "client": "client_packet_t", "icmp": "icmp_packet_t", "forward": ""}
_WORDS_OF_OTHERS = frozenset(("yes", "no", "on", "off", "none", "null", "nil", "true", "false"))


@dataclass(frozen=True, slots=True)
class Meant:
    """What a text must mean: TOML, and what was wrong with it."""

    text: str
    wrong: str


EXAMPLES_OF_SETTINGS = {
    "mode": '"label"', "on_drift": '"repair"', "on_stop": '"keep"', "resync": '"5min"', "ownership": '"shared"',
    "server": '"server_packet_t"', "client": '"client_packet_t"', "icmp": '"icmp_packet_t"',
    "forward": '""', "level": '"s0"',
}  # fmt: skip
_OF_CONTEXT = {"user": '"system_u"', "role": '"object_r"', "level": '"s0"'}


def example(key: str, table: str) -> str:
    """What the key could have; empty for a key that does not exist."""
    if table == "context" and key in _OF_CONTEXT:
        return _OF_CONTEXT[key]
    return EXAMPLES.get(key, "") or EXAMPLES_OF_SETTINGS.get(key, "")


def known_key(key: str) -> str:
    """The key in its own spelling, if only its capitals are others."""
    lower = key.lower()
    return lower if lower in EXAMPLES or lower in EXAMPLES_OF_SETTINGS else key


def single(text: str) -> object:
    """The one value that the text must be; None for none or several."""
    plain = re.sub(r"[;,\s]+$", "", without_comment(text.translate(CURLY)).strip())
    parts = _items(plain) if plain else []
    return _scalar(parts[0])[0] if len(parts) == 1 else None


def refusal(key: str, value: object) -> Mistake | None:
    """What the key's own reader says of the value; None where it takes it, or where the key has no list."""
    if key not in ITEMS or value is None:
        return None
    try:
        ITEMS[key].read(value)
    except Mistake as mistake:
        return mistake
    except ValueError:
        return None
    return None


def without_comment(text: str) -> str:
    """One line up to its comment."""
    for token in tokens(text):
        if token.kind == "comment":
            return text[: token.start]
    return text


def meant(text: str, key: str, table: str) -> Meant | None:
    """What the text behind `key =` must mean; `table` is the header above it. None where it cannot be told."""
    plain = without_comment(text.translate(CURLY)).strip()
    plain = re.sub(r"[;,\s]+$", "", plain)
    if not plain:
        return None
    parts = _items(plain)
    read = [_scalar(part) for part in parts]
    values = [value for value, _ in read]
    wrong = next((each for _, each in read if each), "") or _of_the_whole(plain, parts)
    found = _accepted(key, table, values)
    return Meant(found, wrong) if found else None


def _of_the_whole(plain: str, parts: Sequence[str]) -> str:
    if len(parts) > 1 and not plain.startswith("["):
        return "several values go in a list, in [ ]"
    if plain.startswith("[") and not plain.endswith("]"):
        return "the list has no closing ]"
    if len(parts) > 1:
        return "the values of a list are separated by commas"
    return "this is not a value"


def _accepted(key: str, table: str, values: Sequence[object]) -> str:
    """The values as TOML, as the key takes them; empty where it takes none of them so."""
    settings = table in ("context", "default") or key in _CHOICES
    if key in ITEMS and not settings:
        return listed(key, list(values))
    if len(values) != 1:
        return ""
    read = _reader(key, table)
    value = values[0]
    if read is None or not isinstance(value, str | int) or isinstance(value, bool):
        return _choice(key, value) if isinstance(value, str | bool) else ""
    one = settled(read, value)
    return one[0] if len(one) == 1 else ""


def _choice(key: str, value: str | bool) -> str:
    if key not in _CHOICES:
        return ""
    known = [str(each) for each in _CHOICES[key]]
    if value in known:
        return toml(value)
    fixes = choice_mistake(key, value, known).fixes
    return fixes[0].items[0] if len(fixes) == 1 else ""


def _reader(key: str, table: str) -> Reader | None:
    if table == "context":
        return {
            "user": items.identifier("user", "system_u"),
            "role": items.identifier("role", "object_r"),
            "level": items.level_item,
        }.get(key)
    if table == "default" and key in _DEFAULTS:
        return lambda value: _default(key, value)
    readers: dict[str, Reader] = {
        "type": items.type_item, "context": items.context_item, "resync": items.duration_item, "role": _role,
    }  # fmt: skip
    return readers.get(key)


def _default(key: str, value: object) -> object:
    if value == "":
        raise default_mistake(value, key, _DEFAULTS[key])
    return items.label_item(key, _DEFAULTS[key])(value)


def _role(value: object) -> object:
    if value in ("server", "client", "both"):
        return value
    raise role_mistake(value, "", named=True)


def _items(plain: str) -> list[str]:
    """What stands between the commas of a list, or between its blanks where it has no commas; or the one value."""
    inside = plain
    if plain[0] in "[({" and plain[-1] in "])}":
        inside = plain[1:-1]
    elif plain[0] in "[(":
        inside = plain[1:]
    elif plain[-1] in "])" and not re.search(r"[\[(]", plain):
        inside = plain[:-1]
    while inside.endswith("]") and inside.count("]") > inside.count("["):
        inside = inside[:-1]
    while inside.startswith("[") and inside.count("[") > inside.count("]"):
        inside = inside[1:]
    pieces = _split(inside, ",;")
    if len(pieces) == 1 and not re.search(r"[\"']", inside) and not re.search(r"\s-\s", inside):
        words = inside.split()
        if len(words) > 1 and (plain[0] in "[({" or all(re.match(r"[0-9]", word) for word in words)):
            return words
    if len(pieces) == 1 and len(quoted := re.findall(r"\"[^\"\\]*\"|'[^']*'", inside)) > 1:
        return quoted if not re.sub(r"\"[^\"\\]*\"|'[^']*'|\s", "", inside) else pieces
    return pieces


def _split(text: str, separators: str) -> list[str]:
    """At separators that are in no quotes."""
    pieces, start, quote = [], 0, ""
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in separators:
            pieces.append(text[start:index])
            start = index + 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def _scalar(item: str) -> tuple[object, str]:
    """What one value must be, and what is wrong with it, if anything is."""
    try:
        value = tomllib.loads(f"x = {item}")["x"] if "\n" not in item else None
        if isinstance(value, str | int):
            return value, ""
        if isinstance(value, float) and re.fullmatch(r"[-+]?[0-9_]+(\.[0-9]+)?", item):
            return item, f"{item} goes in quotes"
    except (tomllib.TOMLDecodeError, ValueError):
        pass
    if re.fullmatch(r"0[0-9]{1,8}", item):
        return int(item), f"{item} has zeros before the number"
    if len(item) > 1 and item[0] == item[-1] == '"' and "\\" in item:
        return item[1:-1], "a backslash in double quotes begins an escape; single quotes take it as it is"
    bare = item.strip("\"'")
    if bare != item:
        return bare, "quotes do not match"
    if item.lower() in _WORDS_OF_OTHERS:
        return item, f"{item} is not a TOML value"
    if re.fullmatch(r"[0-9]{1,5}\s*[-:]\s*[0-9]{1,5}", item):
        return item, f"{item} is a range, and ranges go in quotes"
    return item, f"{item} goes in quotes"
