# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no port as it stands, and which ports it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from secmarkd.errors import Fix
from secmarkd.mistakes.advice import (
    Mistake,
    Reader,
    instead_of_key,
    looks_into,
    prose,
    settled,
    settled_all,
    toml,
    write,
)
from secmarkd.mistakes.words import plain, shown
from secmarkd.model.protocols import WITH_PORTS

MAX_PORT = 65535

EVERYTHING = frozenset(("any", "all", "*", "every", "both", "everything", "-", "any port", "all ports", "0-65535"))
"""What other tools say for every value there is."""

_KINDS = 'a number (443), a range ("8000-8010") or a name ("https")'
_BETWEEN = re.compile(
    r"([0-9]{1,6})\s*(?:-+>?|:|\.{2,3}|~|\bto\b|\band\b|\bthrough\b|…)\s*([0-9]{1,6})", re.IGNORECASE
)
_FROM = re.compile(r"(?:>=?\s*([0-9]{1,6})|([0-9]{1,6})\s*(?:[-:+]|\.{2,3}))")
_UP_TO = re.compile(r"(?:<=?\s*|-\s*|\.{2,3}\s*)([0-9]{1,6})")
_SEMANAGE = re.compile(r"([a-z][a-z0-9_]*_t)\s+(tcp|udp|sctp|dccp)\s+([0-9][0-9, -]*)")
_WITH_PROTOCOL = (
    re.compile(r"(?P<port>[^\s/:]+)\s*/\s*(?P<protocol>[A-Za-z]+)[46]?"),
    re.compile(r"(?P<protocol>[A-Za-z]+)[46]?\s*[/:\s]\s*(?P<port>[0-9][0-9\s,-]*)"),
    re.compile(r"(?P<port>[0-9]+(?:\s*-\s*[0-9]+)?)\s+(?P<protocol>[A-Za-z]+)[46]?"),
)
_WITH_ADDRESS = re.compile(r"(?:[a-z]+://)?(?:\*|\[[0-9A-Fa-f:.]*\]|[A-Za-z0-9.-]*|::|:::?):([0-9]{1,5})/?")
_SERVICE = re.compile(r"(?=.*[A-Za-z])(?!0[xob][0-9])[A-Za-z0-9][A-Za-z0-9._+-]*")


@looks_into
def port_mistake(value: object, protocol: str, read: Reader) -> Mistake:
    """Why the value is no port, range of ports or service of the protocol; `read` is the reader that refused it."""
    match value:
        case bool():
            return _everything(shown(value), protocol)
        case int():
            return _number(value, str(value), protocol)
        case float() if value.is_integer() and 0 < value <= MAX_PORT:
            return Mistake(f"{shown(value)} has a decimal point, and ports have none", write(str(int(value))))
        case str():
            return _text(value, protocol, read)
        case list() if items := settled_all(read, [item for item in value if type(item) in (int, str)]):
            if len(value) == len(items):
                return Mistake("a list inside the list of ports", write(*items))
        case dict() if ends := _ends(value):
            return Mistake("expected a port, got a table", write(*settled(read, ends)))
    return Mistake(f"expected a port, got {shown(value)}", write("443", '"8000-8010"', '"https"', like=True))


def _ends(table: dict[str, object]) -> int | str | None:
    """What a table with the words of other tools says: `{ port = 80 }`, `{ from = 80, to = 90 }`."""
    match list(table.values()):
        case [int(port)] if 0 < port <= MAX_PORT:
            return port
        case [int(first), int(last)] if 0 < first <= last <= MAX_PORT:
            return f"{first}-{last}"
        case _:
            return None


def _number(number: int, text: str, protocol: str) -> Mistake:
    if number == 0:
        wrong = "invalid port 0 (expected 1-65535): no packet has it"
        return Mistake(wrong, _all_of(protocol, "for every port"))
    sign = abs(number)
    if number < 0 and sign <= MAX_PORT:
        return Mistake(f"invalid port {text} (expected 1-65535)", write(str(sign)))
    return Mistake(f"invalid port {shown(number)} (expected 1-65535)", prose("write a port within these bounds"))


