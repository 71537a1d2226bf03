"""The process that holds libnftables: it reads, decodes, encodes and commits, so that only packed values leave it.

A rule that another program wrote can crash libnftables, a busy ruleset can hold it up for seconds, and a read of 100,000
elements takes some hundred megabytes; here all of this ends with a process. Run by `kernel.nft.LibNft`.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from secmarkd.errors import CapabilityMissing, Conflict, KernelError, NotSupported, SelinuxInactive, StateUnknown
from secmarkd.kernel.netlink_gen import Netlink
from secmarkd.kernel.nft_errors import Refusal, kernel_error, no_nftables, no_ownership, no_permission, refusal
from secmarkd.kernel.serving import Final, serve
from secmarkd.ruleset.decode import decode
from secmarkd.ruleset.decode_statement import with_cgroup_levels
from secmarkd.ruleset.encode import encode
from secmarkd.ruleset.table import FAMILY, NAME, Chain, Key, Match, Table
from secmarkd.ruleset.transaction import Rebuild, Replace, Transaction

if TYPE_CHECKING:
    from nftables import Nftables

PROCESS_NAME = "secmarkd-nft"
"""What `nft monitor` shows as the author of our transactions."""

_ATTEMPTS = 8
"""Readings of a table that comes and goes, or that others change meanwhile, before giving up."""
_LONG_READ = 0.2
"""Seconds. A longer read is not repeated because something changed: libnftables has itself taken care to begin anew when
the generation moved, and under steady writing by others no long read would ever find the ruleset still."""
_BUSY = (errno.EAGAIN, errno.EINTR)
_BUSY_RETRIES = 5
_BY_FILE = 1 << 16
"""Characters. Longer texts are given to libnftables in memory, which takes 0.71 s instead of 0.89 s for 100,000 elements
(1.0.6); shorter ones in a file, because only then do errors name the line."""
_GROWTH_BYTES = 5 << 20
"""A worker that after an answer holds so much more memory than at its start ends. libnftables itself takes 1.5 MiB; after
10,000 elements some 3 MiB stay, after 100,000 some 6 MiB."""
_CAP_NET_ADMIN = 12
_HERE = f"{FAMILY} {NAME}"
_CGROUP_LEVEL = re.compile(r"socket cgroupv2 level (\d+)")
_PART = re.compile(r"^\t((?:ct )?[a-z]+) (\S+) \{", re.MULTILINE)
"""The head of a part of a table in nft's text listing."""
_OUR_PARTS = ("chain", "map", "counter", "secmark")


@dataclass(frozen=True, slots=True)
class Read:
    """Ask for the table: answered by a Table, or None when it is known to be absent."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Ask to carry out a transaction, or with `dry` to have it validated only: answered by None."""

    transaction: Transaction
    dry: bool = False


class Worker:
    """libnftables in one network namespace."""

    def __init__(self) -> None:
        self._start_bytes = _held_bytes()
        self._netlink: Netlink | None = None
        self._owner: Nftables | None = None
        """The context whose socket owns the table, once a table with the flag `owner` was committed."""

    def handle(self, request: Read | Commit) -> object:
        """Answer one request; Final when too much memory is still held afterwards."""
        answer: Table | None = None
        if isinstance(request, Read):
            answer = self._read()
        else:
            self._commit(request)
        return Final(answer) if self._owner is None and self._grown() else answer

    def _grown(self) -> bool:
        """Whether too much memory is held even after everything free was given back to the kernel."""
        limit = self._start_bytes + _GROWTH_BYTES
        if _held_bytes() <= limit:
            return False
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return _held_bytes() > limit

    # --- reading ---

    def _read(self) -> Table | None:
        table = None
        with typed_errors("read"):
            netlink = self._connected()
            for _ in range(_ATTEMPTS):
                generation, start = netlink.generation(), time.monotonic()
                flags = netlink.table_flags(NAME)
                table = None if flags is None else self._table(flags)
                still = netlink.generation() == generation
                if still and table is None and flags is not None:
                    raise StateUnknown("libnftables does not find the table that is there", operation="read")
                if still or (table is not None and time.monotonic() - start > _LONG_READ):
                    return table
        if table is None:
            raise StateUnknown("the ruleset changes too fast to be read", operation="read")
        return table

    def _connected(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink()
        return self._netlink

    def _table(self, flags: tuple[str, ...]) -> Table | None:
        """The table, by a context of its own: libnftables takes an old state for the present one when 65,536
        transactions lie between (it compares 16 bits), and keeps all that it has read. None when it is not there."""
        nft = _context()
        listing = _listing(nft, in_parts=bool(flags))
        if listing is None:
            return None
        try:
            table = decode(listing, flags=flags)
        except ValueError as error:
            raise StateUnknown(
                f"libnftables listed the table as nobody can read it: {error}", operation="read"
            ) from error
        return replace(table, chains=tuple(_with_levels(nft, each) for each in table.chains))

    # --- writing ---

    def _commit(self, request: Commit) -> None:
        operation = "check" if request.dry else "commit"
        refused = None
        with typed_errors(operation):
            flags = self._connected().table_flags(NAME)
            commands = encode(request.transaction, table_present=bool(flags))
            nft = self._owner or _context()
            for attempt in range(_BUSY_RETRIES + 1):
                refused = _run(nft, commands, dry=request.dry)
                if refused is None or refused.number not in _BUSY:
                    break
                time.sleep(0.001 * 2**attempt)
        if refused is not None:
            error = kernel_error(operation, refused, capable=_capable())
            owning = any(isinstance(each, Replace) and each.table.flags for each in request.transaction)
            if owning and isinstance(error, NotSupported) and refused.command.startswith("add table"):
                raise no_ownership(operation) from error
            rebuilding = any(isinstance(each, Rebuild) for each in request.transaction)
            if rebuilding and refused.number == errno.ENOENT and not isinstance(error, SelinuxInactive):
                raise Conflict("the table is not as it was read", operation=operation) from error
            raise error
        if not request.dry:
            self._keep_owner(nft, request.transaction)

    def _keep_owner(self, nft: Nftables, transaction: Transaction) -> None:
        for command in transaction:
            if isinstance(command, Replace):
                self._owner = nft if "owner" in command.table.flags else None


@contextmanager
def typed_errors(operation: str) -> Iterator[None]:
    """Errors of a netlink socket as typed ones."""
    try:
        yield
    except PermissionError as error:
        raise no_permission(operation, owned=_capable()) from error
    except TimeoutError as error:
        raise StateUnknown("the kernel does not answer", operation=operation) from error
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EPROTONOSUPPORT):
            raise no_nftables(operation, error) from error
        raise KernelError(f"netlink failed: {error.strerror}", operation=operation) from error


