# SPDX-License-Identifier: GPL-2.0-or-later
"""The local process's user: the owner that the socket had when it was made (`meta skuid`)."""

from __future__ import annotations

from secmarkd.mistakes.processes import UIDS
from secmarkd.model.label_map import Role
from secmarkd.model.names import NameKind
from secmarkd.selectors.accounts import in_key, item, reader, words
from secmarkd.selectors.selector import Selector, Weight
from secmarkd.table.elements import Field
from secmarkd.table.table import Key

read_user = reader(UIDS)

USER = Selector(
    name="user",
    weight=Weight.USER,
    items=(
        item(
            "user",
            NameKind.USER,
            read_user,
            "Users, by name or uid, whose processes open the connection. Only for the client's role.",
            ["alice", 1000],
        ),
    ),
    fields=("user", "user_name"),
    matches=lambda rule, packet, _: rule.user is not None and rule.user == packet.user,
    words=words("user"),
    json=lambda rule: rule.user,
    in_key=in_key("user", Field.USER, Key.SKUID, meta=10),
    roles=frozenset((Role.CLIENT,)),  # a packet that comes from another host has no user here
    clause="user NAME | user UID",
)
