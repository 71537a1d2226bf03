# SPDX-License-Identifier: GPL-2.0-or-later
"""The values that a rule's expressions are read as: what each test, look-up or act is about."""

from __future__ import annotations

from dataclasses import dataclass

from secmarkd.netlink.codec import attributes
from secmarkd.netlink.numbers import Expr

META, CT, PAYLOAD, SOCKET, EXTHDR = "meta", "ct", "payload", "socket", "exthdr"
VERDICTS = {0: "drop", 1: "accept", -1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
"""NF_DROP, NF_ACCEPT and enum nft_verdicts."""


class NotOurs(ValueError):
    """An expression that secmarkd never makes nft write."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A name such as `cmp`, and the attributes of NFTA_EXPR_DATA."""

    name: str
    attributes: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What of a packet a value is: a kind, the numbers that say which (keys, base and offset), and its bytes."""

    kind: str
    which: tuple[int, ...]
    width: int
    masked: tuple[bytes, bytes] | None = None
    """By `bitwise`: what it was ANDed and then XORed with."""
    turned: tuple[int, int] | None = None
    """By `byteorder`: the operator and the size of what was turned around."""


@dataclass(frozen=True, slots=True)
class Compare:
    """`SOURCE == DATA`, or with `negated` `!=`."""

    source: Source
    data: bytes
    negated: bool


@dataclass(frozen=True, slots=True)
class Between:
    """Whether a value is in a range, or with `negated` outside of it."""

    source: Source
    low: bytes
    high: bytes
    negated: bool


@dataclass(frozen=True, slots=True)
class Member:
    """Whether a set holds a value, or several one behind the other."""

    sources: tuple[Source, ...]
    set: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Use:
    """Use the object that a map has for the values."""

    sources: tuple[Source, ...]
    map: str


@dataclass(frozen=True, slots=True)
class UseNamed:
    """Use one object: its kind (NFT_OBJECT_*) and name."""

    kind: int
    name: str


@dataclass(frozen=True, slots=True)
class Put:
    """Set what belongs to the packet (`meta`) or its connection (`ct`) to a value."""

    kind: str
    key: int
    source: Source


@dataclass(frozen=True, slots=True)
class Insert:
    """Add a value to a set: NFT_DYNSET_OP_*."""

    sources: tuple[Source, ...]
    set: str
    operator: int
    timeout: int
    """Milliseconds; 0 for the set's own."""


@dataclass(frozen=True, slots=True)
class End:
    """A verdict."""

    code: int
    chain: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whatever else there is."""


Action = Compare | Between | Member | Use | UseNamed | Put | Insert | End | Unknown


@dataclass(frozen=True, slots=True)
class Step:
    """What one or more expressions do together: those that load something, and the one that uses what they have loaded."""

    action: Action
    expressions: tuple[Expression, ...]


def parse_expressions(content: bytes) -> tuple[Expression, ...]:
    """The content of NFTA_RULE_EXPRESSIONS. ValueError where it is not made of expressions."""
    return tuple(_expression(inner) for _, inner in attributes(content))


def _expression(content: bytes) -> Expression:
    found = list(attributes(content))
    name, data = dict(found).get(Expr.NAME), dict(found).get(Expr.DATA, b"")
    if name is None:
        raise ValueError("an expression without a name")
    rest = [(kind, inner) for kind, inner in found if kind not in (Expr.NAME, Expr.DATA)]
    try:
        listed = [*attributes(data), *rest]
    except ValueError:
        listed = [(0, data), *rest]
    return Expression(text(name), tuple(listed if len(found) <= 2 and not rest else [(0, content), *listed]))


def text(content: bytes) -> str:
    """A name of the kernel, up to its NUL; bytes that are no UTF-8 are kept as surrogates."""
    return content.split(b"\0")[0].decode(errors="surrogateescape")
