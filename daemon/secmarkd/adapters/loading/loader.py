# SPDX-License-Identifier: GPL-2.0-or-later
"""Implements ports.Loader with one child process for each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from secmarkd.adapters.loading.requests import Load, Recompile
from secmarkd.compiler.loaded import NOTHING_KNOWN, Loaded
from secmarkd.model.label_map import Environment
from secmarkd.model.names import Name
from secmarkd.ports import LOAD_DEADLINE
from secmarkd.table.table import Table
from secmarkd.workers.parent import Child

_MEMORY = "100,000 selectors take some 100 MB while they are loaded; raise the memory limit, or write ranges of ports"


class ChildLoader:
    """Implements Loader with one child process for each request."""

    def __init__(self, dirs: Sequence[str]) -> None:
        """`dirs` as in `load`."""
        self._dirs = tuple(dirs)

    def load(self, known: Mapping[Name, int] = NOTHING_KNOWN, *, starting: bool = False) -> Loaded:
        """See Loader."""
        return _ask(Load(self._dirs, dict(known), starting))

    def recompile(self, loaded: Loaded, environment: Environment) -> Loaded:
        """See Loader."""
        return _ask(Recompile(replace(loaded, table=Table()), environment))


def _ask(request: Load | Recompile) -> Loaded:
    with Child("secmarkd.adapters.loading.process", "the loading process", memory_hint=_MEMORY) as child:
        answer = child.request(request, LOAD_DEADLINE, operation="load")
    assert isinstance(answer, Loaded)
    return answer
