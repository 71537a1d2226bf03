# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place where libnftables' English becomes typed errors, by what was tried and the kernel's errno.

libnftables says `FILE:LINE:FIRST-LAST: Error: Could not process rule: Invalid argument`; the line leads back to the command
and to the thing in it, because `nft.text` writes every thing on a line of its own.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from secmarkd.errors import (
    CgroupMissing,
    Conflict,
    ContextRejected,
    KernelError,
    ModuleMissing,
    NotSupported,
    PermissionMissing,
    RelabelDenied,
    SelinuxInactive,
    TooLarge,
    WorkerFailed,
)
from secmarkd.table.table import FAMILY, NAME

_ERROR = re.compile(
    r"^(?:[^:\n]*:(?P<line>\d+):(?P<first>\d+)-\d+: )?(?:netlink: )?Error: (?P<reason>.*)$", re.MULTILINE
)
_QUOTED = re.compile(r'"([^"]*)"')
_ERRNOS = (
    "EPERM", "ENOENT", "EINTR", "EAGAIN", "ENOMEM", "EACCES", "EBUSY", "EEXIST", "EINVAL", "ENFILE", "EMFILE", "ENOSPC",
    "EMSGSIZE", "EPROTONOSUPPORT", "EOPNOTSUPP", "EAFNOSUPPORT", "ENOBUFS", "ELOOP",
)  # fmt: skip
_BY_TEXT = {os.strerror(getattr(errno, name)): getattr(errno, name) for name in _ERRNOS}
_CERTAIN = 250
"""Elements in one command. More may not fit into one message of netlink (64 KiB), and libnftables then names an element at
the same place of another message (seen in 1.0.6 with 10,000: it has one list of offsets for all messages)."""
_SHOWN = 200
"""Characters of a command that an error shows."""
_MODULES = (
    ("socket cgroupv2", "nft_socket (CONFIG_NFT_SOCKET)"),
    (" map @", "nft_objref"),
    ("counter name", "nft_objref"),
    ("secmark set", "nft_objref, or CONFIG_NETWORK_SECMARK"),
    ("ct ", "nft_ct and nf_conntrack (CONFIG_NFT_CT)"),
)
"""What a rule needs of the kernel, by words in it, the rarest first."""

UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What libnftables said about the first command that it or the kernel refused."""

    number: int
    """The errno; 0 where libnftables refused by itself."""
    reason: str
    command: str = ""
    """The refused command; empty where libnftables named no place."""
    thing: str = ""
    """The map element in that command; empty for other commands, and where it is not certain."""
    whole: bool = False
    """Whether all of the command was refused, rather than a name in it that does not exist."""


def refusal(said: str, commands: str = "") -> Refusal:
    """The first error in what libnftables wrote to stderr about `commands`."""
    found = _ERROR.search(said)
    if found is None:
        return Refusal(0, said.strip()[:_SHOWN] or "libnftables failed without a word")
    reason = found["reason"].removeprefix("Could not process rule: ")
    number = next((number for text, number in _BY_TEXT.items() if text in reason), 0)
    if found["line"] is None:
        return Refusal(number, reason)
    lines = commands.splitlines()
    place = int(found["line"]) - 1
    if place >= len(lines):
        return Refusal(number, reason)
    start = place
    while start > 0 and not lines[start].startswith(("add ", "delete ", "list ")):
        start -= 1
    named = start < place and "}" in lines[place : start + _CERTAIN + 2]
    thing = lines[place].strip(", ") if named else ""
    return Refusal(number, reason, lines[start][:_SHOWN], thing, found["first"] == "1")


def kernel_error(operation: str, refused: Refusal, *, capable: bool) -> KernelError:
    """The typed error for a refused transaction. `capable`: this process has CAP_NET_ADMIN."""
    verb, kind, name = _words(refused.command)
    offender = f"{name} {{ {refused.thing} }}" if refused.thing else f"{kind} {name}".strip()
    sentence = f"nftables refused to {verb or 'do'} {offender or operation}: {refused.reason}"
    match refused.number:
        case errno.EPERM:
            return no_permission(operation, owned=capable)
        case _ if "cgroupv2 path fails" in refused.reason:
            hint = "a unit ended at this very moment; try again"
            return CgroupMissing(sentence, operation=operation, offender=offender, hint=hint)
        case errno.EINVAL | errno.EACCES | errno.ENOENT if kind == "secmark" and verb == "add" and refused.whole:
            return _secmark_error(operation, refused)
        case number if number in UNSUPPORTED or (
            number == errno.ENOENT and verb == "add" and kind in ("rule", "chain")
        ):
            hint = f"the kernel may lack {_module(refused.command)}"
            return ModuleMissing(sentence, operation=operation, offender=offender, hint=hint)
        case errno.EMSGSIZE:
            message = "the transaction is larger than what may be sent to this kernel at once"
            hint = "in a user namespace net.core.wmem_max is the limit; raise it on the host, or write fewer labels"
            return TooLarge(message, operation=operation, hint=hint)
        case errno.ENOBUFS if operation == "commit":
            message = "the kernel's answer to the transaction was lost"
            return WorkerFailed(message, operation=operation, offender=offender)
        case 0 if "syntax error" in refused.reason:
            hint = "this version of libnftables may be too old for it"
            return NotSupported(sentence, operation=operation, offender=refused.command, hint=hint)
    if (
        refused.number in (errno.EEXIST, errno.EBUSY, errno.ENOENT)
        or "overlaps with an existing one" in refused.reason
    ):
        return Conflict(sentence, operation=operation, offender=offender)
    return KernelError(sentence, operation=operation, offender=offender)


def no_permission(operation: str, *, owned: bool) -> PermissionMissing:
    """EPERM, from a process that has CAP_NET_ADMIN (`owned`) or has not."""
    if owned:
        message = f"another process owns the table {FAMILY} {NAME}"
        hint = f"`nft list table {FAMILY} {NAME}` names the program; only it can change the table"
        return PermissionMissing(message, operation=operation, offender=f"table {FAMILY} {NAME}", hint=hint)
    hint = "run it as root, or as a service with AmbientCapabilities=CAP_NET_ADMIN"
    return PermissionMissing("nftables needs the capability CAP_NET_ADMIN", operation=operation, hint=hint)


def no_ownership(operation: str) -> NotSupported:
    """The flags are refused: nft before 1.1.0 cannot write `persist`, Linux before 6.9 does not know it."""
    message = "this machine cannot keep a table for one owner"
    hint = 'ownership = "exclusive" needs nft 1.1.0 and Linux 6.9, or later; set ownership = "shared"'
    return NotSupported(message, operation=operation, offender=f"table {FAMILY} {NAME}", hint=hint)


def no_nftables(operation: str, error: OSError) -> ModuleMissing:
    """The kernel does not answer questions to nf_tables."""
    message = f"the kernel does not answer for nftables: {error.strerror}"
    hint = "load the module nf_tables, or build it (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)"
    return ModuleMissing(message, operation=operation, offender="nf_tables", hint=hint)


def _words(command: str) -> tuple[str, str, str]:
    """Verb, kind and name of `add map inet secmarkd m …`; empty where there is none."""
    words = command.split()
    if len(words) < 2:
        return "", "", ""
    return words[0], words[1], words[4] if len(words) > 4 else ""


def _secmark_error(operation: str, refused: Refusal) -> KernelError:
    quoted = _QUOTED.search(refused.command)
    context = quoted[1] if quoted else ""
    if refused.number == errno.EINVAL:
        hint = "load the policy module that declares its type, or correct the label"
        message = f"the loaded SELinux policy does not know the context {context}"
        return ContextRejected(message, operation=operation, offender=context, hint=hint)
    if refused.number == errno.EACCES:
        hint = "the policy has to allow packet relabelto; `ausearch -m AVC -ts recent` shows the denial"
        message = f"the SELinux policy does not let this process label packets as {context}"
        return RelabelDenied(message, operation=operation, offender=context, hint=hint)
    hint = 'labels need SELinux; `mode = "rehearse"` works without'
    message = "no security module gives packet labels a meaning on this kernel"
    return SelinuxInactive(message, operation=operation, offender=context, hint=hint)


def _module(command: str) -> str:
    """What of the kernel a command needs that kernels may be built without."""
    if command.startswith("add rule"):
        return next((module for word, module in _MODULES if word in command), "a part of nf_tables")
    return (
        "inet tables (CONFIG_NF_TABLES_INET)"
        if command.startswith(("add table", "add chain"))
        else "a part of nf_tables"
    )