def _all_of(protocol: str, purpose: str = "") -> Fix:
    fix = instead_of_key(("protocol", f'["{protocol}"]'))
    return Fix(f"{fix.words} {purpose}".rstrip(), beside=fix.beside, whole=True)


def _everything(written: str, protocol: str) -> Mistake:
    return Mistake(f"expected a port, got {written}: every port of {protocol} is the protocol", _all_of(protocol))


def _text(value: str, protocol: str, read: Reader) -> Mistake:
    text = plain(value)
    if not text:
        return Mistake(f"{shown(value)} names no port", write("443", '"8000-8010"', '"https"', like=True))
    for find in (_word_for_all, _in_quotes, _as_range, _excluded, _pasted, _several, _of_protocol, _behind_address):
        if found := find(value, text, protocol, read):
            return found
    if text != value and (items := settled(read, text)):
        return Mistake(f"{shown(value)} has blanks or look-alikes of plain characters", write(*items))
    return _otherwise(value, text, protocol)


def _word_for_all(value: str, text: str, protocol: str, _: Reader) -> Mistake | None:
    return _everything(shown(value), protocol) if text.lower() in (*EVERYTHING, protocol) else None


def _in_quotes(value: str, text: str, protocol: str, read: Reader) -> Mistake | None:
    if found := re.fullmatch(r"\+?([0-9_]+)(?:\.0*)?", text):
        digits = found[1].replace("_", "").lstrip("0") or "0"
        if len(digits) > 5:
            return Mistake(
                f"invalid port {shown(value)} (expected 1-65535)", prose("write a port within these bounds")
            )
        if not 0 < int(digits) <= MAX_PORT:
            return _number(int(digits), digits, protocol)
        return Mistake(f"{shown(value)} is a number in quotes", write(*settled(read, int(digits))))
    if found := re.fullmatch(r"0[xX]([0-9A-Fa-f]{1,8})|0[oO]([0-7]{1,8})|0[bB]([01]{1,20})", text):
        number = next(int(digits, base) for digits, base in zip(found.groups(), (16, 8, 2), strict=True) if digits)
        if not 0 < number <= MAX_PORT:
            return _number(number, str(number), protocol)
        return Mistake(f"{shown(value)} is a number in quotes", write(str(number)))
    return None


def _as_range(value: str, text: str, _: str, read: Reader) -> Mistake | None:
    """A range that is written in another way, is open at one end, is reversed, or leaves the ports there are."""
    if found := _BETWEEN.fullmatch(text):
        first, last = int(found[1]), int(found[2])
        if first > last and last > 0:
            wrong = f"the range {shown(value)} is reversed"
        elif first == 0 or last > MAX_PORT:
            wrong = f"invalid range {shown(value)} (expected ports 1-65535)"
        else:
            wrong = f"{shown(value)} is not how a range is written here"
        low, high = (min(max(each, 1), MAX_PORT) for each in sorted((first, last)))
        return Mistake(wrong, write(toml(f"{low}-{high}")))
    if found := _FROM.fullmatch(text):
        digits = found[1] or found[2]
        return _open(value, digits, f"{digits}-{MAX_PORT}", "for all from it on", read)
    if found := _UP_TO.fullmatch(text):
        return _open(value, found[1], f"1-{found[1]}", "for all up to it", read)
    return None


def _open(value: str, digits: str, whole: str, purpose: str, read: Reader) -> Mistake:
    one, all_ = settled(read, int(digits)), settled(read, whole)
    fixes = [write(*one, purpose="for the one port")] if one else []
    fixes += [write(*all_, purpose=purpose)] if all_ else []
    return Mistake(f"{shown(value)} is a range without one of its ends", *fixes)


