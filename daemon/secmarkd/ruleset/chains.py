"""The chains: from hook and conntrack direction to the lookups of a role, to a default, to the end.

    input    -> input_original  -> as server,  [client_in],  [inherited],  default
             -> input_reply     -> as client,  [server_in],  [inherited],  default
             -> (no direction)  -> server_in,   client_in,                 default
    output   -> the same with client_out and server_out
    forward  -> the same with routed_original and routed_reply

A lookup that hits goes to a `labelled_…` chain, which saves the label on a new connection and ends our table's part in
the packet (`accept` in a base chain of ours only; other tables still see it). So a packet is labelled at most once a hook.
Where the direction is known, the first chain's lookups stand in `input_original` and its like themselves.
The lookups in brackets are for connections that conntrack first saw in their middle (model.evaluate).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secmarkd.model.labels import Defaults, Environment, Role
from secmarkd.model.protocols import ICMP_PROTOCOLS
from secmarkd.ruleset.lookups import RoleLookups, View
from secmarkd.ruleset.names import Namer
from secmarkd.ruleset.table import BaseHook, Chain, Key, Mark, Match, Restore, Rule, Save, Span, Verdict

PRIORITY_SECURITY = 50
"""NF_IP_PRI_SECURITY: after destination NAT, before source NAT and SELinux's own hook at 225 (linux/netfilter_ipv4.h)."""
PRIORITY_FORWARD = -226
"""One before NF_IP_PRI_SELINUX_FIRST (-225), where SELinux checks forward_in; conntrack (-200) has run in prerouting."""
NO_USER = 4294967295
"""(uid_t) -1, which no socket has: `meta skuid != NO_USER` holds exactly where the hook sees a socket."""

_ACCEPT: Rule = (Verdict("accept"),)
_SAVED = Match(Key.CT_SECMARK, 0, negated=True)


@dataclass(frozen=True, slots=True)
class _Half:
    """One role on one hook: the chain of its lookups, and where its packets carry what."""

    role: Role
    chain: str
    view: View

    @property
    def service_port(self) -> tuple[Key, Key]:
        """The port, of TCP and UDP, at which this half looks for the service."""
        if self.view.port_is_destination:
            return Key.TCP_DPORT, Key.UDP_DPORT
        return Key.TCP_SPORT, Key.UDP_SPORT


@dataclass(frozen=True, slots=True)
class _Hook:
    """A netfilter hook with its two halves: packets from the opener of a connection, and packets from the service."""

    name: str
    priority: int
    original: _Half
    reply: _Half
    interface: Key
    remote_opens: bool
    """Whether someone else sends the first packet: then a first UDP packet must not choose its label."""

    @property
    def labelled(self) -> str:
        return f"labelled_{self.name}"


_INPUT = _Hook(
    "input", PRIORITY_SECURITY,
    _Half(Role.SERVER, "server_in", View(True, True, True)),
    _Half(Role.CLIENT, "client_in", View(True, False, True)),
    Key.IIFNAME, remote_opens=True,
)  # fmt: skip
_OUTPUT = _Hook(
    "output", PRIORITY_SECURITY,
    _Half(Role.CLIENT, "client_out", View(False, True, False)),
    _Half(Role.SERVER, "server_out", View(False, False, False)),
    Key.OIFNAME, remote_opens=False,
)  # fmt: skip
_FORWARD = _Hook(
    "forward", PRIORITY_FORWARD,
    _Half(Role.FORWARD, "routed_original", View(True, True, True)),
    _Half(Role.FORWARD, "routed_reply", View(False, False, False)),
    Key.IIFNAME, remote_opens=True,
)  # fmt: skip


def chains(
    lookups: Mapping[Role, RoleLookups], defaults: Defaults, namer: Namer, environment: Environment, marks: bool
) -> list[Chain]:
    """All chains of the table. `marks` is False in rehearsal, where no label is saved or restored."""
    builder = _Builder(lookups, defaults, namer, environment, marks)
    result = builder.hook(_INPUT) + builder.hook(_OUTPUT)
    if lookups[Role.FORWARD].lookups or defaults.forward is not None:
        result += builder.hook(_FORWARD)
    return result


