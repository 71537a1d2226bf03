"""Errors of a netlink socket as typed ones, for every process that has such a socket."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from secmarkd.errors import KernelError, StateUnknown
from secmarkd.kernel.nft_errors import no_nftables, no_permission

_CAP_NET_ADMIN = 12


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


def capable() -> bool:
    """Whether this process has CAP_NET_ADMIN."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_NET_ADMIN & 1)
