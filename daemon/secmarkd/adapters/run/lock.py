# SPDX-License-Identifier: GPL-2.0-or-later
"""One writer at a time in a network namespace: a lock below /run, the service's for life and secmarkctl's for one pass.

Another network namespace is another host: its writers have a lock and a status of their own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from secmarkd.adapters.host.netns import inode
from secmarkd.errors import SecmarkdError


class AlreadyRunning(SecmarkdError):
    """Somebody else holds the lock; `pid` is who, 0 where that is not known."""

    def __init__(self, message: str, *, pid: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a lock."""

    pid: int
    """0 where it left no number."""
    netns: int
    """The number of its network namespace; 0 where it left none."""

    def elsewhere(self, here: int) -> bool:
        """Whether that is known to be another network namespace than `here`."""
        return 0 not in (self.netns, here) and self.netns != here


class Lock:
    """A lock of this network namespace, held until `release` or the end of this process: `FOLDER/lock`, or
    `FOLDER/netns-NUMBER/lock` where somebody of another namespace holds that.

    The files stay: removing one would let two in. Only their owner may open them: whoever can read a file can lock it, and
    so could keep the service from starting.
    """

    def __init__(self, folder: Path, here: int | None = None) -> None:
        """`here` is the number of the network namespace."""
        self._root = folder
        self._here = inode() if here is None else here
        self._descriptor = -1
        self.folder = folder
        """Where the lock is, and the status belongs, once it is held."""

    def acquire(self) -> None:
        """Take it without waiting. AlreadyRunning where somebody has it, SecmarkdError where the folder cannot be used.

        Who takes one of the two files looks at the other afterwards: of two of one namespace the later sees the earlier.
        """
        root, beside = self._root, self._root / f"netns-{self._here}"
        other = beside
        try:
            self._take(root)
        except AlreadyRunning:
            found = holding(root)
            if found is None or not found.elsewhere(self._here):
                raise
            self._take(beside)
            other = root
        found = holding(other)
        if found is not None and not found.elsewhere(self._here):
            self.release()
            raise _taken(other, found.pid)

    def stands(self) -> bool:
        """Whether the file that this holds is still the one that others would try."""
        try:
            there, ours = os.stat(self.folder / "lock"), os.fstat(self._descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def take_again(self) -> None:
        """Hold the file that others would try now, after somebody has removed or replaced the one that this holds. What is
        held is kept until then. Errors as of `acquire`."""
        other = Lock(self._root, self._here)
        other.acquire()
        self.release()
        self._descriptor, self.folder = other._descriptor, other.folder

    def _take(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            reason = f"cannot use {path}: {error.strerror}"
            raise SecmarkdError(reason, hint="run it as root, or name another place with --runtime-dir") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read(descriptor).pid
            os.close(descriptor)
            raise _taken(folder, pid) from None
        self._descriptor, self.folder = descriptor, folder
        with suppress(OSError):  # a full /run loses the numbers; the lock is what counts
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {self._here}\n".encode(), 0)

    def release(self) -> None:
        """Let others in. Does nothing when it is not held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _taken(folder: Path, pid: int) -> AlreadyRunning:
    who = f" (process {pid})" if pid else ""
    return AlreadyRunning(f"another secmarkd{who} holds {folder / 'lock'}", pid=pid)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The lock for the length of a `with` block."""
    lock = Lock(folder)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def holder(folder: Path) -> int | None:
    """The process that holds the lock now, 0 where it left no number; None when nobody does.

    PermissionError for others than root.
    """
    found = holding(folder)
    return None if found is None else found.pid


def holding(folder: Path) -> Holding | None:
    """Who holds `FOLDER/lock` now. PermissionError as of `holder`."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def folder_of(folder: Path, here: int) -> Path:
    """Where lock and status of the network namespace `here` are: `folder`, or beside what another one has there.

    PermissionError as of `holder`.
    """
    found = holding(folder)
    beside = folder / f"netns-{here}"
    if found is not None:
        return beside if found.elsewhere(here) else folder
    return beside if holding(beside) is not None else folder


def _read(descriptor: int) -> Holding:
    words = os.pread(descriptor, 64, 0).split()
    pid, netns = (int(word) if word.isdigit() else 0 for word in (*words, b"", b"")[:2])
    return Holding(pid, netns)
