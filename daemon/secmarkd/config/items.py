# SPDX-License-Identifier: GPL-2.0-or-later
"""One item as written -> what it means. Each function raises ValueError with what is wrong and what would be right.

What is wrong is looked into by `mistakes`; here is what is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from secmarkd.config.mistakes.addresses import address_mistake
from secmarkd.config.mistakes.advice import Mistake, write
from secmarkd.config.mistakes.contexts import (
    NOTHING,
    context_mistake,
    default_mistake,
    identifier_mistake,
    level_mistake,
    type_mistake,
)
from secmarkd.config.mistakes.interfaces import MAX_INTERFACE, interface_mistake
from secmarkd.config.mistakes.ports import MAX_PORT, is_service_name, port_mistake
from secmarkd.config.mistakes.processes import MAX_USER, cgroup_mistake, user_mistake
from secmarkd.config.mistakes.protocols import MAX_PROTOCOL, protocol_mistake
from secmarkd.config.mistakes.settings import LONGEST, SHORTEST, duration_mistake, unit_mistake
from secmarkd.config.mistakes.words import near, shown
from secmarkd.model.address import Prefix, parse_prefix
from secmarkd.model.context import Context, is_identifier, parse_context
from secmarkd.model.protocols import WITH_PORTS, WITHOUT_PORTS
from secmarkd.model.quoting import is_quotable

_RANGE = re.compile(r"([0-9]{1,5}) *- *([0-9]{1,5})")
_INTERFACE = re.compile(
    r"[!#-&(-)+-.0-9;-\[\]-~]*\*?"
)  # what is printable in ASCII, without " ' * / : \ and the blank
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_PASTED = re.compile(r"[0-9]+:[^/]*:/")
"""A line of /proc/PID/cgroup."""
_SEVERAL = re.compile(r"[,;]\s|[,;]/")
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,9})?)\s*([A-Za-zµμ]*)\s*")
_UNITS: dict[str, float] = {
    unit: seconds
    for seconds, units in (
        (1e-6, "usec us µs μs"),
        (1e-3, "msec ms"),
        (1.0, "seconds second sec s"),
        (60.0, "minutes minute min m"),
        (3600.0, "hours hour hr h"),
        (86400.0, "days day d"),
        (7 * 86400.0, "weeks week w"),
        (30.44 * 86400.0, "months month M"),
        (365.25 * 86400.0, "years year y"),
    )
    for unit in units.split()
}
"""As systemd.time(7) has them."""


def port_item(protocol: str) -> Callable[[object], tuple[int, int] | str]:
    """The reader of ports of one protocol: a number or a range -> first and last port; a service's name -> itself.

    A name is looked up elsewhere: whether it is known does not make a configuration right or wrong.
    """

    def ports(value: object) -> tuple[int, int] | str:
        if type(value) is int and 0 < value <= MAX_PORT:  # bool is a subclass
            return value, value
        if isinstance(value, str):
            found = _RANGE.fullmatch(value)
            if found and 0 < int(found[1]) <= int(found[2]) <= MAX_PORT:
                return int(found[1]), int(found[2])
            if is_service_name(value, protocol):
                return value
        raise port_mistake(value, protocol, ports)

    return ports


def protocol_item(value: object) -> int:
    """A protocol's name or number -> its number."""
    known = WITH_PORTS | WITHOUT_PORTS
    if type(value) is int and 0 <= value <= MAX_PROTOCOL:
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise protocol_mistake(value, protocol_item)


def remote_item(value: object) -> Prefix:
    """An address or network of the other host."""
    return _prefix(value, "remote", remote_item)


def local_item(value: object) -> Prefix:
    """An address or network of this host."""
    return _prefix(value, "local", local_item)


def _prefix(value: object, key: str, read: Callable[[object], Prefix]) -> Prefix:
    try:
        prefix = parse_prefix(value) if isinstance(value, str) and "%" not in value else None
    except ValueError:
        prefix = None
    if prefix is None:
        raise address_mistake(value, key, read)
    if prefix.family == 6 and prefix.length >= 96 and prefix.low >> 32 == 0xFFFF:
        # packets of an IPv4 connection have IPv4 addresses, whatever the program sees that holds its socket
        plain = str(Prefix(4, prefix.low & 0xFFFFFFFF, prefix.length - 96))
        raise Mistake(f"no packet has the address {shown(str(prefix))}, which is IPv4", write(f'"{plain}"'))
    return prefix


