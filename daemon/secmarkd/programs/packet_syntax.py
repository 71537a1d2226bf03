# SPDX-License-Identifier: GPL-2.0-or-later
"""The words about a packet, sorted out: which word says what, before anybody asks what a value means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from secmarkd.errors import UsageError
from secmarkd.model.packet import Hook
from secmarkd.model.protocols import WITH_PORTS, WITHOUT_PORTS

EXAMPLE = "in tcp from 192.0.2.7:51234 to 198.51.100.7:443 on eth0"

_HOOKS = {
    "in": Hook.INPUT, "input": Hook.INPUT, "out": Hook.OUTPUT, "output": Hook.OUTPUT,
    "forward": Hook.FORWARD, "forwarded": Hook.FORWARD, "fwd": Hook.FORWARD,
}  # fmt: skip
_FLAGS = {
    "reply": "reply", "original": "original", "untracked": "untracked", "invalid": "untracked", "expected": "expected",
    "syn": "syn", "new": "new", "established": "established", "unseen": "unseen",
}  # fmt: skip
_CONTRADICTIONS = (
    {"original", "reply"}, {"original", "untracked"}, {"reply", "untracked"}, {"expected", "untracked"},
    {"syn", "established"}, {"new", "established"}, {"syn", "reply"}, {"new", "reply"},
    {"syn", "unseen"}, {"new", "unseen"}, {"untracked", "unseen"}, {"untracked", "established"}, {"untracked", "new"},
)  # fmt: skip
"""Nothing is both. A reply to a SYN has SYN and ACK, and opens nothing."""
_TAKE_VALUE = ("from", "to", "on", "via", "user", "cgroup", "saved", "labelled", "port")
_IGNORED = ("packet", "a", "an", "the", "and", "interface", "proto", "protocol")


class Unclear(UsageError):
    """The words do not make a packet."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=f"for example: secmarkctl explain {EXAMPLE}")


@dataclass(slots=True)
class Said:
    """What the words said, as text."""

    hook: Hook | None = None
    protocol: str = ""
    values: dict[str, str] = field(default_factory=dict)
    """By the word before each: `from`, `on`, `user`…"""
    ports: dict[str, str] = field(default_factory=dict)
    """By `from` and `to`."""
    flags: dict[str, str] = field(default_factory=dict)
    """By what it means, the word that said it."""


def sort_out(words: Iterable[str]) -> Said:
    """Which word says what. Raises Unclear for one that is not known, or that says something else than one before it."""
    said, end = Said(), ""
    rest = _single(words)
    for word in rest:
        low = word.lower()
        if low == "port":
            if not end:
                raise Unclear("`port` stands after the address it belongs to")
            keep(said.ports, end, _value(word, rest), "the port after the address that follows")
        elif low in _TAKE_VALUE:
            end = low if low in ("from", "to") else end
            keep(said.values, low, _value(word, rest), "what follows")
        elif low in _HOOKS:
            if said.hook not in (None, _HOOKS[low]):
                raise Unclear(f"{word!r}: the packet's way was said before, and is one of in, out and forward")
            said.hook = _HOOKS[low]
        elif low in _FLAGS:
            said.flags[_FLAGS[low]] = low
        elif low not in _IGNORED:
            _protocol(said, low)
    _refuse_contradictions(said)
    return said


def keep(values: dict[str, str], key: str, value: str, what: str) -> None:
    """Set what is not set yet; Unclear where it is, to something else."""
    before = values.setdefault(key, value)
    if before != value:
        raise Unclear(f"{what} `{key}` was said twice: {before} and {value}")


def _single(words: Iterable[str]) -> Iterator[str]:
    """The words one by one, without commas around them; those inside of one belong to it, as in a context."""
    for word in words:
        yield from filter(None, (part.strip(",") for part in word.split()))


def _value(word: str, rest: Iterator[str]) -> str:
    of_process = word.lower() in ("user", "cgroup")  # whose names may be anything
    value = next((each for each in rest if of_process or each.lower() not in _IGNORED), "")
    if not value:
        raise Unclear(f"after {word!r} something is missing")
    return value


def _protocol(said: Said, word: str) -> None:
    if not said.protocol:
        said.protocol = word
    elif word != said.protocol:
        known = word in WITH_PORTS or word in WITHOUT_PORTS
        also = f"; the protocol is {said.protocol} already" if known else ""
        raise Unclear(f"{word!r} is not understood here{also}")


def _refuse_contradictions(said: Said) -> None:
    pairs: Iterator[Sequence[str]] = combinations(said.flags, 2)
    for first, second in pairs:
        if {first, second} in _CONTRADICTIONS:
            raise Unclear(f"a packet is not both `{said.flags[first]}` and `{said.flags[second]}`")
