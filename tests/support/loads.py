# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits for what `ports.Loader` has begun, where a test has nothing else to do."""

from __future__ import annotations

import select

from secmarkd.adapters.loading.loader import ChildLoader
from secmarkd.compiler.loaded import Loaded

PATIENCE = 120.0
"""Seconds."""


def answer(loader: ChildLoader) -> Loaded:
    """The answer to what was begun; what that is, where it is an error."""
    while (loaded := loader.take()) is None:
        if not select.select([loader.fileno()], [], [], PATIENCE)[0]:
            raise TimeoutError("the loading process does not answer")
    return loaded


def load(*dirs: str) -> Loaded:
    """What a service with these directories loads."""
    loader = ChildLoader(dirs)
    try:
        loader.begin_load()
        return answer(loader)
    finally:
        loader.close()
