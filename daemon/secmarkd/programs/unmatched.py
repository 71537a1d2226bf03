# SPDX-License-Identifier: GPL-2.0-or-later
"""Selectors that no packet of this network namespace can match now: why, and what to write. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from secmarkd.model.address import Prefix
from secmarkd.model.host import VRF, HostNetwork, Interface
from secmarkd.model.label_map import Role
from secmarkd.model.note import Note, note_at
from secmarkd.model.sources import Mention, Thing

MOST_NOTES = 20
"""Notes about one list."""
_SHOWN = 3
"""Interfaces that are named for a wildcard."""
_FORWARD_ONLY = frozenset((Role.FORWARD,))
_EVERY = ("any", "all", "default")


def unmatched(mentions: Iterable[Mention], roles: dict[str, frozenset[Role]], network: HostNetwork) -> Iterator[Note]:
    """A note for each; `roles` are those of the labels, by name."""
    everything, noted = list(mentions), dict[tuple[str, str], int]()
    listed: dict[str, set[str]] = {}
    for mention in everything:
        if mention.thing is Thing.INTERFACE:
            listed.setdefault(mention.label, set()).add(str(mention.value))
    for mention in everything:
        why = ""
        match mention.thing, mention.value:
            case Thing.INTERFACE, str(pattern):
                why = of_interface(pattern, network, listed[mention.label])
            case Thing.LOCAL, Prefix() as prefix if roles.get(mention.label) != _FORWARD_ONLY:
                # of a forwarded connection `local` is the side that offers the service
                why = of_local(prefix, network)
            case _:
                pass
        if not why:
            continue
        place = mention.origin.file, mention.origin.key
        noted[place] = noted.get(place, 0) + 1
        if noted[place] <= MOST_NOTES:
            yield note_at(mention.origin, why)
        elif noted[place] == MOST_NOTES + 1:
            yield note_at(mention.origin, "more entries of this list match nothing")


def of_local(network: Prefix, host: HostNetwork) -> str:
    """Why no packet to or from this host has such an address at its end; empty where one may."""
    if host.has(network):
        return ""
    return f"this host has no address {'' if network.single else 'in '}{network} now; the label waits for one"


def of_interface(pattern: str, network: HostNetwork, beside: Iterable[str] = ()) -> str:
    """Why packets never show such an interface, and what to write; empty where they may.

    `beside` has the interfaces that the same label names.
    """
    matching = network.matching(pattern)
    if not matching:
        return _absent(pattern, network)
    reasons = [in_its_place(each, network, beside) for each in matching]
    if not all(reasons):
        return ""
    if not pattern.endswith("*"):
        return reasons[0]
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return f"every matching interface is a port of another: {'; '.join(reasons[:_SHOWN])}{more}"


def in_its_place(interface: Interface, network: HostNetwork, beside: Iterable[str] = ()) -> str:
    """Which interface packets show instead of one that is a port of another; empty if it is not."""
    master = network.named(interface.master) if interface.master else None
    if master is None:
        return ""
    if master.kind == VRF:
        if master.name in beside:
            return ""
        way = f"packets enter by {master.name}, and leave by {master.name} and then by {interface.name}"
        return f'{interface.name} is in the VRF {master.name}: {way}; name both: "{master.name}", "{interface.name}"'
    kind = master.kind or "interface"
    seen = f"packets of this host enter and leave by {master.name}"
    return f'{interface.name} is a port of the {kind} {master.name}: {seen}; write "{master.name}"'


def _absent(pattern: str, network: HostNetwork) -> str:
    """Why no interface has the name: what other tools write, another spelling, or simply that there is none now."""
    return absent_for_a_reason(pattern, network) or _waits(pattern)


def absent_for_a_reason(pattern: str, network: HostNetwork) -> str:
    """What is to be written for a name that no interface has because other tools write it so; else empty."""
    return _spelt_otherwise(pattern, network) or _written_for_another_tool(pattern)


def _waits(pattern: str) -> str:
    if pattern.endswith("*"):
        return f'no interface has a name like "{pattern}" now; the label waits for one'
    return f'there is no interface "{pattern}" now; the label waits for it'


def _written_for_another_tool(pattern: str) -> str:
    stem = pattern.removesuffix("*")
    plain = re.split(r"[+?\[\]]", stem)[0]
    instead = f'write "{plain}*"' if plain else "write the names"
    if "," in stem:
        names = ", ".join(f'"{each}"' for each in pattern.split(",") if each)
        return f'"{pattern}" would be a single interface of that name; write {names}'
    if stem[:1] in ("!", "-", "~", "^"):
        return (
            f'"{pattern}" would be an interface of that name: interfaces cannot be excluded; name the others, or give '
            f'"{stem[1:]}" a label of its own'
        )
    if "@" in stem:
        return f'the part after @ does not belong to the name; write "{stem.partition("@")[0]}"'
    if stem.endswith("+"):
        return f"+ is not a wildcard here, only * at the end is; {instead}"
    if re.search(r"[?\[\]]", stem):
        return f"? and [ ] are not wildcards here, only * at the end is; {instead}"
    if stem.lower() in _EVERY and pattern == stem:
        return f'"{pattern}" would be an interface of that name; leave the key out for every interface'
    return ""


def _spelt_otherwise(pattern: str, network: HostNetwork) -> str:
    for each in network.interfaces:
        if pattern in each.other_names:
            return f'"{pattern}" is an alternative name of {each.name}, and rules see only that; write "{each.name}"'
    low = [each for each in network.interfaces if each.name.lower() == pattern.lower()]
    if low:
        return f'there is no interface "{pattern}"; names are case-sensitive: write "{low[0].name}"'
    if pattern.endswith("*") and (like := network.matching(pattern.lower())):
        right = f'write "{pattern.lower()}" ({like[0].name})'
        return f'no interface has a name like "{pattern}"; names are case-sensitive: {right}'
    return ""
