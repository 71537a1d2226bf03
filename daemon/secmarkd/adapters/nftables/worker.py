# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that holds libnftables: it encodes transactions and commits them.

A rule that another program wrote can crash libnftables, and a busy ruleset can hold it up for seconds; here this ends with
a process. Run by `adapters.nftables.port.LibNft`.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import time
from typing import TYPE_CHECKING

from secmarkd.adapters.host.cgroups import inode
from secmarkd.adapters.netlink.errors import Refusal, capable, kernel_error, no_ownership, typed_errors
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables.errors import refusal
from secmarkd.adapters.nftables.library import open_context
from secmarkd.adapters.nftables.requests import Commit
from secmarkd.errors import CgroupMissing, Conflict, KernelError, NotSupported, SelinuxInactive
from secmarkd.nft.text import encode
from secmarkd.table.cgroups import cgroups_of
from secmarkd.table.table import NAME
from secmarkd.table.transaction import WRITER_PROCESS, Adopt, Rebuild, Replace, Transaction
from secmarkd.workers import trace
from secmarkd.workers.child import Final, serve
from secmarkd.workers.privileges import CAP_SYS_PTRACE, give_up

if TYPE_CHECKING:
    from nftables import Nftables

_BUSY = (errno.EAGAIN, errno.EINTR)
_BUSY_RETRIES = 5
_BY_FILE = 1 << 16
"""Characters. Longer texts are given to libnftables in memory, which takes 0.71 s instead of 0.89 s for 100,000 elements
(1.0.6); shorter ones in a file, because only then do errors name the line."""
_GROWTH_BYTES = 5 << 20
"""A worker that after an answer holds so much more memory than at its start ends. libnftables itself takes 1.5 MiB; after
10,000 elements some 3 MiB stay, after 100,000 some 6 MiB."""


class Worker:
    """libnftables in one network namespace."""

    def __init__(self) -> None:
        self._start_bytes = _held_bytes()
        self._netlink: Netlink | None = None
        self._owner: Nftables | None = None
        """The context whose socket owns the table, once a table with the flag `owner` was committed."""

    def handle(self, request: Commit) -> object:
        """Answer one request; Final when too much memory is still held afterwards."""
        self._commit(request)
        return Final(None) if self._owner is None and self._grown() else None

    def _grown(self) -> bool:
        """Whether too much memory is held even after everything free was given back to the kernel."""
        limit = self._start_bytes + _GROWTH_BYTES
        if _held_bytes() <= limit:
            return False
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return _held_bytes() > limit

    def _commit(self, request: Commit) -> None:
        operation = "check" if request.dry else "commit"
        refused = None
        with typed_errors(operation):
            flags = self._connected().table_flags(NAME)
            _require_cgroups(request.transaction)
            commands = encode(request.transaction, table_present=bool(flags))
            trace.trace("nft", commands)
            nft = self._owner or open_context()
            for attempt in range(_BUSY_RETRIES + 1):
                refused = _run(nft, commands, dry=request.dry)
                if refused is None or refused.number not in _BUSY:
                    break
                time.sleep(0.001 * 2**attempt)
        if refused is not None:
            trace.trace("nft", f"refused: {refused}")
            raise _error(operation, refused, request.transaction)
        if not request.dry:
            self._keep_owner(nft, request.transaction)

    def _connected(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink()
        return self._netlink

    def _keep_owner(self, nft: Nftables, transaction: Transaction) -> None:
        for command in transaction:
            if isinstance(command, Replace):
                self._owner = nft if "owner" in command.table.flags else None
            elif isinstance(command, Adopt):
                self._owner = nft


def _require_cgroups(transaction: Transaction) -> None:
    """CgroupMissing where a cgroup is not the one that the labels were compiled for: nft would look for its path, and find
    another one of that name."""
    for command in transaction:
        match command:
            case Replace(table):
                chains = table.chains
            case Rebuild(rules=rules):
                chains = rules
            case _:
                continue
        for cgroup in set(cgroups_of(chains)):
            if inode(cgroup.path) != cgroup.inode:
                hint = "a unit ended at this very moment; try again"
                message = f"cgroup {cgroup.path} is not the one that the labels were compiled for"
                raise CgroupMissing(message, operation="commit", offender=cgroup.path, hint=hint)


def _error(operation: str, refused: Refusal, transaction: Transaction) -> KernelError:
    """The typed error for a refused transaction."""
    error = kernel_error(operation, refused, capable=capable())
    conflict = Conflict("the table is not as it was read", operation=operation)
    if isinstance(error, NotSupported) and refused.command.startswith("add table"):
        if any(isinstance(each, Adopt) for each in transaction):
            return conflict
        if any(isinstance(each, Replace) and each.table.flags for each in transaction):
            return no_ownership(operation)
    rebuilding = any(isinstance(each, Rebuild) for each in transaction)
    if rebuilding and refused.number == errno.ENOENT and not isinstance(error, SelinuxInactive):
        return conflict
    return error


def _run(nft: Nftables, commands: str, *, dry: bool) -> Refusal | None:
    """Carry out commands as one transaction, or only validate them; what was refused, or None."""
    if len(commands) < _BY_FILE:
        return _run_file(nft, commands, dry=dry)
    nft.set_dry_run(dry)
    status, _, said = nft.cmd(commands.encode())
    if status == 0:
        return None
    refused = refusal(said.decode(errors="replace"))
    if refused.number == errno.EMSGSIZE:
        return refused
    # Once more, without effect, for the place of the error.
    return _run_file(nft, commands, dry=True) or refused


def _run_file(nft: Nftables, commands: str, *, dry: bool) -> Refusal | None:
    nft.set_dry_run(dry)
    file = os.memfd_create("secmarkd")
    try:
        with open(file, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(commands)
        status, _, said = nft.cmd_from_file(f"/proc/self/fd/{file}".encode())
    finally:
        os.close(file)
    return None if status == 0 else refusal(said.decode(errors="replace"), commands)


def _held_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Serve until the daemon closes the connection."""
    give_up(CAP_SYS_PTRACE)
    serve(Worker().handle, process_name=WRITER_PROCESS)
