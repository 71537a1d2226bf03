"""What a label does to forwarded packets, asked of the loaded policy.

SELinux checks a forwarded packet twice, `forward_in` and `forward_out`, as an act of its peer, which is unlabeled_t where
no labelled IPsec or NetLabel says otherwise (selinux_ip_forward, selinux_ip_postroute; seen in Debian 13, enforcing).
Debian's policy lets unlabeled_t forward unlabeled_t only: any label ends what it is given to, until a rule allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from secmarkd.config.sources import SettingSource
from secmarkd.errors import ConfigError, Problem
from secmarkd.events import ForwardingDenied
from secmarkd.model.labels import LabelMap, Mode, Origin, Role
from secmarkd.model.note import Note, Severity
from secmarkd.ports import AccessQuestions

PERMISSIONS = ("forward_in", "forward_out")
DEFAULT = "default.forward"
MOST_DENIED = 5
"""Events of one load."""
_PROC = Path("/proc")
_SWITCHES = (
    "sys/net/ipv4/conf/*/forwarding",
    "sys/net/ipv6/conf/*/forwarding",
    "sys/net/bridge/bridge-nf-call-ip*tables",
)
"""Routing, of each interface; and bridged packets that the hooks of routed ones see (br_netfilter)."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A context that the configuration gives to forwarded packets."""

    context: str
    origin: Origin
    """Where it is first written, or asked for."""

    @property
    def is_default(self) -> bool:
        """Whether every forwarded packet has it that no label names."""
        return self.origin.key == DEFAULT


@dataclass(frozen=True, slots=True)
class Denied:
    """One of those, and what the policy denies of it."""

    forwarded: Forwarded
    rule: str
    """What would allow it."""
    permissions: str

    def __str__(self) -> str:
        context, source = self.forwarded.context, self.rule.split()[1]
        denied = f"the loaded policy denies {source} {self.permissions} of {context}"
        if self.forwarded.is_default:
            ends = (
                "so every forwarded packet that no label names is refused (routing, docker, podman, virtual machines)"
            )
            return f'{denied}, {ends}; set forward = "", or load a policy with `{self.rule}`'
        return f"{denied}, so forwarded packets with this label are refused; load a policy with `{self.rule}`"


def forwarded_by(label_map: LabelMap, settings: Iterable[SettingSource]) -> tuple[Forwarded, ...]:
    """All contexts of forwarded packets, each once; that of `[default]` first."""
    found: list[Forwarded] = []
    if label_map.defaults.forward is not None:
        origin = next((each.origin for each in settings if each.key == DEFAULT), None)
        found.append(Forwarded(str(label_map.defaults.forward), origin or Origin("", 0, DEFAULT)))
    first: dict[str, Origin] = {}
    for rule in label_map.rules:
        if rule.role is Role.FORWARD:
            first.setdefault(str(rule.context), rule.origin)
    return (*found, *(Forwarded(context, origin) for context, origin in first.items()))


def denied_by(policy: AccessQuestions, forwarded: Iterable[Forwarded]) -> Iterator[Denied]:
    """Those that the policy denies. What it cannot be asked about is not among them."""
    source = policy.unlabeled()
    for each in forwarded if source else ():
        access = policy.access(source or "", each.context, "packet")
        if access is not None and (missing := access.denied(PERMISSIONS)):
            rule = f"allow {_type(source or '')} {_type(each.context)}:packet {{ {' '.join(PERMISSIONS)} }};"
            yield Denied(each, rule, " and ".join(missing))


def refuse_the_end_of_forwarding(denied: Iterable[Denied], mode: Mode, *, enforcing: bool, forwarding: bool) -> None:
    """ConfigError where `default.forward` would end all forwarding on this machine at once: labels are to be in force,
    SELinux enforces its policy, and the machine forwards packets.
    """
    if mode is not Mode.LABEL or not enforcing or not forwarding:
        return
    for each in denied:
        if each.forwarded.is_default:
            origin = each.forwarded.origin
            raise ConfigError([Problem(origin.file or "secmarkd.toml", origin.line, origin.key, str(each))])


def event_of(denied: Denied, number: int) -> ForwardingDenied:
    """The event of one of `number` that are denied."""
    context, origin = denied.forwarded.context, denied.forwarded.origin
    more = number - MOST_DENIED if number > MOST_DENIED else 0
    return ForwardingDenied(context, str(origin) if origin.file else origin.key, str(denied), denied.rule, more)


def notes_on(policy: AccessQuestions, forwarded: tuple[Forwarded, ...]) -> Iterator[Note]:
    """For people: what is denied, and of what that cannot be said here."""
    denied = {each.forwarded: each for each in denied_by(policy, forwarded)}
    source = policy.unlabeled()
    for each in forwarded:
        place = each.origin.file, each.origin.line, each.origin.key
        if each in denied:
            yield Note(str(denied[each]), *place, Severity.WARNING)
        elif source is None or policy.access(source, each.context, "packet") is None:
            asked = "the policy cannot be asked here whether it lets unlabeled_t forward packets with the context"
            needed = f"it needs `allow unlabeled_t {_type(each.context)}:packet {{ {' '.join(PERMISSIONS)} }};`"
            ends = ", without which every forwarded packet that no label names is refused" if each.is_default else ""
            severity = Severity.WARNING if each.is_default else Severity.NOTE
            yield Note(f"{asked} {each.context}: {needed}{ends}", *place, severity)


def forwards(proc: Path = _PROC) -> bool:
    """Whether this network namespace forwards packets, on whatever interface."""
    return any(_on(switch) for pattern in _SWITCHES for switch in proc.glob(pattern))


def _on(switch: Path) -> bool:
    try:
        return switch.read_text().strip() not in ("0", "")
    except OSError:  # an interface that has gone, or a file that this process may not read
        return False


def _type(context: str) -> str:
    return context.split(":")[2]
