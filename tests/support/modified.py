# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a file to be written, without looking again and again."""

from __future__ import annotations

import ctypes
import os
import select
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_IN_MODIFY = 0x2
_libc = ctypes.CDLL(None, use_errno=True)


class Modified:
    """inotify(7) on one file, which must exist. What is written after this was made ends the next `wait`."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_CLOEXEC))
        try:
            _checked(_libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_MODIFY))
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def wait(self, end: float) -> bool:
        """Until it is written, or time.monotonic() is `end`; whether it was written."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, end - time.monotonic()))
        if ready:
            os.read(self._descriptor, 65536)
        return bool(ready)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
