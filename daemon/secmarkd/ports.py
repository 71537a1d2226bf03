# SPDX-License-Identifier: GPL-2.0-or-later
"""What the core needs of the world, as protocols. Each has one adapter and one fake; both pass the same contract suite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from secmarkd.change.early_repair import ElementChange
from secmarkd.compiler.loaded import NOTHING_KNOWN, Loaded
from secmarkd.events import Event
from secmarkd.model.label_map import Environment
from secmarkd.model.names import Found, Name
from secmarkd.table.other_labels import OtherLabels
from secmarkd.table.table import Table
from secmarkd.table.transaction import Transaction


class Nft(Protocol):
    """Our own table in the kernel's nftables; nothing outside of it is ever read or written."""

    def read(self) -> Table | None:
        """The live table; None when it is *known* to be absent. StateUnknown when neither can be said."""

    def commit(self, transaction: Transaction) -> None:
        """Carry out a transaction wholly or, with a KernelError, not at all.

        WorkerFailed means that it is not known whether it happened: read before anything else.
        """

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        """Carry out AddElements and DeleteElements quickly, if the ruleset's last transaction is still `generation`.

        Conflict where somebody has committed since, and otherwise as `commit`. ValueError for other commands, for more than
        some hundred elements, and for interval maps with one field.
        """

    def check(self, transaction: Transaction) -> None:
        """Have the kernel validate a transaction, contexts and permissions included, without carrying it out."""

    def generation(self) -> int:
        """The number of the ruleset's last transaction, by whomever. Costs microseconds."""

    def flags(self) -> tuple[str, ...] | None:
        """Our table's flags, sorted; None when it is known to be absent. Costs microseconds: when its owner dies, a table
        vanishes or has an owner no more, without a transaction.
        """

    def before_waiting(self, announce: Callable[[float], None]) -> None:
        """From now on call `announce` before each question that may take long, with the seconds after which its answer is
        waited for no more. One read or commit may be several of them."""

    def while_waiting(self, act: Callable[[], None]) -> None:
        """From now on call `act` before each read and commit, and a few times a second while a process is waited for."""

    def close(self) -> None:
        """End the adapter's process. The table stays."""


@dataclass(frozen=True, slots=True)
class Committed:
    """One transaction that the kernel has carried out, of whomever and on whatever table."""

    generation: int
    """Its number, modulo 2**32; later transactions have later numbers."""
    thread: int
    """Who committed it, as the kernel counts: a thread id in the *initial* PID namespace. It may be gone already."""
    comm: str
    """The thread's name, at most 15 characters, which any process chooses for itself."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Something of our table that a transaction changed."""

    generation: int | None = None
    """The last 16 bits of the transaction's number; None where events were dropped, so that it may be any."""
    change: ElementChange | None = None
    """None for whatever is not elements of a map, and for elements beyond the first few."""


@dataclass(frozen=True, slots=True)
class News:
    """What happened to the ruleset since the last time."""

    committed: tuple[Committed, ...] = ()
    """In order. Some may be missing where `lost`."""
    touched: tuple[Touched, ...] = ()
    """What was, or may have been, changed of our table, in order: all that the transactions of `committed` changed, and
    perhaps what one did whose number has yet to come."""
    lost: bool = False
    """Whether events were dropped, so that anything may have happened."""

    @property
    def ours(self) -> bool:
        """Whether our table was, or may have been, among what was changed."""
        return self.lost or bool(self.touched)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who committed a transaction, as far as it can be said. Texts are printable and on one line."""

    comm: str
    """The thread's name, from the kernel's event."""
    pid: int | None = None
    """The process; None where it cannot be named, because the kernel counts in another PID namespace than ours."""
    exe: str = ""
    """Its program, and what follows: empty or None where the process was gone, or its /proc was not to be read."""
    command: str = ""
    """The command line, shortened."""
    unit: str = ""
    """The systemd unit or the container, such as `cron.service` or `container docker-0123456789ab`."""
    uid: int | None = None
    user: str = ""
    """The name of `uid`, where /etc/passwd has it."""
    loginuid: int | None = None
    """Who logged in, whatever user they became since; None for what no login started."""
    login: str = ""
    """The name of `loginuid`."""


class Labellers(Protocol):
    """Whatever else sets labels of packets in this network namespace."""

    def look(self) -> OtherLabels:
        """What of it there is now. Costs a millisecond, and a quarter of a second where others have very many rules, of
        which not all are looked at then. KernelError where nobody can say.
        """


class Writers(Protocol):
    """Where to learn who a committing thread is."""

    def glimpse(self, committed: Committed) -> Callable[[], Writer]:
        """Who it is. Read at once, for most such processes end within a millisecond; understood when it is asked for, after
        the repair. Neither ever raises.
        """


class ChangeEvents(Protocol):
    """The kernel's events of committed transactions, from the moment when this was opened."""

    def fileno(self) -> int:
        """A descriptor that can be read when there is news."""

    def take(self) -> News:
        """What has happened since the last time. Never waits."""

    def close(self) -> None:
        """Stop listening."""


