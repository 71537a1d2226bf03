# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's errno mean: the one table for libnftables, which reports them in English, and for our own sockets.

nf_tables answers a request with an errno. What that means depends on what was requested, so both sides describe it as a
Refusal (`of_socket` here, `adapters.nftables.errors.refusal` from libnftables' text), and `kernel_error` gives its type.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    StateUnknown,
    TooLarge,
    WorkerFailed,
)
from secmarkd.table.table import FAMILY, NAME
from secmarkd.workers.privileges import CAP_NET_ADMIN

COMMIT = "commit"
"""The operation after whose loss nobody knows what has happened."""
UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT})
"""The kernel lacks a part of nf_tables."""
_NO_NFTABLES = frozenset({errno.EINVAL, errno.EPROTONOSUPPORT})
"""What a question to nf_tables is answered with where there is no nf_tables."""
_CHANGED = frozenset({errno.EEXIST, errno.EBUSY, errno.ENOENT, errno.ERESTART})
"""The live state is not the one that the change was made for; ERESTART: another generation (nf_tables_valid_genid)."""
_MODULES = (
    ("socket cgroupv2", "nft_socket (CONFIG_NFT_SOCKET)"),
    (" map @", "nft_objref"),
    ("counter name", "nft_objref"),
    ("secmark set", "nft_objref, or CONFIG_NETWORK_SECMARK"),
    ("ct ", "nft_ct and nf_conntrack (CONFIG_NFT_CT)"),
)
"""What a rule needs of the kernel, by words in it, the rarest first."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused, by the kernel or by libnftables."""

    number: int
    """The errno; 0 where libnftables refused by itself, ETIMEDOUT where no answer came."""
    reason: str
    command: str = ""
    """The refused command in nft's words; empty where it is not known."""
    thing: str = ""
    """The map element in that command; empty for other commands, and where it is not certain."""
    whole: bool = False
    """Whether all of the command was refused, rather than a name in it that does not exist."""
    question: bool = False
    """Whether nothing was to be changed, only asked."""

    @property
    def verb(self) -> str:
        """`add` of `add map inet secmarkd m …`; empty where there is none."""
        return self._word(0)

    @property
    def kind(self) -> str:
        """`map` of it."""
        return self._word(1)

    @property
    def offender(self) -> str:
        """What it was about: `map m`, or with an element `m { 6 . 80 }`."""
        name = self._word(4)
        return f"{name} {{ {self.thing} }}" if self.thing else f"{self.kind} {name}".strip()

    def _word(self, place: int) -> str:
        words = self.command.split()
        return words[place] if len(words) > max(place, 1) else ""


def of_socket(error: OSError, *, command: str = "", question: bool = False) -> Refusal:
    """An error of a netlink socket."""
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno or 0
    return Refusal(number, error.strerror or str(error), command, question=question)


def kernel_error(operation: str, refused: Refusal, *, capable: bool) -> KernelError:
    """The typed error for a refused request. `capable`: this process has CAP_NET_ADMIN."""
    match refused.number:
        case errno.EPERM:
            return no_permission(operation, owned=capable)
        case _ if refused.question:
            return _unanswered(operation, refused)
        case errno.ETIMEDOUT:
            return WorkerFailed("the kernel does not say whether it made the change", operation=operation)
        case errno.EMSGSIZE:
            message = "the transaction is larger than what may be sent to this kernel at once"
            hint = "in a user namespace net.core.wmem_max is the limit; raise it on the host, or write fewer labels"
            return TooLarge(message, operation=operation, hint=hint)
        case errno.ENOBUFS if operation == COMMIT:
            message = "the kernel's answer to the transaction was lost"
            return WorkerFailed(message, operation=operation, offender=refused.offender)
        case _:
            return _refused_change(operation, refused)


def _unanswered(operation: str, refused: Refusal) -> KernelError:
    """A question, after which everything is as it was."""
    if refused.number == errno.ETIMEDOUT:
        return StateUnknown("the kernel does not answer", operation=operation)
    if refused.number in _NO_NFTABLES:
        return no_nftables(operation, refused.reason)
    return KernelError(f"netlink failed: {refused.reason}", operation=operation)


def _refused_change(operation: str, refused: Refusal) -> KernelError:
    """A command that the kernel or libnftables did not accept."""
    offender = refused.offender
    sentence = f"nftables refused to {refused.verb or 'do'} {offender or operation}: {refused.reason}"
    match refused.number:
        case _ if "cgroupv2 path fails" in refused.reason:
            hint = "a unit ended at this very moment; try again"
            return CgroupMissing(sentence, operation=operation, offender=offender, hint=hint)
        case errno.EINVAL | errno.EACCES | errno.ENOENT if (
            refused.kind == "secmark" and refused.verb == "add" and refused.whole
        ):
            return _secmark_error(operation, refused)
        case number if number in UNSUPPORTED or (number == errno.ENOENT and _needs_module(refused)):
            hint = f"the kernel may lack {_module(refused.command)}"
            return ModuleMissing(sentence, operation=operation, offender=offender, hint=hint)
        case 0 if "syntax error" in refused.reason:
            hint = "this version of libnftables may be too old for it"
            return NotSupported(sentence, operation=operation, offender=refused.command, hint=hint)
        case number if number in _CHANGED or "overlaps with an existing one" in refused.reason:
            return Conflict(sentence, operation=operation, offender=offender)
    return KernelError(sentence, operation=operation, offender=offender)


@contextmanager
def typed_errors(operation: str) -> Iterator[None]:
    """KernelError and its kinds in the place of OSError, for questions over a netlink socket."""
    try:
        yield
    except OSError as error:
        raise kernel_error(operation, of_socket(error, question=True), capable=capable()) from error


def refused_batch(error: OSError, maps: Iterable[str]) -> KernelError:
    """The typed error for changes of elements of these maps that were to be made at a certain generation."""
    command = f"change elements {FAMILY} {NAME} {','.join(sorted(set(maps)))}"
    return kernel_error(COMMIT, of_socket(error, command=command), capable=capable())


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


def no_nftables(operation: str, reason: str) -> ModuleMissing:
    """The kernel does not answer questions to nf_tables."""
    message = f"the kernel does not answer for nftables: {reason}"
    hint = "load the module nf_tables, or build it (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)"
    return ModuleMissing(message, operation=operation, offender="nf_tables", hint=hint)


def capable() -> bool:
    """Whether this process has CAP_NET_ADMIN; taken for granted where it has no descriptor left to look."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    except OSError:
        return True
    return bool(int(effective, 16) >> CAP_NET_ADMIN & 1)


def _secmark_error(operation: str, refused: Refusal) -> KernelError:
    _, _, rest = refused.command.partition('"')
    context = rest.partition('"')[0]
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


def _needs_module(refused: Refusal) -> bool:
    """Whether ENOENT may mean that the kernel cannot load what a command needs."""
    return refused.verb == "add" and refused.kind in ("rule", "chain")


def _module(command: str) -> str:
    """What of the kernel a command needs that kernels may be built without."""
    if command.startswith("add rule"):
        return next((module for word, module in _MODULES if word in command), "a part of nf_tables")
    return (
        "inet tables (CONFIG_NF_TABLES_INET)"
        if command.startswith(("add table", "add chain"))
        else "a part of nf_tables"
    )
