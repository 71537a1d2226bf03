# SPDX-License-Identifier: GPL-2.0-or-later
"""Which service manages this network namespace, for the verbs that need one."""

from __future__ import annotations

from pathlib import Path

from secmarkd.adapters.host.netns import inode
from secmarkd.adapters.run.lock import Holding, folder_of, holding
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.errors import SecmarkdError


class NotRunning(SecmarkdError):
    """No service is running."""


def locate(root: Path) -> tuple[Path, int | None]:
    """The directory of this network namespace's status; and the service's process if it manages another namespace."""
    here = inode()
    try:
        folder, found = folder_of(root, here), holding(root)
        pid, of = (found.pid, found) if found is not None else (0, None)
    except PermissionError:  # without root the lock cannot be read: rely on the status
        last = StatusFile(root).read()
        alive = last is not None and Path(f"/proc/{last.pid}").is_dir()
        of = Holding(last.pid, last.netns) if last is not None and alive else None
        pid = of.pid if of is not None else 0
        folder = root / f"netns-{here}" if of is not None and of.elsewhere(here) else root
    return folder, pid if of is not None and of.elsewhere(here) else None
