"""One item as written -> what it means. Each function raises ValueError with what is wrong and what would be right."""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Callable, Iterable

from secmarkd.model.address import Prefix, parse_prefix
from secmarkd.model.context import Context, is_identifier, parse_context
from secmarkd.model.protocols import AMBIGUOUS, WITH_PORTS, WITHOUT_PORTS
from secmarkd.model.quoting import MAX_LENGTH, is_quotable

MAX_PORT = 65535
MAX_PROTOCOL = 255
MAX_USER = 2**32 - 2
"""The last uid; the one after it means "nobody in particular" to the kernel."""
MAX_INTERFACE = 15
"""Bytes of an interface's name: IFNAMSIZ without its NUL."""
MAX_CGROUP_LEVEL = 255
"""`socket cgroupv2 level` is one byte."""

SHORTEST, LONGEST = 1.0, 7 * 86400.0
"""Limits of a duration in seconds: below, verifications follow each other without a rest; above, there are none."""

_RANGE = re.compile(r"([0-9]+) *- *([0-9]+)")
_INTERFACE = re.compile(
    r"[!#-&(-)+-.0-9;-\[\]-~]*\*?"
)  # what is printable in ASCII, without " ' * / : \ and the blank
_SERVICE = re.compile(r"(?=.*[A-Za-z])[!-+.-9;-~-]+")
"""What is printable in ASCII, without the blank, the comma and the colon; with a letter."""
_USER = re.compile(r"(?! )[^\x00-\x1f:,/\x7f]+(?<! )")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*([A-Za-zµμ]*)\s*")
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


def shown(value: object) -> str:
    """A value of TOML as one writes it, for messages; lists and tables only by their kind."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return "a list"
        case dict():
            return "a table"
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=5, cutoff=0.6)
    # Letters that changed places are the likelier mistake than others in their place.
    near.sort(key=lambda each: sorted(each) != sorted(word))
    return f"; did you mean {near[0]!r}?" if near else ""


def port_item(protocol: str) -> Callable[[object], tuple[int, int] | str]:
    """The reader of ports of one protocol: a number or a range -> first and last port; a service's name -> itself.

    A name is looked up elsewhere: whether it is known does not make a configuration right or wrong.
    """

    def ports(value: object) -> tuple[int, int] | str:
        if type(value) is int:  # bool is a subclass
            return (value, value) if 0 < value <= MAX_PORT else _no_port(value)
        if not isinstance(value, str):
            raise ValueError(
                f'{shown(value)} is no port; write a number (443), a range ("8000-8010") or a name ("https")'
            )
        if found := _RANGE.fullmatch(value):
            return _port_range(int(found[1]), int(found[2]))
        return _service(value, protocol)

    return ports


def _no_port(value: int) -> tuple[int, int]:
    raise ValueError(f"{value} is no port; ports are 1 to {MAX_PORT}")


def _port_range(first: int, last: int) -> tuple[int, int]:
    for port in (first, last):
        if not 0 < port <= MAX_PORT:
            _no_port(port)
    if first > last:
        raise ValueError(f'the range {first}-{last} is reversed; write "{last}-{first}"')
    return first, last


def _service(name: str, protocol: str) -> str:
    if re.fullmatch("[0-9]+", name):
        raise ValueError(f"{shown(name)} is a number in quotes; write {int(name)}")
    if re.fullmatch(r"[0-9]*\s*[-:\u2013.,]+\s*[0-9]*", name):
        raise ValueError(f'{shown(name)} is no range; ranges are written as in "8000-8010"')
    if not _SERVICE.fullmatch(name):
        raise ValueError(f"{shown(name)} cannot be the name of a {protocol} service; write the port's number")
    return name


def protocol_item(value: object) -> int:
    """A protocol's name or number -> its number."""
    known = WITH_PORTS | WITHOUT_PORTS
    if type(value) is int:
        if not 0 <= value <= MAX_PROTOCOL:
            raise ValueError(f"{value} is no protocol; numbers are 0 to {MAX_PROTOCOL}")
        return value
    if not isinstance(value, str):
        raise ValueError(f'{shown(value)} is no protocol; write a name ("esp") or a number (50)')
    number = known.get(value.lower())
    if number is None and re.fullmatch("[0-9]+", value):
        raise ValueError(f"{shown(value)} is a number in quotes; write {int(value)}")
    if value.lower() in AMBIGUOUS:
        linux, iana = AMBIGUOUS[value.lower()]
        raise ValueError(f"{shown(value)} is {linux} to Linux and {iana} in /etc/protocols; write the number")
    if number is None:
        near = suggestion(value.lower(), known) or "; write its number (see /etc/protocols)"
        raise ValueError(f"{shown(value)} is no protocol known by name{near}")
    return number


def prefix_item(value: object) -> Prefix:
    """An address or network."""
    if not isinstance(value, str):
        raise ValueError(f'{shown(value)} is no address; write one in quotes, as in "192.0.2.0/24"')
    if "%" in value:
        plain, zone = value.split("%", 1)
        raise ValueError(f'{shown(value)} has a zone; write "{plain}", and beside it interface = ["{zone}"]')
    return _not_mapped(parse_prefix(value))


def _not_mapped(prefix: Prefix) -> Prefix:
    """Packets of an IPv4 connection have IPv4 addresses, whatever the program sees that holds its socket."""
    if prefix.family == 6 and prefix.length >= 96 and prefix.low >> 32 == 0xFFFF:
        plain = Prefix(4, prefix.low & 0xFFFFFFFF, prefix.length - 96)
        raise ValueError(f'no packet has the address {shown(str(prefix))}; write IPv4 as "{plain}"')
    return prefix