def _excluded(value: str, text: str, protocol: str, read: Reader) -> Mistake | None:
    found = re.fullmatch(r"(?:[!^~]|not\b|except\b)\s*(.+)", text, re.IGNORECASE)
    if found is None:
        return None
    kept = settled(read, int(found[1]) if found[1].isdecimal() and len(found[1]) <= 5 else found[1])
    wrong = f"{shown(value)} leaves a port out, and ports are listed"
    ends = read(int(kept[0]) if kept[0].isdecimal() else kept[0].strip('"')) if len(kept) == 1 else None
    if not isinstance(ends, tuple):
        return Mistake(wrong, _all_of(protocol, "for every port"))
    around = [(1, ends[0] - 1), (ends[1] + 1, MAX_PORT)]
    return Mistake(
        wrong, write(*(toml(f"{low}-{high}") if low < high else str(low) for low, high in around if low <= high))
    )


def _pasted(value: str, text: str, _: str, read: Reader) -> Mistake | None:
    """A line of `semanage port -l`."""
    found = _SEMANAGE.fullmatch(text)
    if found is None or not (items := _listed(found[3], found[2], read)):
        return None
    wrong = f"{shown(value)} is a line of `semanage port -l`, and only its ports belong here"
    return Mistake(wrong, write(beside=[(found[2], f"[{', '.join(items)}]")]))


def _several(value: str, text: str, protocol: str, read: Reader) -> Mistake | None:
    items = _listed(text, protocol, read)
    return Mistake(f"{shown(value)} is several ports in one string", write(*items)) if len(items) > 1 else None


def _listed(text: str, protocol: str, read: Reader) -> tuple[str, ...]:
    joined = re.sub(r"\s*-\s*", "-", text.strip().strip("[](){}").strip())
    parts = [part for part in re.split(r"[,;|\s]+", joined) if part]
    if len(parts) > 1000 or not all(part[0].isdecimal() or part in service_names(protocol) for part in parts):
        return ()
    return settled_all(read, [int(part) if part.isdecimal() and len(part) <= 9 else part for part in parts])


def _of_protocol(value: str, text: str, protocol: str, read: Reader) -> Mistake | None:
    """`80/tcp`, as /etc/services has it, `tcp/80`, `tcp 80`."""
    for pattern in _WITH_PROTOCOL:
        found = pattern.fullmatch(text)
        name = found["protocol"].lower() if found else ""
        if found is None or name not in WITH_PORTS:
            continue
        if items := _listed(found["port"], name, read):
            if name == protocol:
                return Mistake(f"{shown(value)}: the key names the protocol already", write(*items))
            return Mistake(f"{shown(value)} is of {name}", write(beside=[(name, f"[{', '.join(items)}]")]))
    return None


def _behind_address(value: str, text: str, _: str, read: Reader) -> Mistake | None:
    found = _WITH_ADDRESS.fullmatch(text)
    if found is None or not (items := settled(read, int(found[1]))):
        return None
    wrong = f"{shown(value)} is more than a port; addresses are given as remote (the other host) or local (this host)"
    return Mistake(wrong, write(*items))


def _otherwise(value: str, text: str, protocol: str) -> Mistake:
    if text.lower() != value and text.lower() in service_names(protocol):
        return Mistake(f"{shown(value)}: names of services are in small letters", write(toml(text.lower())))
    return Mistake(f"expected {_KINDS}, got {shown(value)}", prose("write the port's number"))


def is_service_name(text: str, protocol: str) -> bool:
    """Whether a service of the protocol could have this name, on this machine or another.

    A word for all ports could, and a known name in capitals; but nobody means that.
    """
    if _SERVICE.fullmatch(text) is None or text.lower() in EVERYTHING or text.lower() in WITH_PORTS:
        return False
    known = service_names(protocol)
    return text in known or text.lower() not in known


@lru_cache(maxsize=8)
def service_names(protocol: str) -> tuple[str, ...]:
    """The names that /etc/services has for the protocol; only for suggestions, so that its absence does not matter."""
    return tuple(_service_names(protocol))


def _service_names(protocol: str) -> Iterator[str]:
    try:
        with open("/etc/services", encoding="utf-8", errors="replace") as file:
            lines = [line.split("#")[0].split() for line in file]
    except OSError:
        return
    for words in lines:
        if len(words) > 1 and words[1].endswith(f"/{protocol}"):
            yield from (words[0], *words[2:])
