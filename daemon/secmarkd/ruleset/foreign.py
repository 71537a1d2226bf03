"""What is in our table and is not ours, as values that are the same at every reading."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from secmarkd.ruleset.table import Foreign

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


def _lasting(value: Json) -> Json:
    """Without what runs on by itself."""
    if isinstance(value, dict):
        return {word: _lasting(each) for word, each in value.items() if word not in ("expires", "used")}
    return [_lasting(each) for each in value] if isinstance(value, list) else value
