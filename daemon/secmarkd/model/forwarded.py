# SPDX-License-Identifier: GPL-2.0-or-later
"""The contexts that a configuration gives to forwarded packets: SELinux asks another question of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secmarkd.model.label_map import LabelMap, Origin, Role
from secmarkd.model.sources import SettingSource

DEFAULT = "default.forward"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A context that the configuration gives to forwarded packets."""

    context: str
    origin: Origin
    """Where it is first written, or asked for."""

    @property
    def is_default(self) -> bool:
        """Whether every forwarded packet has it that no label names."""
        return self.origin.key == DEFAULT


def forwarded_by(label_map: LabelMap, settings: Iterable[SettingSource]) -> tuple[Forwarded, ...]:
    """All contexts of forwarded packets, each once; that of `[default]` first."""
    found: list[Forwarded] = []
    if label_map.defaults.forward is not None:
        origin = next((each.origin for each in settings if each.key == DEFAULT), None)
        found.append(Forwarded(str(label_map.defaults.forward), origin or Origin("", 0, DEFAULT)))
    first: dict[str, Origin] = {}
    for rule in label_map.rules:
        if rule.role is Role.FORWARD:
            first.setdefault(str(rule.context), rule.origin)
    return (*found, *(Forwarded(context, origin) for context, origin in first.items()))
