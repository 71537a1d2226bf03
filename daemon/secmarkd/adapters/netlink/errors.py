# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of a netlink socket as typed ones, for every process that has such a socket."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from secmarkd.adapters.nftables.errors import no_nftables, no_permission
from secmarkd.errors import Conflict, KernelError, StateUnknown, WorkerFailed
from secmarkd.workers.privileges import CAP_NET_ADMIN


@contextmanager
def typed_errors(operation: str) -> Iterator[None]:
    """KernelError and its kinds in the place of OSError."""
    try:
        yield
    except PermissionError as error:
        raise no_permission(operation, owned=capable()) from error
    except TimeoutError as error:
        raise StateUnknown("the kernel does not answer", operation=operation) from error
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EPROTONOSUPPORT):
            raise no_nftables(operation, error) from error
        raise KernelError(f"netlink failed: {error.strerror}", operation=operation) from error


def refused_batch(error: OSError) -> KernelError:
    """The typed error for changes of elements that were to be made at a certain generation."""
    operation = "commit"
    match error:
        case PermissionError():
            return no_permission(operation, owned=capable())
        case TimeoutError():
            return WorkerFailed("the kernel does not say whether it has changed the elements", operation=operation)
    reason = error.strerror
    if error.errno == errno.ERESTART:
        return Conflict("somebody has changed the ruleset meanwhile", operation=operation)
    if error.errno in (errno.ENOENT, errno.EEXIST, errno.EBUSY):
        return Conflict(f"the elements are not as was told: {reason}", operation=operation)
    return KernelError(f"nftables refused to change elements: {reason}", operation=operation)


def capable() -> bool:
    """Whether this process has CAP_NET_ADMIN; taken for granted where it has no descriptor left to look."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    except OSError:
        return True
    return bool(int(effective, 16) >> CAP_NET_ADMIN & 1)
