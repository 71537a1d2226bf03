# SPDX-License-Identifier: GPL-2.0-or-later
"""Implements ports.Loader with one child process for each request, which can be killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from secmarkd.adapters.loading.question import Question
from secmarkd.adapters.loading.requests import Load, Recompile
from secmarkd.compiler.loaded import NOTHING_KNOWN, Loaded
from secmarkd.model.label_map import Environment
from secmarkd.model.names import Name
from secmarkd.table.table import Table

_MEMORY = "100,000 selectors take some 100 MB while they are loaded; raise the memory limit, or write ranges of ports"
_TAKES_QUESTION = 30.0
"""Seconds for a process to start and take a label map of 100,000 selectors, some 200 KB; a tenth of one is usual."""


class ChildLoader:
    """See ports.Loader. One at a time."""

    def __init__(self, dirs: Sequence[str]) -> None:
        """`dirs` as in `load`."""
        self._dirs = tuple(dirs)
        self._question = Question("the loading process", "load", memory_hint=_MEMORY)

    @property
    def pid(self) -> int | None:
        """The process that loads; None while there is none."""
        return self._question.pid

    def fileno(self) -> int:
        """See ports.Loader."""
        return self._question.fileno()

    def begin_load(self, known: Mapping[Name, int] = NOTHING_KNOWN, *, starting: bool = False) -> None:
        """See ports.Loader."""
        self._question.begin(Load(self._dirs, dict(known), starting))

    def begin_recompile(self, loaded: Loaded, environment: Environment) -> None:
        """See ports.Loader."""
        self._question.begin(Recompile(replace(loaded, table=Table()), environment), _TAKES_QUESTION)

    def take(self) -> Loaded | None:
        """See ports.Loader."""
        answer = self._question.take()
        assert answer is None or isinstance(answer, Loaded)
        return answer

    def abandon(self) -> None:
        """See ports.Loader."""
        self._question.abandon()

    def close(self) -> None:
        """See ports.Loader."""
        self._question.close()
