# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of cgroups that come and go: inotify(7) on the folders where they would be.

systemd makes a unit's cgroup by mkdir and removes it by rmdir when the unit has stopped; both are told for the folder
around it (fsnotify_mkdir, fsnotify_rmdir in fs/namei.c). That a process entered one is not told, and need not be.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection

from secmarkd.adapters.host import inotify
from secmarkd.adapters.host.cgroups import ROOT
from secmarkd.adapters.host.inotify import Inotify
from secmarkd.ports import CgroupNews


class CgroupEvents:
    """Implements ports.CgroupEvents. OSError where the kernel refuses another inotify instance."""

    def __init__(self, root: str = ROOT) -> None:
        self._root = root
        self._inotify = Inotify()
        self._followed: frozenset[str] = frozenset()
        """The cgroups and all that they are in, without the root."""
        self._folders: dict[int, str] = {}
        """Watched, by their descriptors."""

    def fileno(self) -> int:
        """See ports.CgroupEvents."""
        return self._inotify.fileno()

    def follow(self, cgroups: Collection[str]) -> None:
        """See ports.CgroupEvents."""
        self._followed = frozenset(each for path in cgroups for each in _with_parents(path))
        around = {os.path.dirname(each) for each in self._followed}
        for descriptor in [number for number, folder in self._folders.items() if folder not in around]:
            del self._folders[descriptor]
            self._inotify.forget(descriptor)
        self._watch(around)

    def take(self) -> CgroupNews:
        """See ports.CgroupEvents."""
        came = went = False
        for event in self._inotify.take():
            folder = self._folders.get(event.watch)
            path = None if folder is None else os.path.join(folder, event.name)
            concerned = path in self._followed or bool(event.mask & inotify.OVERFLOW)
            came = came or (concerned and bool(event.mask & (inotify.CREATED | inotify.OVERFLOW)))
            went = went or (concerned and bool(event.mask & inotify.DELETED))
            if event.mask & inotify.IGNORED:
                self._folders.pop(event.watch, None)
        if came:
            with contextlib.suppress(OSError):  # told when this began to be followed
                self._watch({os.path.dirname(each) for each in self._followed})
        return CgroupNews(came, went)

    def close(self) -> None:
        """See ports.CgroupEvents."""
        self._inotify.close()

    def _watch(self, folders: Collection[str]) -> None:
        """Once more is no harm: what is watched keeps its descriptor. What is not there yet is made in a folder that is.
        From the outermost: what is made meanwhile in one that is watched is told. OSError after all that could be watched.
        """
        refused = None
        for folder in sorted(folders):
            path = os.path.join(self._root, folder)
            try:
                self._folders[self._inotify.watch(path, inotify.CREATED | inotify.DELETED)] = folder
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    refused = error
        if refused is not None:
            raise refused


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