class SelinuxEvents(Protocol):
    """The kernel's word that SELinux is not as it was, from the moment when this was opened."""

    def fileno(self) -> int:
        """A descriptor that can be read when something has changed, or is about to."""

    def take(self) -> None:
        """Forget what was told. Never waits."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True)
class CgroupNews:
    """What was told of the followed cgroups. True too where something may have been lost."""

    came: bool
    """One was made, or one that it is to be in."""
    went: bool


class CgroupEvents(Protocol):
    """The kernel's word of cgroups that come and go."""

    def fileno(self) -> int:
        """A descriptor that can be read when there is news."""

    def follow(self, cgroups: Collection[str]) -> None:
        """Tell of these from now on, paths below /sys/fs/cgroup, and of no others. OSError where that is not possible for
        all of them."""

    def take(self) -> CgroupNews:
        """What has happened since the last time. Never waits."""

    def close(self) -> None:
        """Stop listening."""


LOAD_DEADLINE = 120.0
"""Seconds for one load. 100,000 selectors take about five on a slow machine."""
LOOKUP_DEADLINE = 60.0
"""Seconds for a lookup that nothing waits for."""


class Loader(Protocol):
    """Where configurations come from. One at a time; nothing waits for it."""

    def fileno(self) -> int:
        """A descriptor that can be read when there is an answer, or when there will be none."""

    def begin_load(self, known: Mapping[Name, int] = NOTHING_KNOWN, *, starting: bool = False) -> None:
        """Begin to load the configuration as it is in the files now; what was begun before is given up. WorkerFailed where
        that is not possible now.

        `known`: numbers of names, for those of which nobody can say now. `starting`: a contradiction that comes of the
        numbers of names is no ConfigError; see Loaded.
        """

    def begin_recompile(self, loaded: Loaded, environment: Environment) -> None:
        """The same for a configuration loaded earlier, for another environment. The files are not looked at."""

    def take(self) -> Loaded | None:
        """The answer; None while there is none. ConfigError, CapabilityMissing, or WorkerFailed."""

    def abandon(self) -> None:
        """Give up what was begun: its process is gone when this returns."""

    def close(self) -> None:
        """Give up, for good."""


class Lookups(Protocol):
    """Lookups of names by whatever this machine looks them up with. Nobody waits for them: a directory may hang."""

    def fileno(self) -> int:
        """A descriptor that can be read when there may be an answer, or when there will be none."""

    def begin(self, names: Collection[Name]) -> None:
        """Look these up; what was begun before is given up. WorkerFailed where that is not possible now."""

    def take(self) -> Found | None:
        """The answer; None while there is none. WorkerFailed where there will be none."""

    def abandon(self) -> None:
        """Give up what was begun."""

    def close(self) -> None:
        """Give up, for good."""


class NameEvents(Protocol):
    """The kernel's word of files that names are looked up in."""

    def fileno(self) -> int:
        """A descriptor that can be read when there is news."""

    def take(self) -> bool:
        """Whether one of them may have changed since the last time. Never waits."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True)
class SelinuxState:
    """What selinuxfs says of the running kernel."""

    active: bool
    """A policy is loaded and contexts mean something."""
    enforcing: bool
    mls: bool
    """Contexts have a level."""
    policy: int = 0
    """Another number after each policy load and change of a boolean; 0 where the kernel does not tell."""
    hidden: bool = False
    """A policy seems to be loaded, but its file system is not mounted where this process could look: then not `active`."""
    namespace: str = ""
    """The name of this process's network namespace, where `hidden` and it has one."""


class Selinux(Protocol):
    """The running kernel's SELinux."""

    def state(self) -> SelinuxState:
        """Its state now; all False where SELinux is not there."""

    def valid(self, context: str) -> bool:
        """Whether the loaded policy knows the context. OSError where this process may not ask."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a policy lets one context do with another, of one class."""

    allowed: frozenset[str]
    """Permissions by name."""
    permissive: bool = False
    """Whether the domain is a permissive one, which is denied nothing whatever is allowed."""

    def denied(self, permissions: Collection[str]) -> tuple[str, ...]:
        """Those of these that are denied, in the order in which they were given."""
        return () if self.permissive else tuple(each for each in permissions if each not in self.allowed)


class AccessQuestions(Protocol):
    """Questions to the loaded policy, with its booleans and constraints as they are now."""

    def unlabeled(self) -> str | None:
        """The whole context of what has no label; None where no policy is loaded."""

    def access(self, source: str, target: str, tclass: str) -> Access | None:
        """What `source` may do with `target`, both whole contexts, levels and categories included.

        None where nobody can say: there is no policy, it does not know a context or the class, or this process may not ask.
        """


class Journal(Protocol):
    """Where events go."""

    def write(self, event: Event) -> None:
        """Log one event. Never raises and never waits: a journal that is away or slow must not stop the labels."""

    def due(self) -> float:
        """When `flush` has something to try again, in the clock's seconds; infinity while nothing waits."""

    def flush(self) -> None:
        """Try again to log what has waited for a journal that was away."""


class Notifier(Protocol):
    """The service manager."""

    def notify(self, **assignments: str) -> None:
        """Send assignments such as READY="1" or STATUS="…" in one datagram; does nothing without a service manager."""


class Clock(Protocol):
    """Time that never jumps."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""


class Claim(Protocol):
    """The service's files below /run, the lock and the status: made again when somebody removes them."""

    def fileno(self) -> int:
        """A descriptor that can be read when files have gone; -1 where the kernel notifies of none."""

    def take(self) -> None:
        """Forget what was notified: `kept` looks for itself. Never waits."""

    def kept(self) -> bool:
        """Whether all is as it was: lock and status are there. Where not, the lock has been taken again if that was
        possible, and the status is to be written again."""

    def due(self) -> float:
        """When `kept` has something to try again, in the clock's seconds; infinity otherwise."""

    def close(self) -> None:
        """Watch no longer. The files stay."""