@dataclass(frozen=True, slots=True)
class _Builder:
    lookups: Mapping[Role, RoleLookups]
    defaults: Defaults
    namer: Namer
    environment: Environment
    marks: bool

    def hook(self, hook: _Hook) -> list[Chain]:
        """The chains of one hook."""
        originals, replies = f"{hook.name}_original", f"{hook.name}_reply"
        original, reply = hook.original, hook.reply
        base = (
            (Match(Key.CT_DIRECTION, "original"), Verdict("goto", originals)),
            (Match(Key.CT_DIRECTION, "reply"), Verdict("goto", replies)),
            (Verdict("jump", original.chain),),
            (Verdict("jump", reply.chain),),
            *self._defaults(hook, original.role),
        )
        return [
            Chain(hook.name, base, BaseHook(hook.name, hook.priority)),
            Chain(originals, self._known(hook, original, reply, udp=not hook.remote_opens)),
            Chain(replies, self._known(hook, reply, original, udp=True)),
            *self._half(hook, original),
            *self._half(hook, reply),
            Chain(hook.labelled, self._labelled(hook)),
        ]

    def _known(self, hook: _Hook, first: _Half, other: _Half, udp: bool) -> tuple[Rule, ...]:
        """Packets whose direction conntrack knows: their own role, the other one where conntrack may be wrong, the label
        that they inherit, the default."""
        doubts: list[Rule] = []
        outside = _outside(self.environment.ephemeral)
        if outside is not None:
            tcp_port, udp_port = other.service_port
            look = Verdict("jump", other.chain)
            not_opening = Match(Key.TCP_SYN_ACK, "syn", negated=True)
            doubts.append((not_opening, Match(tcp_port, outside, negated=True), look))
            if udp:
                doubts.append((Match(udp_port, outside, negated=True), look))
        return (*self._own_role(hook, first), *doubts, *self._expected(hook), *self._defaults(hook, first.role))

    def _own_role(self, hook: _Hook, half: _Half) -> tuple[Rule, ...]:
        """The lookups of the role that the direction says. They stand here once more and not behind a jump, and a reply,
        which never is new, ends at its hit: this is the path of nearly every packet."""
        of_role = self.lookups[half.role]
        if of_role.by_process:
            return ((Verdict("jump", half.chain),),)
        hit = Verdict("goto", hook.labelled) if half is hook.original else Verdict("accept")
        return tuple(each.rule(half.view, self.namer.kind, hit) for each in of_role.lookups)

    def _expected(self, hook: _Hook) -> tuple[Rule, ...]:
        """A connection that a helper announced and that no label names has its parent's label. Not on loopback, where the
        parent's two ends share one saved label."""
        if not self.marks:
            return ()
        distant = () if hook is _FORWARD else (Match(hook.interface, "lo", negated=True),)
        return ((Match(Key.CT_STATUS, "expected"), *distant, _SAVED, Restore(), Verdict("accept")),)

    def _defaults(self, hook: _Hook, role: Role) -> tuple[Rule, ...]:
        end = Verdict("goto", hook.labelled)
        if role is Role.FORWARD:
            forward = self.defaults.forward
            return () if forward is None else ((self._mark(str(forward)), end),)
        default = self.defaults.server if role is Role.SERVER else self.defaults.client
        icmp = (Match(Key.L4PROTO, tuple(sorted(ICMP_PROTOCOLS))), self._mark(str(self.defaults.icmp)), end)
        return (icmp, (self._mark(str(default)), end))

    def _mark(self, context: str) -> Mark:
        return Mark(self.namer.kind, self.namer.object_name(context))

    def _half(self, hook: _Hook, half: _Half) -> list[Chain]:
        """The lookups of a role. Where some ask for the process and the hook does not see it, the saved label decides."""
        of_role, hit = self.lookups[half.role], Verdict("goto", hook.labelled)
        by_process = [each.rule(half.view, self.namer.kind, hit) for each in of_role.by_process]
        by_packet = [each.rule(half.view, self.namer.kind, hit) for each in of_role.by_packet]
        if not by_process or not self.marks:
            return [Chain(half.chain, (*by_process, *by_packet))]
        rest = f"{half.chain}_by_packet"
        distant = (Match(hook.interface, "lo", negated=True),) if half.role is Role.SERVER else ()
        hidden: tuple[Rule, ...] = (
            (Match(Key.SKUID, NO_USER, negated=True), Verdict("goto", rest)),
            (*distant, _SAVED, Restore(), Verdict("accept")),
            (Verdict("goto", rest),),
        )
        return [Chain(half.chain, (*by_process, *hidden)), Chain(rest, tuple(by_packet))]

    def _labelled(self, hook: _Hook) -> tuple[Rule, ...]:
        """Save the label of a new connection: for `conntrack -L`, for connections that it announces, and for packets whose
        process no hook sees. On loopback only the client's label is saved, for both ends share the connection."""
        if not self.marks:
            return (_ACCEPT,)
        distant = (Match(Key.IIFNAME, "lo", negated=True),) if hook is _INPUT else ()
        save: Rule = (Match(Key.CT_STATE, "new"), *distant, Save())
        if hook is _OUTPUT and self.lookups[Role.CLIENT].by_process:
            save = (Match(Key.CT_DIRECTION, "original"), Save())
        return (save, _ACCEPT)


def _outside(ephemeral: tuple[int, int]) -> Span | int | None:
    """The ephemeral ports as nft writes them; None where no port is outside of them."""
    low, high = ephemeral
    if low <= 1 and high >= 65535:
        return None
    return low if low == high else Span(low, high)
