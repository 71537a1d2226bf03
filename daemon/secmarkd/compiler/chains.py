# SPDX-License-Identifier: GPL-2.0-or-later
"""The chains: from hook and conntrack direction to the lookups of a role, to a default, to the end.

    input    -> input_original  -> as server,  [in doubt: client_in_ports],  default
             -> input_reply     -> as client,  [in doubt: server_in_ports],  default
             -> (no direction)  -> server_in,  client_in,                    default
    output   -> (has a label: keeps it), then the same with client_out and server_out
    forward  -> the same with routed_original and routed_reply

Whoever opened a connection is its client. What is remembered of an opening is its label, saved on the connection; so where
one is saved there is no doubt. Rehearsal saves none, nor does forwarding without a default: there the dynamic set `opened`
remembers. Of a connection of which nothing is remembered a rule that names a port can say that it has the other role, and
what is found so is not saved (evaluate). Where all that comes before the rules by port names a port as well, the
order of lookups decides by itself; else the ports are asked first, in maps of their own (`probe_…`) that label nothing.

A hit of the connection's opener goes to a `labelled_…` chain, which has openings remembered and ends our table's part in
the packet (`accept` in a base chain of ours only; other tables still see it). So a packet is labelled at most once a hook.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secmarkd.compiler import vrf
from secmarkd.compiler.lookups import GuardedLookup, RoleLookups
from secmarkd.compiler.names import Namer
from secmarkd.model.label_map import Defaults, Role
from secmarkd.model.protocols import DATAGRAM_PROTOCOLS, DCCP, ICMP_PROTOCOLS, SCTP
from secmarkd.selectors.selector import Ends
from secmarkd.table.table import (
    PRIORITY_FORWARD,
    PRIORITY_SECURITY,
    BaseHook,
    Chain,
    DynamicSet,
    InSet,
    Key,
    Mark,
    Match,
    ObjectKind,
    Remember,
    Restore,
    Rule,
    Save,
    Statement,
    Verdict,
)

NO_USER = 4294967295
"""(uid_t) -1, which no socket has: `meta skuid != NO_USER` holds exactly where the hook sees a socket."""

OPENED = DynamicSet("opened", Key.CT_ID, size=131072, timeout=3600)
"""Connections whose opening was seen, where no label says so. An element takes some 100 bytes of the kernel's memory; one
that is asked for begins its hour again. It is stable from the first packet on (nf_ct_get_id, Linux 5.3)."""
UNANSWERED = 120
"""Seconds that an opening stays in these sets unless another packet of its connection asks for it."""
NOT_REMEMBERED = "not_remembered"
"""A counter: packets that opened a connection when such a set was full, so that it is in doubt."""
PROBE = "probe_"
"""What the names of maps begin with that say only whether a port is named."""
IN_DOUBT = "in_doubt"
"""A counter: packets that opened nothing of what was remembered, and whose port such a map has."""

_END = Verdict("accept")
_ACCEPT: Rule = (_END,)
_CARRIED, _LOCAL = "carried_output", "local_output"
_SAVED = Match(Key.CT_SECMARK, 0, negated=True)
_UNSAVED = Match(Key.CT_SECMARK, 0)
_UNSEEN = InSet((Key.CT_ID,), OPENED.name, negated=True)
_DATAGRAM = Match(Key.L4PROTO, tuple(sorted(DATAGRAM_PROTOCOLS)))
_ICMP = Match(Key.L4PROTO, tuple(sorted(ICMP_PROTOCOLS)))
_FIRST = Match(Key.CT_STATE, "new,related")
"""Conntrack has seen no answer yet; `related` is the first packet of an announced connection, and every ICMP error."""


@dataclass(frozen=True, slots=True)
class _Half:
    """One role on one hook: the chain of its lookups, and where its packets carry what."""

    role: Role
    chain: str
    ends: Ends

    @property
    def ports(self) -> str:
        """The chain of those lookups that name a port."""
        return f"{self.chain}_ports"


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
        """The chain where hits of openers end."""
        return f"labelled_{self.name}"

    @property
    def opened(self) -> str:
        """The chain that has openings remembered."""
        return f"opened_{self.name}"


_INPUT = _Hook(
    "input", PRIORITY_SECURITY,
    _Half(Role.SERVER, "server_in", Ends(True, True, True)),
    _Half(Role.CLIENT, "client_in", Ends(True, False, True)),
    Key.IIFNAME, remote_opens=True,
)  # fmt: skip
_OUTPUT = _Hook(
    "output", PRIORITY_SECURITY,
    _Half(Role.CLIENT, "client_out", Ends(False, True, False)),
    _Half(Role.SERVER, "server_out", Ends(False, False, False)),
    Key.OIFNAME, remote_opens=False,
)  # fmt: skip
_FORWARD = _Hook(
    "forward", PRIORITY_FORWARD,
    _Half(Role.FORWARD, "routed_original", Ends(True, True, True)),
    _Half(Role.FORWARD, "routed_reply", Ends(False, False, False)),
    Key.IIFNAME, remote_opens=True,
)  # fmt: skip


def chains(
    lookups: Mapping[Role, RoleLookups],
    defaults: Defaults,
    namer: Namer,
    protocols: frozenset[int],
    *,
    marks: bool,
) -> list[Chain]:
    """All chains of the table. `protocols` are those of the rules; `marks` is False in rehearsal, where no label is saved
    or restored."""
    builder = _Builder(lookups, defaults, namer, protocols, marks)
    result = builder.hook(_INPUT) + builder.hook(_OUTPUT)
    if lookups[Role.FORWARD].lookups or defaults.forward is not None:
        result += builder.hook(_FORWARD)
    return result


_LOCAL_RULES: tuple[Rule, ...] = ((Match(Key.OIFNAME, "lo"), Verdict("goto", _OUTPUT.labelled)), _ACCEPT)


@dataclass(frozen=True, slots=True)
class _Builder:
    lookups: Mapping[Role, RoleLookups]
    defaults: Defaults
    namer: Namer
    protocols: frozenset[int]
    marks: bool

    def hook(self, hook: _Hook) -> list[Chain]:
        """The chains of one hook."""
        original, reply = hook.original, hook.reply
        carries = hook is _OUTPUT and self.marks
        # A packet that is here again, inside an encapsulation, with the socket of the program that it is of.
        carried: tuple[Rule, ...] = ((Match(Key.META_SECMARK, 0, negated=True), Verdict("goto", _CARRIED)),)
        base = (
            *(carried if carries else ()),
            (Match(Key.CT_DIRECTION, "original"), Verdict("goto", f"{hook.name}_original")),
            (Match(Key.CT_DIRECTION, "reply"), Verdict("goto", f"{hook.name}_reply")),
            *(((Match(Key.OIFKIND, "vrf"), Verdict("jump", vrf.OUTPUT)),) if hook is _OUTPUT else ()),
            (Verdict("jump", original.chain),),
            (Verdict("jump", reply.chain),),
            *self._defaults(original.role, Verdict("accept")),
        )
        return [
            Chain(hook.name, base, BaseHook(hook.name, hook.priority)),
            *self._known(hook, f"{hook.name}_original", original, reply),
            *self._known(hook, f"{hook.name}_reply", reply, original),
            *(Chain(each.chain, self._rules(self.lookups[each.role].lookups, each)) for each in (original, reply)),
            *(Chain(each.ports, self._rules(self._naming_ports(each), each)) for each in (reply, original)
              if self._naming_ports(each) and not self._probes(hook)),
            *([Chain(_CARRIED, self._carried(hook))] if carries else []),
            *([Chain(_LOCAL, _LOCAL_RULES)] if hook is _OUTPUT and not self.marks else []),
            *(self._vrf() if hook is _OUTPUT else []),
            Chain(hook.labelled, self._labelled(hook)),
            Chain(hook.opened, self._opened(hook)),
        ]  # fmt: skip

    def _naming_ports(self, half: _Half) -> tuple[GuardedLookup, ...]:
        return tuple(each for each in self.lookups[half.role].lookups if each.names_port)

    def _probes(self, hook: _Hook) -> bool:
        """Whether the ports have to be asked before anything else, where a role is in doubt: a rule without a port would
        decide before them."""
        halves = (hook.original, hook.reply)
        if not any(self._naming_ports(each) for each in halves):
            return False
        lookups = (each for half in halves for each in self.lookups[half.role].lookups)
        return any(each.more_than_ports and not each.names_port for each in lookups)

    def _rules(
        self, lookups: Iterable[GuardedLookup], half: _Half, remembering: _Hook | None = None
    ) -> tuple[Rule, ...]:
        """The lookups of a role. Those of the opener at a hook have it remembered where they hit, the others end there."""
        return tuple(
            each.rule(half.ends, self.namer.kind, self._hit(remembering, each) if remembering else _END)
            for each in lookups
        )

    def _hit(self, hook: _Hook, lookup: GuardedLookup) -> Verdict:
        """Rehearsal need not remember what is named by its port, for no later packet is in doubt; but over loopback the
        other end may not be named."""
        if self.marks or lookup.by_process or not lookup.names_port:
            return Verdict("goto", hook.labelled)
        return Verdict("goto", _LOCAL) if hook is _OUTPUT else _END

    def _known(self, hook: _Hook, name: str, own: _Half, other: _Half) -> list[Chain]:
        """Packets whose direction conntrack knows: the role that it says, the other one in doubt, the default.

        The lookups stand here once more and not behind a jump, and a reply, which opens nothing, ends at its hit: this
        is the path of nearly every packet."""
        of_role, opener = self.lookups[own.role], own is hook.original
        at = hook if opener else None
        by_process = self._rules(of_role.by_process, own, at)
        selective = self._rules((each for each in of_role.by_packet if each.more_than_ports), own, at)
        narrow = [each for each in of_role.by_packet if not each.more_than_ports]
        by_port = self._rules((each for each in narrow if each.names_port), own, at)
        by_protocol = self._rules((each for each in narrow if not each.names_port), own, at)
        end = Verdict("goto", hook.labelled) if opener else _END
        doubt = self._in_doubt(hook, name, other)
        before, after = (doubt, ()) if self._probes(hook) else ((), doubt)
        rest = (
            *selective, *self._announced(hook), *by_port, *after, *by_protocol,
            *self._defaults(own.role, end), *self._unlabelled(hook, own),
        )  # fmt: skip
        doubtful = self._doubt(hook, name, own, other)
        if not by_process or not self.marks:
            return [Chain(name, (*before, *by_process, *rest)), *doubtful]
        hidden = self._hidden(hook, own, f"{name}_by_packet")
        return [Chain(name, (*before, *by_process, *hidden)), Chain(f"{name}_by_packet", rest), *doubtful]

    def _hidden(self, hook: _Hook, half: _Half, rest: str) -> tuple[Rule, ...]:
        """Where rules ask for the process and the hook does not see it, the saved label decides: not for the server's end
        of a connection over loopback, whose label is the client's."""
        distant = (Match(hook.interface, "lo", negated=True),) if half.role is Role.SERVER else ()
        return (
            (Match(Key.SKUID, NO_USER, negated=True), Verdict("goto", rest)),
            (_ICMP, Verdict("goto", rest)),  # an error, which the kernel sends
            (*distant, _SAVED, Restore(), Verdict("accept")),
            (Verdict("goto", rest),),
        )

    def _announced(self, hook: _Hook) -> tuple[Rule, ...]:
        """A connection that a helper announced has its parent's label, which the kernel copies (init_conntrack), unless a
        rule asks for more than ports. Not on loopback, where the parent's two ends share one saved label."""
        if not self.marks:
            return ()
        distant = () if hook is _FORWARD else (Match(hook.interface, "lo", negated=True),)
        no_error = Match(Key.L4PROTO, tuple(sorted(ICMP_PROTOCOLS)), negated=True)
        return ((Match(Key.CT_STATUS, "expected"), no_error, *distant, _SAVED, Restore(), Verdict("accept")),)

    def _in_doubt(self, hook: _Hook, name: str, other: _Half) -> tuple[Rule, ...]:
        """To the chain for connections whose opening was not seen. One that is remembered in the set is kept there."""
        if not self._naming_ports(other):
            return ()
        unsaved = (_UNSAVED,) if self.marks else ()
        if not self._remembers_in_set(hook):
            return ((*unsaved, Verdict("jump", f"{name}_doubt")),)
        seen = InSet((Key.CT_ID,), OPENED.name)
        return (
            (seen, Remember((Key.CT_ID,), OPENED.name, refresh=True)),
            (*unsaved, _UNSEEN, Verdict("jump", f"{name}_doubt")),
        )

    def _doubt(self, hook: _Hook, name: str, own: _Half, other: _Half) -> list[Chain]:
        """What does not open its connection goes to the other role's lookups, whose hits are not remembered: to those by
        port, or through the probes."""
        if not self._naming_ports(other):
            return []
        probes = self._probes(hook)
        look = Verdict("goto", f"{name}_probe" if probes else other.ports)
        rules: list[Rule] = [(*each, look) for each in self._not_opening()]
        if own is not hook.original or not hook.remote_opens:
            rules.append((_DATAGRAM, look))
        else:
            rules.append((_DATAGRAM, Match(Key.CT_STATE, "established"), look))
            if hook is _INPUT:
                rules.append((_DATAGRAM, Match(Key.IIFNAME, "lo"), look))
        doubt = Chain(f"{name}_doubt", tuple(rules))
        return [doubt, Chain(f"{name}_probe", self._probe(own, other))] if probes else [doubt]

    def _probe(self, own: _Half, other: _Half) -> tuple[Rule, ...]:
        """A port that is named under the packet's own role leaves it as it is; one that is named under the other alone has
        it looked up there."""
        return tuple(
            each.probe(half.ends, PROBE, ObjectKind.COUNTER, end)
            for half, end in ((own, Verdict("return")), (other, Verdict("goto", other.chain)))
            for each in self._naming_ports(half)
        )

    def _not_opening(self) -> list[tuple[Statement, ...]]:
        """What holds for the packets that say by themselves that they open no connection. Protocols that no rule names are
        left out: nothing of theirs can be in doubt, and not every kernel can look into them."""
        found: list[tuple[Statement, ...]] = [(Match(Key.TCP_SYN_ACK, "syn", negated=True),)]
        if SCTP in self.protocols:
            found.append((Match(Key.L4PROTO, SCTP), Match(Key.SCTP_INIT, "missing")))
        if DCCP in self.protocols:
            found.append((Match(Key.DCCP_TYPE, "request", negated=True),))
        return found

    def _defaults(self, role: Role, end: Verdict) -> tuple[Rule, ...]:
        if role is Role.FORWARD:
            forward = self.defaults.forward
            return () if forward is None else ((self._mark(str(forward)), end),)
        default = self.defaults.server if role is Role.SERVER else self.defaults.client
        icmp = (_ICMP, self._mark(str(self.defaults.icmp)), end)
        return (icmp, (self._mark(str(default)), end))

    def _unlabelled(self, hook: _Hook, half: _Half) -> tuple[Rule, ...]:
        """A forwarded opening that gets no label is remembered all the same."""
        if hook is not _FORWARD or half is not hook.original or self.defaults.forward is not None:
            return ()
        return ((_FIRST, Verdict("goto", hook.opened)),)

    def _mark(self, context: str) -> Mark:
        return Mark(self.namer.kind, self.namer.object_name(context))

    def _carried(self, hook: _Hook) -> tuple[Rule, ...]:
        """A packet that keeps its label may open a connection, where an earlier table gave it: remembered like any other.
        (The datagrams of a tunnel tell nothing of who opened it.)"""
        return ((_DATAGRAM, _END), (_FIRST, _UNSAVED, Verdict("goto", hook.opened)), _ACCEPT)

    def _vrf(self) -> list[Chain]:
        """The chains for what leaves by a VRF, and for the memory of openings there."""
        found = {
            half.role: ((Verdict("jump", half.chain),), (self._mark(str(default)), _END))
            for half, default in ((_OUTPUT.original, self.defaults.client), (_OUTPUT.reply, self.defaults.server))
        }
        return vrf.chains(self._opening(), found, UNANSWERED, Mark(ObjectKind.COUNTER, NOT_REMEMBERED))

    def _opening(self) -> list[tuple[Statement, ...]]:
        """What holds for the packets that say by themselves that they open a connection."""
        found: list[tuple[Statement, ...]] = [(Match(Key.TCP_SYN_ACK, "syn"),)]
        if SCTP in self.protocols:
            found.append((Match(Key.L4PROTO, SCTP), Match(Key.SCTP_INIT, "exists")))
        if DCCP in self.protocols:
            found.append((Match(Key.DCCP_TYPE, "request"),))
        return found

    def _labelled(self, hook: _Hook) -> tuple[Rule, ...]:
        """Openings are remembered. Where labels ask for the process, the saved label follows a changed label map, for those
        packets whose process no hook sees."""
        # What output saved stays: a multicast that this host hears itself comes in by the interface that it left by. It is
        # asked here, for every packet of a flow without an answer is new, and all but the first are done with.
        unsaved = (_UNSAVED,) if self.marks and hook is _INPUT else ()
        rules: list[Rule] = [(_FIRST, *unsaved, Verdict("goto", hook.opened))]
        if self.marks and hook is _OUTPUT and self.lookups[Role.CLIENT].by_process:
            rules.append((Match(Key.CT_DIRECTION, "original"), _SAVED, Save()))
        return (*rules, _ACCEPT)

    def _opened(self, hook: _Hook) -> tuple[Rule, ...]:
        """Remember an opening: by its label, which `conntrack -L` shows and announced connections inherit, or in the set.
        On loopback both ends share the connection, and the client's label is saved, at output."""
        others: list[tuple[Statement, ...]] = [(Match(Key.CT_STATE, "related"), _ICMP), *self._not_opening()]
        rules: list[Rule] = [(*each, _END) for each in others]
        if hook is _INPUT:
            rules.append((Match(Key.IIFNAME, "lo"), _END))
            rules.append((Match(Key.IIFKIND, "vrf"), Verdict("jump", vrf.REMEMBER)))
        save: list[Rule] = [(Save(),)] if self.marks else []
        if self._remembers_in_set(hook):
            unsaved = (_UNSAVED,) if self.marks else ()
            save += [
                (*unsaved, Remember((Key.CT_ID,), OPENED.name, timeout=UNANSWERED), Verdict("accept")),
                (*unsaved, Mark(ObjectKind.COUNTER, NOT_REMEMBERED)),
            ]
        return (*rules, *save, _ACCEPT)

    def _remembers_in_set(self, hook: _Hook) -> bool:
        """Whether an opening may leave no saved label, and anything asks for it."""
        unsaved = not self.marks or (hook is _FORWARD and self.defaults.forward is None)
        return unsaved and any(self._naming_ports(each) for each in (hook.original, hook.reply))