def _context() -> Nftables:
    """A new context of libnftables, with nothing by name that a file in /etc could name otherwise."""
    try:
        from nftables import Nftables
    except ImportError as error:
        raise CapabilityMissing("Python's module nftables is missing", hint="apt install python3-nftables") from error
    try:
        nft = Nftables()
    except OSError as error:
        raise CapabilityMissing(f"libnftables cannot be loaded: {error}", hint="apt install libnftables1") from error
    nft.set_numeric_proto_output(True)
    nft.set_stateless_output(True)
    return nft


def _run(nft: Nftables, commands: str, *, dry: bool) -> Refusal | None:
    """Carry out commands as one transaction, or only validate them; what was refused, or None."""
    if len(commands) < _BY_FILE:
        return _run_file(nft, commands, dry=dry)
    nft.set_dry_run(dry)
    status, _, said = nft.cmd(commands.encode())
    if status == 0:
        return None
    # Once more, without effect, for the place of the error.
    return _run_file(nft, commands, dry=True) or refusal(said.decode(errors="replace"))


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


def _listing(nft: Nftables, *, in_parts: bool) -> list[Any] | None:
    """The entries of the table's listing; None when there is no table.

    In parts for a table with flags: before 1.1.0 libnftables frees these too early and breaks the listing of the table
    as a whole (fixed by b04512cf).
    """
    if not in_parts:
        return _entries(nft, f"list table {_HERE}")
    nft.set_terse_output(True)
    try:
        status, heads, said = nft.cmd(f"list table {_HERE}".encode())
    finally:
        nft.set_terse_output(False)
    if status != 0:
        _require_absence(refusal(said.decode(errors="replace")))
        return None
    entries: list[Any] = [{"table": {"family": FAMILY, "name": NAME}}]
    for kind, name in _PART.findall(heads.decode(errors="surrogateescape")):
        part: list[Any] | None = [{kind: {"family": FAMILY, "table": NAME, "name": name}}]
        if kind in _OUR_PARTS:
            part = _entries(nft, f"list {kind} {_HERE} {name}")
        if part is None:
            return None
        entries += part
    return entries


def _entries(nft: Nftables, command: str) -> list[Any] | None:
    nft.set_json_output(True)
    try:
        status, output, said = nft.cmd(command.encode(errors="surrogateescape"))
    finally:
        nft.set_json_output(False)
    if status != 0:
        _require_absence(refusal(said.decode(errors="replace")))
        return None
    try:
        listing = json.loads(output)
    except ValueError as error:
        raise StateUnknown(f"libnftables answered with broken JSON: {error}", operation="read") from error
    entries = listing.get("nftables") if isinstance(listing, dict) else None
    return entries if isinstance(entries, list) else []


def _require_absence(refused: Refusal) -> None:
    """Return where libnftables says that there is no such thing; raise for every other refusal."""
    if refused.number == errno.EPERM:
        raise no_permission("read", owned=False)
    if refused.number != errno.ENOENT:
        raise StateUnknown(f"libnftables cannot read the table: {refused.reason}", operation="read")


def _with_levels(nft: Nftables, chain: Chain) -> Chain:
    """The chain with its cgroup matches checked against nft's text, the only listing that has their levels."""
    if not any(isinstance(each, Match) and each.key is Key.CGROUP for rule in chain.rules for each in rule):
        return chain
    _, text, _ = nft.cmd(f"list chain {_HERE} {chain.name}")
    return with_cgroup_levels(chain, [int(level) for level in _CGROUP_LEVEL.findall(text)])


def _capable() -> bool:
    """Whether this process has CAP_NET_ADMIN."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_NET_ADMIN & 1)


def _held_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Serve until the daemon closes the connection."""
    serve(Worker().handle, process_name=PROCESS_NAME)
