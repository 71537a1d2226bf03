# SPDX-License-Identifier: GPL-2.0-or-later
"""The grammar of a packet for `secmarkctl explain`. What the words mean, `packet_values` says."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from secmarkd.errors import UsageError, one_line
from secmarkd.model.packet import Hook
from secmarkd.selectors.every import BY_PROCESS

EXAMPLE = "in tcp from 192.0.2.7:51234 to 198.51.100.7:443 on eth0"

_PROCESS = "\n".join(f"         | {each.clause:<25} the local process's {each.name}" for each in BY_PROCESS)
GRAMMAR = f"""\
packet   = hook protocol clause...   the clauses in any order, each at most once
hook     = in | out | forward        as seen from this host
protocol = NAME | NUMBER             tcp, udp, icmp, ...
clause   = from end                  required
         | to end                    required
         | on INTERFACE              forward: the interface by which the packet enters
         | via INTERFACE             forward only: the interface by which it leaves
         | reply | untracked         what conntrack says; otherwise the packet goes in its connection's direction
         | syn | established         without either, a packet that is no reply opens its connection
         | unseen                    the opening of its connection was not seen: it is older than the table, or
                                     conntrack has forgotten it
         | expected                  announced by a conntrack helper, as an FTP data connection is
         | saved CONTEXT             the label on its connection: an earlier packet's, or that of the connection
                                     that announced it
         | labelled CONTEXT          out only: the label that the packet carries already, as inside a tunnel
{_PROCESS}
end      = ADDRESS | ADDRESS:PORT | [ADDRESS]:PORT | ADDRESS port PORT
                                     the third for IPv6; PORT is a number or a name of /etc/services
"""
"""For --help and README."""

_HOOKS = {"in": Hook.INPUT, "out": Hook.OUTPUT, "forward": Hook.FORWARD}
FLAGS = ("reply", "untracked", "syn", "established", "unseen", "expected")
"""The clauses of one word."""
VALUES = ("on", "via", "saved", "labelled", *(each.name for each in BY_PROCESS))
"""Those of a word and a value; `from` and `to` have an end."""
_ENDS = ("from", "to")
_CLAUSES = (*_ENDS, *VALUES, *FLAGS)
_CONTRADICTIONS = (
    {"reply", "untracked"}, {"expected", "untracked"}, {"untracked", "unseen"}, {"untracked", "established"},
    {"syn", "established"}, {"syn", "reply"}, {"syn", "unseen"},
)  # fmt: skip
"""No packet is both. A reply to a SYN has SYN and ACK, and opens nothing."""
_SHOWN = 60
"""Characters of a word that a message shows."""


class PacketSyntaxError(UsageError):
    """The words make no packet. `word`: the one at fault."""

    def __init__(self, message: str, word: Word | None = None) -> None:
        place = f"word {word.position}: " if word else ""
        super().__init__(f"{place}{message}", hint=f"for example: secmarkctl explain {EXAMPLE}")


@dataclass(frozen=True, slots=True)
class Word:
    """One word, and which it is, counted from 1."""

    text: str
    position: int

    def __str__(self) -> str:
        """As messages show it."""
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return f'"{one_line(text)}"'


@dataclass(frozen=True, slots=True)
class End:
    """What follows `from` or `to`."""

    address: Word
    port: Word | None


@dataclass(frozen=True, slots=True)
class PacketWords:
    """A packet by its words."""

    hook: Hook
    protocol: Word
    source: End
    destination: End
    values: Mapping[str, Word]
    """By the word of VALUES before each."""
    flags: Mapping[str, Word]
    """By its text, each of FLAGS that was given."""


def parse_words(arguments: Iterable[str]) -> PacketWords:
    """Take the words apart by GRAMMAR; an argument may hold several. Raises PacketSyntaxError."""
    texts = [text for argument in arguments for text in argument.split()]
    words = deque(Word(text, position) for position, text in enumerate(texts, 1))
    hook = _next(words, "in, out or forward")
    if hook.text not in _HOOKS:
        raise PacketSyntaxError(f"expected in, out or forward, got {hook}{_fix(hook, _HOOKS)}", hook)
    protocol = _next(words, f"a protocol after {hook}")
    if protocol.text in (*_HOOKS, *_CLAUSES):
        raise PacketSyntaxError(f"expected a protocol (tcp, udp, icmp, ... or a number), got {protocol}", protocol)
    ends: dict[str, End] = {}
    values: dict[str, Word] = {}
    flags: dict[str, Word] = {}
    given: dict[str, Word] = {}
    while words:
        keyword = words.popleft()
        if keyword.text not in _CLAUSES:
            raise PacketSyntaxError(_unexpected(keyword), keyword)
        if keyword.text in given:
            first = given[keyword.text].position
            raise PacketSyntaxError(f"{keyword} is given twice (first as word {first}); remove one of them", keyword)
        given[keyword.text] = keyword
        if keyword.text in _ENDS:
            ends[keyword.text] = _end(_next(words, f"an address after {keyword}"), words)
        elif keyword.text in VALUES:
            values[keyword.text] = _next(words, f"a value after {keyword}")
        else:
            flags[keyword.text] = keyword
    for end in _ENDS:
        if end not in ends:
            raise PacketSyntaxError(f'"{end}" is missing; add {end} ADDRESS')
    _refuse_contradictions(flags)
    return PacketWords(_HOOKS[hook.text], protocol, ends["from"], ends["to"], values, flags)


def _next(words: deque[Word], expected: str) -> Word:
    if not words:
        raise PacketSyntaxError(f"expected {expected}, got the end of the packet")
    return words.popleft()


def _end(word: Word, words: deque[Word]) -> End:
    """The address and its port, which may be the next two words."""
    address, port = _split(word)
    if words and words[0].text == "port":
        keyword = words.popleft()
        after = _next(words, f"a port after {keyword}")
        if port is not None:
            raise PacketSyntaxError(f"the port is given twice ({port}, {after}); remove one of them", keyword)
        port = after
    return End(address, port)


def _split(word: Word) -> tuple[Word, Word | None]:
    address, colon, port = word.text, "", ""
    if word.text.startswith("["):
        address, bracket, behind = word.text[1:].partition("]")
        colon, port = behind[:1], behind[1:]
        if not bracket or colon not in ("", ":"):
            raise PacketSyntaxError(f"expected [ADDRESS]:PORT, as in [2001:db8::1]:443, got {word}", word)
    elif word.text.count(":") == 1:
        address, colon, port = word.text.partition(":")
    if colon and not port:
        raise PacketSyntaxError(f"expected a port after the colon of {word}; add one or remove the colon", word)
    return Word(address, word.position), Word(port, word.position) if port else None


def _unexpected(word: Word) -> str:
    if word.text == "port":
        return f"{word} belongs directly after an address; write from ADDRESS port PORT or to ADDRESS port PORT"
    return f"expected one of {', '.join(_CLAUSES)}; got {word}{_fix(word, _CLAUSES) or '; remove it'}"


def _fix(word: Word, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only for a mistake

    plain = word.text.lower().strip(",")
    likely = get_close_matches(plain, known, n=1, cutoff=0.75)
    return f'; did you mean "{likely[0]}"?' if likely else ""


def _refuse_contradictions(flags: Mapping[str, Word]) -> None:
    for first, second in combinations(flags.values(), 2):
        if {first.text, second.text} in _CONTRADICTIONS:
            message = f"{second} contradicts {first} (word {first.position}); remove one of them"
            raise PacketSyntaxError(message, second)
