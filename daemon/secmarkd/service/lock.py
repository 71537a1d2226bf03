"""One writer at a time: a lock below /run that the service holds for life and secmarkctl for one pass."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from secmarkd.errors import SecmarkdError


class AlreadyRunning(SecmarkdError):
    """Somebody else holds the lock; `pid` is who, 0 where that is not known."""

    def __init__(self, message: str, *, pid: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class Lock:
    """`FOLDER/lock`, held until `release` or the end of this process. The file stays: removing it would let two in.

    Only its owner may open it: whoever can read a file can lock it, and so could keep the service from starting.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._descriptor = -1

    def acquire(self) -> None:
        """Take it without waiting. AlreadyRunning where somebody has it, SecmarkdError where the folder cannot be used."""
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            reason = f"cannot use {self._path}: {error.strerror}"
            raise SecmarkdError(reason, hint="run it as root, or name another place with --runtime-dir") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read_pid(descriptor)
            os.close(descriptor)
            who = f" (process {pid})" if pid else ""
            raise AlreadyRunning(f"another secmarkd{who} holds {self._path}", pid=pid) from None
        self._descriptor = descriptor
        with suppress(OSError):  # a full /run loses the number; the lock is what counts
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others in. Does nothing when it is not held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


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
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _read_pid(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else 0
