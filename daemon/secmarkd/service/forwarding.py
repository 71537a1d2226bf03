# SPDX-License-Identifier: GPL-2.0-or-later
"""What a label does to forwarded packets, asked of the loaded policy.

SELinux checks a forwarded packet twice, `forward_in` and `forward_out`, as an act of its peer, which is unlabeled_t where
no labelled IPsec or NetLabel says otherwise (selinux_ip_forward, selinux_ip_postroute; seen in Debian 13, enforcing).
Debian's policy lets unlabeled_t forward unlabeled_t only: any label ends what it is given to, until a rule allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from secmarkd.errors import ConfigError, Problem
from secmarkd.events import ForwardingDenied
from secmarkd.model.forwarded import Forwarded
from secmarkd.model.label_map import Mode
from secmarkd.model.note import Note, Severity
from secmarkd.ports import AccessQuestions

PERMISSIONS = ("forward_in", "forward_out")
MOST_DENIED = 5
"""Events of one load."""


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


def _type(context: str) -> str:
    return context.split(":")[2]
