# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in our table and is not ours, as values that are the same at every reading."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from secmarkd.table.table import Foreign

Json = Any
"""What json.loads gives."""


def dump(value: Json) -> str:
    """JSON with sorted keys."""
    return json.dumps(value, sort_keys=True)


def foreign(what: str, name: str, value: Json) -> Foreign:
    """A foreign thing from nft's JSON of it."""
    return Foreign(what, name, dump(_lasting(value)))


def ordered(things: Iterable[Foreign]) -> tuple[Foreign, ...]:
    """In the order that Table has them in."""
    return tuple(sorted(things, key=lambda each: (each.what, each.name, each.text)))


def in_words(thing: Foreign) -> str:
    """The thing as people read it: an element as nft would list it, its protocols by number; anything else as it is."""
    if thing.what != "element":
        return thing.text
    key, target = json.loads(thing.text)
    extra: dict[str, Json] = {}
    if isinstance(key, dict) and "elem" in key:
        extra = {word: value for word, value in key["elem"].items() if word != "val"}
        key = key["elem"]["val"]
    said = [_key_words(key), *(f"{word} {dump(value)}" for word, value in extra.items())]
    said += [] if target is None else [":", target if isinstance(target, str) else dump(target)]
    return f"{{ {' '.join(said)} }}"


def _key_words(key: Json) -> str:
    match key:
        case {"concat": parts}:
            return " . ".join(map(_key_words, parts))
        case {"range": [low, high]}:
            return f"{_key_words(low)}-{_key_words(high)}"
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case str() | int():
            return str(key)
        case _:
            return dump(key)


def _lasting(value: Json) -> Json:
    """Without what runs on by itself."""
    if isinstance(value, dict):
        return {word: _lasting(each) for word, each in value.items() if word not in ("expires", "used")}
    return [_lasting(each) for each in value] if isinstance(value, list) else value
