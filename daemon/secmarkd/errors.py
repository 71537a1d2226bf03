# SPDX-License-Identifier: GPL-2.0-or-later
"""One tree of exceptions. Each carries the offending thing and, where there is one, the mend.

The command line and the service print `error: {error}` and, below it, `hint: {error.hint}`; nothing else formats errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


def one_line(text: str) -> str:
    """What others chose freely, made safe for one line: `\\n` for a newline, `\\udce9` for a byte E9 that is no UTF-8."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class SecmarkdError(Exception):
    """Anything that secmarkd itself reports. `str(error)` is one sentence; `hint` says what would mend it, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(SecmarkdError):
    """What the user typed cannot be understood; the hint shows how it is written."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What to write instead: in words, and as TOML, so that a test can follow the advice to the letter."""

    words: str
    items: tuple[str, ...] = ()
    """In place of the value; where it is an item of a list, any number of items. None at all: it goes, and an empty list
    with it."""
    beside: tuple[tuple[str, str], ...] = ()
    """Keys and values to write into the same table as well; a list is added to a list that is there."""
    whole: bool = False
    """Whether the whole key is meant where the value is an item of its list."""
    rename: str = ""
    """Another name for the key; one that begins with `labels.` is dotted, from the top of the file."""
    stays: bool = False
    """Whether the value stays as it is."""
    lines: tuple[int, int, str] | None = None
    """A text in place of the lines from the first to the last, where the file is no TOML."""
    example: bool = False
    """Whether the items only show how it is written."""
    prose: bool = False
    """Whether there are only words: what to write cannot be derived from what was written."""


_DIGITS = re.compile(r"([0-9]+)")


def _natural(text: str) -> list[tuple[int, str]]:
    """For ordering `remote[2]` before `remote[10]`: numbers by their size."""
    return [(int(part), "") if part.isdecimal() and len(part) < 10 else (-1, part) for part in _DIGITS.split(text)]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one configuration file: where it is, which key, and what would be right."""

    file: str
    line: int
    """1-based; 0 where no line can be named (an unreadable file)."""
    key: str
    """Dotted, as in `labels.http.tcp[0]`; empty where the file as a whole is meant."""
    message: str
    fixes: tuple[Fix, ...] = field(default=(), compare=False, repr=False)
    """What the message advises."""

    def __post_init__(self) -> None:
        for name in ("file", "key", "message"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    @property
    def place(self) -> tuple[str, int, list[tuple[int, str]], str]:
        """What problems are sorted by."""
        return self.file, self.line, _natural(self.key), self.message

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(SecmarkdError):
    """The configuration was rejected as a whole; `problems` holds every mistake of every file, in order of place."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class KernelError(SecmarkdError):
    """nftables refused, failed or could not be understood. `operation` names what was tried, `offender` the thing."""

    def __init__(self, message: str, *, operation: str, offender: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.offender = offender


class PermissionMissing(KernelError):
    """EPERM: this process lacks CAP_NET_ADMIN, or another process owns the table."""


class ContextRejected(KernelError):
    """EINVAL on a secmark object: the loaded policy does not know the context `offender`."""


class RelabelDenied(KernelError):
    """EACCES on a secmark object: the policy does not let this process `relabelto` the context `offender`."""


class SelinuxInactive(KernelError):
    """ENOENT on creating a secmark object: no security module gives the context a meaning."""


class NotSupported(KernelError):
    """The kernel or libnftables lacks something (a module, a kind of object); the hint names it."""


class ModuleMissing(NotSupported):
    """The kernel has not, or not yet, what nf_tables needs for it; the hint names the module."""


class TooLarge(NotSupported):
    """EMSGSIZE: the transaction is larger than what this process may send to the kernel at once."""


class Conflict(KernelError):
    """EEXIST, EBUSY or ENOENT on a thing of our table: the live state is not what the transaction was made for."""


class CgroupMissing(KernelError):
    """A rule was to name a cgroup that has gone since the labels were compiled."""


class StateUnknown(KernelError):
    """The live state could not be read: nobody may act as if the table were absent or equal."""


class WorkerFailed(StateUnknown):
    """The process that holds libnftables could not be started, crashed, hung past its deadline, or answered nonsense."""


class WorkerDied(WorkerFailed):
    """The process that holds libnftables ended by itself, as by a crash."""


class CapabilityMissing(SecmarkdError):
    """Something this program needs is not on the machine: a module of Python, a library, a kernel feature."""
