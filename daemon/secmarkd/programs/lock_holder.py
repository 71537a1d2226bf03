# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock below /run for the verbs: held by the service, by one that is stopping, or by another secmarkctl."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from secmarkd.adapters.host.netns import inode
from secmarkd.adapters.run.lock import AlreadyRunning, folder_of, held
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.errors import SecmarkdError
from secmarkd.service.status import State, Status


class Holder(Enum):
    """What the process is that holds the lock."""

    SERVICE = auto()
    ENDING = auto()
    """The service, which is stopping."""
    SECMARKCTL = auto()


def classify(pid: int, last: Status | None) -> Holder:
    """What the lock's process is, by the status that the service published last."""
    if last is None or last.pid != pid:
        return Holder.SECMARKCTL
    return Holder.ENDING if last.state is State.STOPPED else Holder.SERVICE


def busy_error(pid: int) -> AlreadyRunning:
    """The error when another secmarkctl holds the lock."""
    process = f" (process {pid})" if pid else ""
    return AlreadyRunning(f"another secmarkctl is running{process}", pid=pid, hint="try again when it has finished")


@contextmanager
def exclusive_lock(folder: Path, instead: str) -> Iterator[None]:
    """Hold the lock, so that no service undoes or repeats what is done here; `instead`: the command for a running service.

    SIGHUP is ignored meanwhile: a closed terminal, or a reload that is sent to the wrong process, must not end it between
    two transactions.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held(folder):
            yield
    except AlreadyRunning as error:
        raise _refused(folder_of(folder, inode()), error.pid, instead) from None
    finally:
        signal.signal(signal.SIGHUP, before)


def _refused(folder: Path, pid: int, instead: str) -> AlreadyRunning:
    try:
        last = StatusFile(folder).read()
    except SecmarkdError as error:
        who_holds = f"process {pid}" if pid else "a process"
        return AlreadyRunning(f"{who_holds} holds {folder}/lock, and {error}", pid=pid, hint=error.hint)
    match classify(pid, last) if pid else Holder.SERVICE:
        case Holder.SECMARKCTL:
            return busy_error(pid)
        case Holder.ENDING:
            return AlreadyRunning(f"the service is stopping (process {pid})", pid=pid, hint="try again")
        case Holder.SERVICE:
            process = f" (process {pid})" if pid else ""
            message = f"the service is running{process} and manages the labels itself"
            return AlreadyRunning(message, pid=pid, hint=f"use `{instead}`")
