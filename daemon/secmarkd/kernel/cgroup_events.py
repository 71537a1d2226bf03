"""What the kernel tells of cgroups that come and go: inotify(7) on the folders where they would be.

systemd makes a unit's cgroup by mkdir and removes it by rmdir when the unit has stopped; both are told for the folder
around it (fsnotify_mkdir, fsnotify_rmdir in fs/namei.c). That a process entered one is not told, and need not be.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Collection

from secmarkd.kernel.cgroups import ROOT
from secmarkd.ports import CgroupNews

_IN_CREATE, _IN_DELETE, _IN_Q_OVERFLOW, _IN_IGNORED, _IN_ONLYDIR = 0x100, 0x200, 0x4000, 0x8000, 0x1000000
_EVENT = struct.Struct("iIII")
"""struct inotify_event: watch descriptor, mask, cookie, and the length of the name after it."""
_BYTES = 65536


class CgroupEvents:
    """Implements ports.CgroupEvents. OSError where the kernel refuses another inotify instance."""

    def __init__(self, root: str = ROOT) -> None:
        self._root = root
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._file < 0:
            raise _error()
        self._followed: frozenset[str] = frozenset()
        """The cgroups and all that they are in, without the root."""
        self._folders: dict[int, str] = {}
        """Watched, by their descriptors."""

    def fileno(self) -> int:
        """See ports.CgroupEvents."""
        return self._file

    def follow(self, cgroups: Collection[str]) -> None:
        """See ports.CgroupEvents."""
        self._followed = frozenset(each for path in cgroups for each in _with_parents(path))
        around = {os.path.dirname(each) for each in self._followed}
        for descriptor in [number for number, folder in self._folders.items() if folder not in around]:
            del self._folders[descriptor]
            self._libc.inotify_rm_watch(self._file, descriptor)
        self._watch(around)

    def take(self) -> CgroupNews:
        """See ports.CgroupEvents."""
        came = went = False
        while events := self._read():
            for descriptor, mask, name in events:
                folder = self._folders.get(descriptor)
                path = None if folder is None else os.path.join(folder, name)
                concerned = path in self._followed or bool(mask & _IN_Q_OVERFLOW)
                came = came or (concerned and bool(mask & (_IN_CREATE | _IN_Q_OVERFLOW)))
                went = went or (concerned and bool(mask & _IN_DELETE))
                if mask & _IN_IGNORED:
                    self._folders.pop(descriptor, None)
        if came:
            with contextlib.suppress(OSError):  # told when this began to be followed
                self._watch({os.path.dirname(each) for each in self._followed})
        return CgroupNews(came, went)

    def close(self) -> None:
        """See ports.CgroupEvents."""
        os.close(self._file)

    def _watch(self, folders: Collection[str]) -> None:
        """Once more is no harm: what is watched keeps its descriptor. What is not there yet is made in a folder that is.
        From the outermost: what is made meanwhile in one that is watched is told. OSError after all that could be watched.
        """
        refused = None
        for folder in sorted(folders):
            path = os.fsencode(os.path.join(self._root, folder))
            descriptor = self._libc.inotify_add_watch(self._file, path, _IN_CREATE | _IN_DELETE | _IN_ONLYDIR)
            if descriptor >= 0:
                self._folders[descriptor] = folder
            elif ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR):
                refused = _error()
        if refused is not None:
            raise refused

    def _read(self) -> list[tuple[int, int, str]]:
        try:
            data = os.read(self._file, _BYTES)
        except BlockingIOError:
            return []
        found, place = [], 0
        while place < len(data):
            descriptor, mask, _, length = _EVENT.unpack_from(data, place)
            place += _EVENT.size + length
            found.append((descriptor, mask, os.fsdecode(data[place - length : place].rstrip(b"\0"))))
        return found


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"inotify: {os.strerror(number)} ({errno.errorcode.get(number, number)})")
