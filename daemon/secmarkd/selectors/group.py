# SPDX-License-Identifier: GPL-2.0-or-later
"""The local process's group: the owning one that the socket had when it was made (`meta skgid`), none of the others."""

from __future__ import annotations

from secmarkd.mistakes.processes import GIDS
from secmarkd.model.label_map import Role
from secmarkd.model.names import NameKind
from secmarkd.selectors.accounts import in_key, item, reader, words
from secmarkd.selectors.selector import Selector, Weight
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

read_group = reader(GIDS)

GROUP = Selector(
    name="group",
    weight=Weight.GROUP,
    items=(
        item(
            "group",
            NameKind.GROUP,
            read_group,
            "Groups, by name or gid, whose processes open the connection: their own group, none of the supplementary ones. "
            "Only for the client's role.",
            ["backup", 34],
        ),
    ),
    fields=("group", "group_name"),
    matches=lambda rule, packet, _: rule.group is not None and rule.group == packet.group,
    words=words("group"),
    json=lambda rule: rule.group,
    in_key=in_key("group", Field.GROUP, Key.SKGID, meta=11),
    roles=frozenset((Role.CLIENT,)),
    clause="group NAME | group GID",
)