def interface_item(value: object) -> str:
    """An interface's name, or the beginning of names followed by `*`."""
    name = value if isinstance(value, str) and value not in ("", "*", ".", "..") else ""
    if 0 < len(name.encode()) <= MAX_INTERFACE and not _ADDRESS.fullmatch(name) and _INTERFACE.fullmatch(name):
        return name
    raise interface_mistake(value, interface_item)


def user_item(value: object) -> int | str:
    """A uid, or a user's name -> itself: it is looked up elsewhere, as a service's."""
    if type(value) is int and 0 <= value <= MAX_USER:
        return value
    if mistake := user_mistake(value, user_item):
        raise mistake
    assert isinstance(value, str)
    return value


def cgroup_item(value: object) -> str:
    """A cgroup's path below /sys/fs/cgroup -> the same without slashes around it."""
    if isinstance(value, str):
        path = value.removeprefix("/sys/fs/cgroup/").strip("/")
        parts = path.split("/")
        plain = not any(part in ("", ".", "..", "*") for part in parts)
        if plain and is_quotable(path) and not _PASTED.match(value) and not _SEVERAL.search(path):
            return path
    raise cgroup_mistake(value, cgroup_item)


def type_item(value: object) -> str:
    """The name of an SELinux type of packets."""
    if isinstance(value, str) and is_identifier(value) and not value.endswith("_port_t"):
        return value
    raise type_mistake(value)


def identifier(word: str, usual: str) -> Callable[[object], str]:
    """The reader of a name in a security context; `word` says whose: a user's or a role's."""

    def name(value: object) -> str:
        if isinstance(value, str) and is_identifier(value):
            return value
        raise identifier_mistake(value, word, usual)

    return name


def level_item(value: object) -> str:
    """An MLS level, or nothing where the policy has no MLS."""
    if mistake := level_mistake(value):
        raise mistake
    assert isinstance(value, str)
    return value


def context_item(value: object) -> Context:
    """A context of three or four parts; without the fourth its level is empty."""
    if mistake := context_mistake(value):
        raise mistake
    assert isinstance(value, str)
    return parse_context(value)


def label_item(key: str, usual: str) -> Callable[[object], str]:
    """The reader of the default `key`: a type or a whole context, as text; what completes a type is in another table."""

    def label(value: object) -> str:
        try:
            if isinstance(value, str) and value.lower() in NOTHING:
                raise default_mistake(value, key, usual)
            return str(context_item(value)) if isinstance(value, str) and ":" in value else type_item(value)
        except ValueError:
            raise default_mistake(value, key, usual) from None

    return label


def optional_label_item(key: str, usual: str) -> Callable[[object], str]:
    """As `label_item`, and empty for none."""
    read = label_item(key, usual)
    return lambda value: "" if value == "" else read(value)


def duration_item(value: object) -> float:
    """Seconds; from a number of seconds or in the spelling of systemd.time(7): `5min`, `1min 30s`."""
    seconds = _seconds(value) if isinstance(value, str) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LONGEST:
        seconds = float(value)
    if seconds is not None and not SHORTEST <= seconds <= LONGEST:
        raise duration_mistake(value, duration_item, seconds)
    if seconds is None:
        raise duration_mistake(value, duration_item)
    return seconds


def _seconds(text: str) -> float | None:
    """None for what is no duration."""
    seconds, pos = 0.0, 0
    stripped = text.strip()
    while found := _AMOUNT.match(stripped, pos):
        unit = found[2] or "s"
        if unit not in _UNITS:
            if unit.lower() in _UNITS:
                return None
            raise unit_mistake(text, unit, near(unit, _UNITS))
        seconds += float(found[1]) * _UNITS[unit]
        pos = found.end()
    return seconds if stripped and pos == len(stripped) else None