def interface_item(value: object) -> str:
    """An interface's name, or the beginning of names followed by `*`."""
    if not isinstance(value, str):
        raise ValueError(f'{shown(value)} is no interface; write a name in quotes, as in "eth0" or "wg*"')
    if value in ("", "*"):
        raise ValueError(f"{shown(value)} would match every interface; leave the key out for that")
    if "*" in value[:-1]:
        raise ValueError(f"{shown(value)}: * stands only at the end, for any end of a name")
    if len(value.encode()) > MAX_INTERFACE:
        raise ValueError(f"{shown(value)} is too long; the name of an interface has at most {MAX_INTERFACE} bytes")
    if not _INTERFACE.fullmatch(value) or value in (".", ".."):
        rule = "no blanks, quotes, colons or slashes, and only ASCII"
        raise ValueError(f"{shown(value)} cannot be the name of an interface: {rule}")
    return value


def user_item(value: object) -> int | str:
    """A uid, or a user's name -> itself: it is looked up elsewhere, as a service's."""
    if type(value) is int:
        if not 0 <= value <= MAX_USER:
            raise ValueError(f"{value} is no uid; uids are 0 to {MAX_USER}")
        return value
    if not isinstance(value, str):
        raise ValueError(f'{shown(value)} is no user; write a name ("alice") or a uid (1000)')
    if re.fullmatch("[0-9]+", value):
        raise ValueError(f"{shown(value)} is a number in quotes; write {int(value)}")
    if not _USER.fullmatch(value):
        listed = [each.strip() for each in value.split(",")]
        if len(listed) > 1 and all(map(_USER.fullmatch, listed)):
            raise ValueError(f"{shown(value)} is several names in one; write {', '.join(map(shown, listed))}")
        rule = 'a name has no ":", ",", "/" and no blank at either end'
        raise ValueError(f'{shown(value)} is no user: {rule}; write a name ("alice") or a uid (1000)')
    return value


def cgroup_item(value: object) -> str:
    """A cgroup's path below /sys/fs/cgroup -> the same without slashes around it."""
    if not isinstance(value, str):
        raise ValueError(f'{shown(value)} is no cgroup; write a path in quotes, as in "system.slice/nginx.service"')
    path = value.removeprefix("/sys/fs/cgroup/").strip("/")
    if not path:
        raise ValueError(f"{shown(value)} is the root, which every process is in; leave the key out for that")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f'{shown(value)} has an empty, "." or ".." part; write the plain path below /sys/fs/cgroup')
    if not is_quotable(path):
        raise ValueError(
            f"{shown(value)} cannot be written in nft: at most {MAX_LENGTH} characters, no quotes, and only ASCII"
        )
    if len(parts) > MAX_CGROUP_LEVEL:
        raise ValueError(f"the path has {len(parts)} levels; the kernel compares at most {MAX_CGROUP_LEVEL}")
    return path


def type_item(value: object) -> str:
    """The name of an SELinux type."""
    if isinstance(value, str) and ":" in value:
        raise ValueError(f"{shown(value)} is a whole context; write it as context = {shown(value)}")
    return identifier("type")(value)


def identifier(word: str) -> Callable[[object], str]:
    """The reader of a name in a security context; `word` says whose: a user's, a role's, a type's."""

    def name(value: object) -> str:
        if not isinstance(value, str) or not is_identifier(value):
            rule = "a letter, then letters, digits, '_', '.' and '-'"
            raise ValueError(f"{shown(value)} is no possible SELinux {word}: {rule}")
        return value

    return name


def level_item(value: object) -> str:
    """An MLS level, or nothing where the policy has no MLS."""
    if not isinstance(value, str):
        raise ValueError(f'{shown(value)} is no level; write one in quotes, as in "s0"')
    if value:
        parse_context(f"user_u:role_r:type_t:{value}")
    return value


def context_item(value: object) -> Context:
    """A context of three or four parts; without the fourth its level is empty."""
    if not isinstance(value, str):
        raise ValueError(
            f'{shown(value)} is no context; write one in quotes, as in "system_u:object_r:http_packet_t:s0"'
        )
    if ":" not in value:
        raise ValueError(f"{shown(value)} is no context, only a type; write it as type = {shown(value)}")
    return parse_context(value)


def label_item(value: object) -> str:
    """A type or a whole context, as text: what completes the type is in another table."""
    if not isinstance(value, str) or not value:
        raise ValueError(f'{shown(value)} is no label; write a type, as in "server_packet_t": every packet needs one')
    if ":" in value:
        parse_context(value)
    else:
        type_item(value)
    return value


def optional_label_item(value: object) -> str:
    """As `label_item`, and empty for none."""
    return "" if value == "" else label_item(value)


def duration_item(value: object) -> float:
    """Seconds; from a number of seconds or in the spelling of systemd.time(7): `5min`, `1min 30s`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _seconds(value)
    else:
        raise ValueError(f'{shown(value)} is no duration; write seconds (300) or units ("5min")')
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"{shown(value)} is out of bounds; write at least 1s and at most 1w")
    return seconds


def _seconds(text: str) -> float:
    seconds, pos = 0.0, 0
    stripped = text.strip()
    while found := _AMOUNT.match(stripped, pos):
        unit = found[2] or "s"
        if unit not in _UNITS:
            near = suggestion(unit, _UNITS) or '; units are s, min, h, d, w, as in "1min 30s"'
            raise ValueError(f"{shown(text)}: {unit!r} is no unit of time{near}")
        seconds += float(found[1]) * _UNITS[unit]
        pos = found.end()
    if not stripped or pos != len(stripped):
        raise ValueError(f'{shown(text)} is no duration; write one as in "5min", "30s" or "1min 30s"')
    return seconds
