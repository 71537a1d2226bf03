# SPDX-License-Identifier: GPL-2.0-or-later
"""What the loading process can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secmarkd.compiler.loaded import Loaded
from secmarkd.model.label_map import Environment
from secmarkd.model.names import Name


@dataclass(frozen=True, slots=True)
class Load:
    """The request to load; answered by a Loaded."""

    dirs: tuple[str, ...]
    known: Mapping[Name, int]
    starting: bool


@dataclass(frozen=True, slots=True)
class LookUp:
    """The request to look names up; answered by a Found."""

    names: frozenset[Name]
    patience: float


@dataclass(frozen=True, slots=True)
class Recompile:
    """The request to compile the label map of `loaded` for another environment; answered by a Loaded."""

    loaded: Loaded
    environment: Environment
