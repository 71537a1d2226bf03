# SPDX-License-Identifier: GPL-2.0-or-later
"""An atomic rule, and the place where something is written, for people and for scripts."""

from __future__ import annotations

from typing import Any

from secmarkd.model.label_map import Origin, Rule
from secmarkd.model.protocols import protocol_name


def place(origin: Origin) -> str:
    """`FILE:LINE`."""
    return f"{origin.file}:{origin.line}"


def origin_json(origin: Origin) -> dict[str, Any]:
    """The place in its parts."""
    return {"file": origin.file, "line": origin.line, "key": origin.key}


def selectors(rule: Rule) -> str:
    """A rule's selectors in words: `tcp 443 remote 192.0.2.0/24 on eth0`."""
    words = [protocol_name(rule.protocol)] if rule.protocol is not None else []
    if rule.ports:
        low, high = rule.ports
        words.append(str(low) if low == high else f"{low}-{high}")
    elif rule.service:
        words.append(rule.service)
    user = rule.user if rule.user is not None else rule.user_name
    named = (("remote", rule.remote), ("local", rule.local), ("on", rule.interface), ("user", user))
    words += [f"{word} {value}" for word, value in (*named, ("cgroup", rule.cgroup)) if value is not None]
    return " ".join(words) or "everything"


def rule_json(rule: Rule) -> dict[str, Any]:
    """An atomic rule with its origin; selectors that are not given are left out."""
    given = {
        "protocol": protocol_name(rule.protocol) if rule.protocol is not None else None,
        "ports": list(rule.ports) if rule.ports else None,
        "remote": text_or_none(rule.remote), "local": text_or_none(rule.local), "interface": rule.interface,
        "user": rule.user, "cgroup": rule.cgroup, "user_name": rule.user_name, "service": rule.service,
    }  # fmt: skip
    return {
        "label": rule.label, "role": rule.role, "context": str(rule.context), "layer": rule.layer.name.lower(),
        **{key: value for key, value in given.items() if value is not None}, "origin": origin_json(rule.origin),
    }  # fmt: skip


def text_or_none(value: object) -> str | None:
    """As text, where there is something."""
    return None if value is None else str(value)
