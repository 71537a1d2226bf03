# SPDX-License-Identifier: GPL-2.0-or-later
"""The chains for VRFs: a packet that leaves by one has its label before conntrack knows it.

It comes to output twice (vrf_ip_out, Linux 5.16): first with the VRF's device and untracked, when it gets the label that
it keeps, then with the port's device and tracked. So here connections are remembered by their ends.

    vrf_output    (from the base chain of output, untracked)  opens -> vrf_opening; remembered -> vrf_client, vrf_server
    vrf_opening   -> vrf_remember, vrf_client
    vrf_remember  (also from openings that come in by a VRF)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from secmarkd.model.label_map import Role
from secmarkd.model.protocols import WITH_PORTS
from secmarkd.table.elements import Field
from secmarkd.table.table import Chain, DynamicSet, InSet, Key, Mark, Match, Remember, Rule, Statement, Verdict

OUTPUT, REMEMBER, _OPENING = "vrf_output", "vrf_remember", "vrf_opening"
_ROLES = {Role.CLIENT: "vrf_client", Role.SERVER: "vrf_server"}
_ENDS = {
    4: (Key.L4PROTO, Key.IP_SADDR, Key.TH_SPORT, Key.IP_DADDR, Key.TH_DPORT),
    6: (Key.L4PROTO, Key.IP6_SADDR, Key.TH_SPORT, Key.IP6_DADDR, Key.TH_DPORT),
}
"""By version of IP, what a connection is known by that a VRF carries: the end that opened it, then the other one."""
_TURNED = {
    4: (Key.L4PROTO, Key.IP_DADDR, Key.TH_DPORT, Key.IP_SADDR, Key.TH_SPORT),
    6: (Key.L4PROTO, Key.IP6_DADDR, Key.TH_DPORT, Key.IP6_SADDR, Key.TH_SPORT),
}
"""The same for a packet of the other end."""
SETS = {
    4: DynamicSet("vrf4", (Field.PROTOCOL, *(Field.IPV4, Field.PORT) * 2), size=131072, timeout=3600),
    6: DynamicSet("vrf6", (Field.PROTOCOL, *(Field.IPV6, Field.PORT) * 2), size=131072, timeout=3600),
}
"""Connections by their ends, of those that VRFs carry: a packet that leaves by one has no `ct id` yet (vrf_ip_out)."""
_WITHOUT_PORTS = Match(Key.L4PROTO, tuple(sorted(WITH_PORTS.values())), negated=True)


def chains(
    opening: Iterable[tuple[Statement, ...]], found: Mapping[Role, tuple[Rule, ...]], unanswered: int, full: Mark
) -> list[Chain]:
    """All of them. `opening`: what holds for packets that open a connection by themselves; `found`: what labels a packet
    whose role is known; `unanswered`: seconds that an opening stays unless a packet of this host asks for it; `full` counts
    those for which there was no room. A packet of which nothing is remembered comes back from `vrf_output`."""
    rules: list[Rule] = [(*each, Verdict("goto", _OPENING)) for each in opening]
    for role, ends in ((Role.CLIENT, _ENDS), (Role.SERVER, _TURNED)):
        for family, keys in ends.items():
            name = SETS[family].name
            rules.append((InSet(keys, name), Remember(keys, name, refresh=True), Verdict("goto", _ROLES[role])))
    remember: list[Rule] = [(_WITHOUT_PORTS, Verdict("return"))]
    for family, keys in _ENDS.items():
        remember.append((Remember(keys, SETS[family].name, timeout=unanswered), Verdict("return")))
    return [
        Chain(OUTPUT, tuple(rules)),
        Chain(_OPENING, ((Verdict("jump", REMEMBER),), (Verdict("goto", _ROLES[Role.CLIENT]),))),
        Chain(REMEMBER, (*remember, (full,))),
        *(Chain(_ROLES[role], label) for role, label in found.items()),
    ]
