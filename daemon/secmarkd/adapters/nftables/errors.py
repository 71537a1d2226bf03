# SPDX-License-Identifier: GPL-2.0-or-later
"""libnftables' English taken apart, into what `adapters.netlink.errors` has a typed error for.

libnftables says `FILE:LINE:FIRST-LAST: Error: Could not process rule: Invalid argument`; the line leads back to the command
and to the thing in it, because `nft.text` writes every thing on a line of its own.
"""

from __future__ import annotations

import errno
import os
import re

from secmarkd.adapters.netlink.errors import Refusal

_ERROR = re.compile(
    r"^(?:[^:\n]*:(?P<line>\d+):(?P<first>\d+)-\d+: )?(?:netlink: )?Error: (?P<reason>.*)$", re.MULTILINE
)
_ERRNOS = (
    "EPERM", "ENOENT", "EINTR", "EAGAIN", "ENOMEM", "EACCES", "EBUSY", "EEXIST", "EINVAL", "ENFILE", "EMFILE", "ENOSPC",
    "EMSGSIZE", "EPROTONOSUPPORT", "EOPNOTSUPP", "EAFNOSUPPORT", "ENOBUFS", "ELOOP",
)  # fmt: skip
_BY_TEXT = {os.strerror(getattr(errno, name)): getattr(errno, name) for name in _ERRNOS}
_CERTAIN = 250
"""Elements in one command. More may not fit into one message of netlink (64 KiB), and libnftables then names an element at
the same place of another message (seen in 1.0.6 with 10,000: it has one list of offsets for all messages)."""
_SHOWN = 200
"""Characters of a command that an error shows."""


def refusal(said: str, commands: str = "") -> Refusal:
    """The first error in what libnftables wrote to stderr about `commands`."""
    found = _ERROR.search(said)
    if found is None:
        return Refusal(0, said.strip()[:_SHOWN] or "libnftables failed without an error message")
    reason = found["reason"].removeprefix("Could not process rule: ")
    number = next((number for text, number in _BY_TEXT.items() if text in reason), 0)
    if found["line"] is None:
        return Refusal(number, reason)
    lines = commands.splitlines()
    place = int(found["line"]) - 1
    if place >= len(lines):
        return Refusal(number, reason)
    start = place
    while start > 0 and not lines[start].startswith(("add ", "delete ", "list ")):
        start -= 1
    named = start < place and "}" in lines[place : start + _CERTAIN + 2]
    thing = lines[place].strip(", ") if named else ""
    return Refusal(number, reason, lines[start][:_SHOWN], thing, found["first"] == "1")
