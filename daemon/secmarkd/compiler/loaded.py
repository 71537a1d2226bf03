# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration that was loaded and compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from secmarkd.errors import Problem
from secmarkd.model.forwarded import Forwarded
from secmarkd.model.label_map import Environment, Settings
from secmarkd.model.names import Name
from secmarkd.model.note import Note
from secmarkd.model.sources import LabelSource, Mention, SettingSource
from secmarkd.table.table import Table

NOTHING_KNOWN: Mapping[Name, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that was loaded and compiled without a mistake."""

    settings: Settings
    table: Table
    environment: Environment
    """What it was compiled for."""
    label_count: int
    origins: Mapping[str, str]
    """Where each context is written first."""
    cgroups: frozenset[str]
    """Those that the label map names."""
    names: frozenset[Name] = frozenset()
    """Those that the label map needs numbers for. `environment` has the numbers of those that have one."""
    missing: Mapping[Name, str] = field(default_factory=dict)
    """Why the others have none, and the fix."""
    unanswered: frozenset[Name] = frozenset()
    """The names of which nobody could say whether they exist, whatever `environment` has of them."""
    contradicting: tuple[Problem, ...] = ()
    """What by the numbers of names alone contradicts itself; the rules of these names are left out of the table."""
    mentions: tuple[Mention, ...] = ()
    """Where the label map names what it may have to wait for; in secmarkctl interfaces and local addresses as well."""
    packed: bytes = b""
    """The label map, for Loader.recompile."""
    label_sources: tuple[LabelSource, ...] = ()
    """By name. Empty in the service, which needs no more than `origins`; so are those of the settings."""
    setting_sources: tuple[SettingSource, ...] = ()
    notes: tuple[Note, ...] = ()
    """What the files and directories give reason to say."""
    forwarded: tuple[Forwarded, ...] = ()
    """The contexts that forwarded packets get."""
