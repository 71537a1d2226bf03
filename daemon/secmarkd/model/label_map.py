# SPDX-License-Identifier: GPL-2.0-or-later
"""The label map: atomic rules with their origins, settings and defaults.

A label of the configuration with lists of ports and addresses is many atomic rules here, one for each combination;
that is what gives every packet exactly one narrowest rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from secmarkd.model.address import Prefix
from secmarkd.model.context import Context
from secmarkd.model.names import Name, NameKind


class Role(StrEnum):
    """The part that this host plays in a connection."""

    SERVER = "server"
    CLIENT = "client"
    FORWARD = "forward"


class Layer(IntEnum):
    """Who wrote a rule; a higher layer wins between rules that are otherwise equal."""

    VENDOR = 1
    """Shipped by a package, in /usr/lib."""
    RUNTIME = 2
    """Generated since boot, in /run."""
    ADMINISTRATOR = 3
    """In /etc."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where a rule was written."""

    file: str
    line: int
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One atomic rule: every selector that is not None must match. Rules with ports always name a protocol."""

    label: str
    """The name of its `[labels.NAME]` table."""
    context: Context
    role: Role
    origin: Origin
    layer: Layer = Layer.ADMINISTRATOR
    protocol: int | None = None
    ports: tuple[int, int] | None = None
    """First and last service port, inclusive."""
    remote: Prefix | None = None
    local: Prefix | None = None
    interface: str | None = None
    """A literal name, or a beginning of names followed by `*`."""
    user: int | None = None
    cgroup: str | None = None
    """Path below /sys/fs/cgroup without a leading slash; it includes the cgroups below it."""
    user_name: str | None = None
    """The user as written, where that was a name: `user` is then its uid in some environment, None while it has none."""
    group: int | None = None
    group_name: str | None = None
    """As `user_name`."""
    service: str | None = None
    """The service as written, where that was a name: `ports` is then its port, as `user` for `user_name`."""

    @property
    def names(self) -> tuple[Name, ...]:
        """The names that the rule needs a number for."""
        named = self.user_name, self.group_name, self.service
        if named == _NO_NAMES:  # as of nearly every rule
            return ()
        kinds = zip(_NUMBERS, named, strict=True)
        return tuple(
            Name(kind, text, (self.protocol or 0) if kind is NameKind.SERVICE else 0)
            for kind, text in kinds
            if text is not None
        )

    @property
    def waits(self) -> bool:
        """Whether a name that it needs has no number."""
        return any(getattr(self, _NUMBERS[name.kind]) is None for name in self.names)


_NO_NAMES = (None, None, None)
_NUMBERS = {NameKind.USER: "user", NameKind.GROUP: "group", NameKind.SERVICE: "ports"}
"""The field of a rule that has the number of a name."""


class Mode(StrEnum):
    """What the ruleset does with a packet that a label names."""

    LABEL = "label"
    REHEARSE = "rehearse"


class OnDrift(StrEnum):
    """What a pass does when the kernel differs."""

    REPAIR = "repair"
    REPORT = "report"


class OnStop(StrEnum):
    """What happens to the labels when the service stops."""

    KEEP = "keep"
    REMOVE = "remove"


class Ownership(StrEnum):
    """Whether the kernel lets others write to our table."""

    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What packets get that no rule names. `forward` is None when forwarded packets keep what they have."""

    server: Context
    client: Context
    icmp: Context
    forward: Context | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """secmarkd.toml without the parts that only complete contexts."""

    mode: Mode = Mode.LABEL
    on_drift: OnDrift = OnDrift.REPAIR
    on_stop: OnStop = OnStop.KEEP
    resync: float = 300.0
    """Seconds between verifications without an event."""
    ownership: Ownership = Ownership.SHARED


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMap:
    """All rules, in no meaningful order, and the defaults."""

    rules: tuple[Rule, ...]
    defaults: Defaults

    @property
    def cgroups(self) -> frozenset[str]:
        """Those that rules name, whether they exist or not."""
        return frozenset(rule.cgroup for rule in self.rules if rule.cgroup is not None)

    @property
    def names(self) -> frozenset[Name]:
        """Those that rules need a number for, whether they have one or not."""
        return frozenset(name for rule in self.rules if rule.names for name in rule.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What labels depend on besides the configuration, read from the machine at load and before each pass."""

    cgroups: Mapping[str, int] = field(default_factory=dict)
    """Those of the label map's cgroups that exist now, each with its inode number: nft cannot name one that does not exist,
    and a rule holds by that number the one that existed then."""
    names: Mapping[Name, int] = field(default_factory=dict)
    """Those of the label map's names that have a uid, gid or port now."""


def in_numbers(rules: Iterable[Rule], environment: Environment) -> tuple[Rule, ...]:
    """The rules with the numbers that their names have in the environment, and none where a name has none."""
    return tuple(_numbered(rule, environment.names) if rule.names else rule for rule in rules)


def _numbered(rule: Rule, numbers: Mapping[Name, int]) -> Rule:
    found: dict[str, int | tuple[int, int] | None] = {}
    for name in rule.names:
        number = numbers.get(name)
        is_port = name.kind is NameKind.SERVICE and number is not None
        found[_NUMBERS[name.kind]] = (number, number) if is_port and number is not None else number
    return replace(rule, **found)  # type: ignore[arg-type]
