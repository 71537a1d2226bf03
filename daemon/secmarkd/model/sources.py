# SPDX-License-Identifier: GPL-2.0-or-later
"""Where labels and settings come from, for people. Known without pydantic, for who only passes it on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secmarkd.model.address import Prefix
from secmarkd.model.context import Context
from secmarkd.model.label_map import Layer, Origin, Role
from secmarkd.model.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """A label as it was written: where, as whom, and what it comes to."""

    name: str
    origin: Origin
    layer: Layer
    contexts: tuple[tuple[Role, Context], ...]
    rules: int
    """How many atomic rules of the label map are its own."""
    replaces: tuple[Origin, ...] = ()
    """Labels of the same name in lower folders, which this one stands for; the highest first."""


class Thing(StrEnum):
    """What is mentioned."""

    CGROUP = "cgroup"
    NAME = "name"
    INTERFACE = "interface"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Mention:
    """A thing of this machine that a label names: it may come and go, and what it is called may mean nothing here."""

    label: str
    thing: Thing
    value: str | Name | Prefix
    """A path, a name, a pattern of names or a network, as `thing` says."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class SettingSource:
    """A setting's value, and who gave it."""

    key: str
    """Dotted, as in `default.server`."""
    value: str | float | bool
    origin: Origin | None
    """None for the default, which no file says otherwise."""

    @property
    def table(self) -> str:
        """The table that it stands in; empty for those above all tables."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Within its table."""
        return self.key.rpartition(".")[2]
