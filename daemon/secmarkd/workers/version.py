# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the program on disk is still the one that runs.

A child process begins from the disk: after an upgrade it would be of the new version, and what crosses the pipe would mean
one thing to the parent and another to the child.
"""

from __future__ import annotations

import os

from secmarkd.errors import Upgraded

_FOLDER = os.path.dirname(os.path.dirname(__file__))


def require_unchanged() -> None:
    """Upgraded where a module of this program was changed, added or removed since this one was imported."""
    if _modules(_FOLDER) != _AT_START:
        raise Upgraded


def _modules(folder: str) -> frozenset[tuple[str, int, int]]:
    """Each with its time and size, by which Python itself tells whether byte code is of a source: a quarter of a
    millisecond. None where the program is in no folder (a zip file is not looked into)."""
    found: set[tuple[str, int, int]] = set()
    for path, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for file in (os.path.join(path, each) for each in files if each.endswith((".py", ".pyc"))):
            try:
                status = os.stat(file)
            except OSError:  # just being replaced
                found.add((file, 0, 0))
            else:
                found.add((file, status.st_mtime_ns, status.st_size))
    return frozenset(found)


_AT_START = _modules(_FOLDER)
