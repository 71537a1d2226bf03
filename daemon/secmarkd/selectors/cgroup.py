# SPDX-License-Identifier: GPL-2.0-or-later
"""The local process's cgroup, with those below it (`socket cgroupv2`)."""

from __future__ import annotations

import re

from secmarkd.mistakes.processes import cgroup_mistake
from secmarkd.model.label_map import Role, Rule
from secmarkd.model.packet import Packet, View
from secmarkd.model.quoting import is_quotable
from secmarkd.model.sources import Thing
from secmarkd.selectors.selector import Item, Selector, Weight
from secmarkd.table.cgroups import cgroup_level

_PASTED = re.compile(r"[0-9]+:[^/]*:/")
"""A line of /proc/PID/cgroup."""
_SEVERAL = re.compile(r"[,;]\s|[,;]/")


def read_cgroup(value: object) -> str:
    """A cgroup's path below /sys/fs/cgroup -> the same without slashes around it."""
    if isinstance(value, str):
        path = value.removeprefix("/sys/fs/cgroup/").strip("/")
        parts = path.split("/")
        plain = not any(part in ("", ".", "..", "*") for part in parts)
        if plain and is_quotable(path) and not _PASTED.match(value) and not _SEVERAL.search(path):
            return path
    raise cgroup_mistake(value, read_cgroup)


def _matches(rule: Rule, packet: Packet, _: View) -> bool:
    found, ancestor = packet.cgroup, rule.cgroup
    return found is not None and (found == ancestor or found.startswith(f"{ancestor}/"))


CGROUP = Selector(
    name="cgroup",
    weight=Weight.CGROUP,
    items=(
        Item(
            key="cgroup",
            description="Cgroups of the local process, with those below them: paths below /sys/fs/cgroup.",
            examples=(["system.slice/nginx.service"],),
            schema={"type": "string", "minLength": 1},
            read=read_cgroup,
            like='["system.slice/nginx.service"]',
            rule=lambda path: {"cgroup": path},
            thing=Thing.CGROUP,
        ),
    ),
    fields=("cgroup",),
    matches=_matches,
    words=lambda rule: f"cgroup {rule.cgroup}",
    json=lambda rule: rule.cgroup,
    in_key=None,
    roles=frozenset((Role.SERVER, Role.CLIENT)),
    level=lambda rule: cgroup_level(rule.cgroup),
    clause="cgroup PATH",
)
