# SPDX-License-Identifier: GPL-2.0-or-later
"""An atomic rule, and the place where something is written, for people and for scripts."""

from __future__ import annotations

from typing import Any

from secmarkd.model.label_map import Origin, Rule
from secmarkd.selectors.every import IN_WORDS


def place(origin: Origin) -> str:
    """`FILE:LINE`."""
    return f"{origin.file}:{origin.line}"


def origin_json(origin: Origin) -> dict[str, Any]:
    """The place in its parts."""
    return {"file": origin.file, "line": origin.line, "key": origin.key}


def selectors(rule: Rule) -> str:
    """A rule's selectors in words: `tcp 443 remote 192.0.2.0/24 on eth0`."""
    return " ".join(each.words(rule) for each in IN_WORDS if each.given(rule)) or "everything"


def rule_json(rule: Rule) -> dict[str, Any]:
    """An atomic rule with its origin; selectors that are not given are left out."""
    given = {each.fields[0]: each.json(rule) for each in IN_WORDS}
    names = {name: getattr(rule, name) for each in IN_WORDS for name in each.fields[1:]}
    return {
        "label": rule.label, "role": rule.role, "context": str(rule.context), "layer": rule.layer.name.lower(),
        **{key: value for key, value in (given | names).items() if value is not None}, "origin": origin_json(rule.origin),
    }  # fmt: skip


def text_or_none(value: object) -> str | None:
    """As text, where there is something."""
    return None if value is None else str(value)
