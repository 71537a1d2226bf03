# SPDX-License-Identifier: GPL-2.0-or-later
"""The expressions of one rule, carried out on symbols: what each test, look-up or act of the rule is about.

nf_tables keeps values in registers of 4 bytes. Here a register holds not a value but what it is the value of (a Source) and
which 4 bytes of it, so that neither the numbers of registers matter nor how an expression writes them (NFT_REG_1 is
NFT_REG32_00), while a value that another expression has left there, one that is cut short, or one that is masked is
another thing. Numbers of attributes, keys and operators are the enums of linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from secmarkd.netlink.codec import attributes

_WORD = 4
"""NFT_REG32_SIZE, in bytes."""
_WORDS_PER_REGISTER = 4
_REG32_00, _REG32_15 = 8, 23
_WORDS = 20
"""Of the register file: the verdict's register and 16 of data."""

META, CT, PAYLOAD, SOCKET, EXTHDR = "meta", "ct", "payload", "socket", "exthdr"
NETWORK, TRANSPORT = 1, 2
"""NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER."""
EQ, NEQ, _LTE, _GTE = 0, 1, 3, 5
_META_WIDTHS = {6: 16, 7: 16, 10: 4, 11: 4, 14: 4, 15: 1, 16: 1, 26: 16, 27: 16}
"""Bytes of NFT_META_IIFNAME, OIFNAME, SKUID, SKGID, SECMARK, NFPROTO, L4PROTO, IIFKIND and OIFKIND."""
_CT_WIDTHS = {0: 4, 1: 1, 2: 4, 4: 4, 23: 4}
"""Bytes of NFT_CT_STATE, DIRECTION, STATUS, SECMARK and ID."""
_SOCKET_WIDTHS = {3: 8}
"""Bytes of NFT_SOCKET_CGROUPV2."""
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
    name, data = dict(found).get(1), dict(found).get(2, b"")
    if name is None:
        raise ValueError("an expression without a name")
    rest = [(kind, inner) for kind, inner in found if kind not in (1, 2)]
    try:
        listed = [*attributes(data), *rest]
    except ValueError:
        listed = [(0, data), *rest]
    return Expression(text(name), tuple(listed if len(found) <= 2 and not rest else [(0, content), *listed]))


def text(content: bytes) -> str:
    """A name of the kernel, up to its NUL; bytes that are no UTF-8 are kept as surrogates."""
    return content.split(b"\0")[0].decode(errors="surrogateescape")


def run(expressions: tuple[Expression, ...]) -> Iterator[Step]:
    """The steps of a rule. What loads something that the next user does not use is Unknown, and so is who uses what was
    loaded for another."""
    machine = _Machine()
    for expression in expressions:
        yield from machine.take(expression)
    yield from machine.end()


@dataclass(slots=True)
class _Machine:
    registers: list[tuple[Source, int] | None] = field(default_factory=lambda: [None] * _WORDS)
    pending: list[Source] = field(default_factory=list)
    """Loaded, and not used yet."""
    waiting: list[Expression] = field(default_factory=list)
    """The expressions that loaded it, and the first half of a range."""
    low: Between | None = None
    """The first half of a range, of which the second has to come next."""

    def take(self, each: Expression) -> Iterator[Step]:
        """Carry out one expression; the step that it ends, if it ends one."""
        self.waiting.append(each)
        try:
            if self.low is not None:
                yield self._step(self._upper(each, self.low))
            elif each.name in _LOADS and (source := _LOADS[each.name](_Attributes(each))) is not None:
                self._load(_number(dict(each.attributes)[_DESTINATIONS[each.name]]), source)
            elif each.name in _CHANGES:
                self._change(each)
            else:
                yield from self._use(each)
        except NotOurs:
            yield self._step(Unknown())

    def end(self) -> Iterator[Step]:
        """What was loaded and is never used."""
        if self.waiting:
            yield self._step(Unknown())

    def _step(self, action: Action) -> Step:
        expressions = tuple(self.waiting)
        self.waiting, self.pending, self.low = [], [], None
        return Step(action, expressions)

    def _load(self, register: int, source: Source) -> None:
        first = _word(register)
        words = range(first, first + -(-source.width // _WORD))
        if words.stop > _WORDS:
            raise NotOurs("past the last register")
        for number, word in enumerate(words):
            self.registers[word] = source, number
        self.pending.append(source)

    def _change(self, each: Expression) -> None:
        """`bitwise` or `byteorder`: what was loaded last, changed in place."""
        found = _Attributes(each)
        source_register, register = found.number(1), found.number(2)
        source = self._whole(source_register)
        if register != source_register or not self.pending or source is not self.pending[-1]:
            raise NotOurs("not what was loaded last")
        changed = _CHANGES[each.name](found, source)
        found.done()
        self.pending.pop()
        self._load(register, changed)

    def _use(self, each: Expression) -> Iterator[Step]:
        if each.name not in _USES:
            raise NotOurs(each.name)
        found = _Attributes(each)
        action = _USES[each.name](self, found)
        found.done()
        if action is not None:
            yield self._step(action)

    def _upper(self, each: Expression, low: Between) -> Between:
        """The second half of a range."""
        found = _Attributes(each)
        register, operator, data = found.number(1), found.number(2), found.value(3)
        found.done()
        if (
            each.name != "cmp"
            or operator != _LTE
            or self._whole(register) is not low.source
            or len(data) != len(low.low)
        ):
            raise NotOurs("no second half of a range")
        return replace(low, high=data)

    def _whole(self, register: int) -> Source:
        """The source of which a register and those after it hold all bytes."""
        first = _word(register)
        held = self.registers[first]
        if held is None or held[1] != 0:
            raise NotOurs("nothing, or a part of something")
        source = held[0]
        for number in range(-(-source.width // _WORD)):
            if first + number >= _WORDS or self.registers[first + number] != (source, number):
                raise NotOurs("a part of something")
        return source

    def only(self, register: int) -> Source:
        """The one source that was loaded for this, from a register."""
        source = self._whole(register)
        if len(self.pending) != 1 or self.pending[0] is not source:
            raise NotOurs("not what was loaded for it")
        return source

    def all(self, register: int) -> tuple[Source, ...]:
        """All sources that were loaded for this, one behind the other from a register on."""
        first, found = _word(register), []
        for source in self.pending:
            if first >= _WORDS or self._whole(first - _WORDS_PER_REGISTER + _REG32_00) is not source:
                raise NotOurs("not what was loaded for it")
            found.append(source)
            first += -(-source.width // _WORD)
        if not found:
            raise NotOurs("nothing was loaded for it")
        return tuple(found)


def _word(register: int) -> int:
    """nft_parse_register."""
    if 0 < register <= _WORDS // _WORDS_PER_REGISTER - 1:
        return register * _WORDS_PER_REGISTER
    if _REG32_00 <= register <= _REG32_15:
        return register - _REG32_00 + _WORDS_PER_REGISTER
    raise NotOurs("no register of data")


class _Attributes:
    """An expression's attributes, each to be taken exactly once."""

    def __init__(self, expression: Expression) -> None:
        self._left = dict(expression.attributes)
        if len(self._left) != len(expression.attributes):
            raise NotOurs("an attribute that comes twice")

    def raw(self, kind: int) -> bytes:
        if kind not in self._left:
            raise NotOurs("an attribute that is missing")
        return self._left.pop(kind)

    def has(self, kind: int) -> bool:
        return kind in self._left

    def number(self, kind: int) -> int:
        return _number(self.raw(kind))

    def text(self, kind: int) -> str:
        return text(self.raw(kind))

    def value(self, kind: int) -> bytes:
        """NFTA_DATA_VALUE in a nested attribute."""
        (inner,) = self.nested(kind, 1)
        return inner[1]

    def nested(self, kind: int, *allowed: int) -> list[tuple[int, bytes]]:
        """The attributes in an attribute, of these kinds and each once at most."""
        try:
            found = list(attributes(self.raw(kind)))
        except ValueError as error:
            raise NotOurs("a broken attribute") from error
        kinds = [each for each, _ in found]
        if not found or len(set(kinds)) != len(kinds) or not set(kinds) <= set(allowed):
            raise NotOurs("other attributes")
        return found

    def done(self) -> None:
        """NotOurs where anything is left."""
        if self._left:
            raise NotOurs("an attribute too many")


def _number(content: bytes) -> int:
    """A number in network byte order, of 4 bytes."""
    if len(content) != _WORD:
        raise NotOurs("a number of another length")
    return int.from_bytes(content, "big")


# --- what loads; None for an expression of the same name that sets something ---


def _load_meta(found: _Attributes) -> Source | None:
    if not found.has(1):
        return None
    found.raw(1)
    key = found.number(2)
    found.done()
    return _known(META, (key,), _META_WIDTHS.get(key))


def _load_ct(found: _Attributes) -> Source | None:
    if not found.has(1):
        return None
    found.raw(1)
    key = found.number(2)
    found.done()
    return _known(CT, (key,), _CT_WIDTHS.get(key))


def _load_payload(found: _Attributes) -> Source | None:
    if not found.has(1):
        return None
    found.raw(1)
    base, offset, length = found.number(2), found.number(3), found.number(4)
    found.done()
    return _known(PAYLOAD, (base, offset), length if 0 < length <= _WORD * _WORDS_PER_REGISTER else None)


def _load_socket(found: _Attributes) -> Source | None:
    found.raw(2)
    key, level = found.number(1), found.number(3)
    found.done()
    return _known(SOCKET, (key, level), _SOCKET_WIDTHS.get(key))


def _load_exthdr(found: _Attributes) -> Source | None:
    if not found.has(1):
        return None
    found.raw(1)
    kind = found.raw(2)
    which = (found.number(6), int.from_bytes(kind, "big"), found.number(3), found.number(5))
    length = found.number(4)
    found.done()
    return _known(EXTHDR, which, length if length == 1 and len(kind) == 1 else None)


def _known(kind: str, which: tuple[int, ...], width: int | None) -> Source:
    if width is None:
        raise NotOurs(f"another key of {kind}")
    return Source(kind, which, width)


_LOADS = {META: _load_meta, CT: _load_ct, PAYLOAD: _load_payload, SOCKET: _load_socket, EXTHDR: _load_exthdr}
_DESTINATIONS = {META: 1, CT: 1, PAYLOAD: 1, SOCKET: 2, EXTHDR: 1}
"""The attribute with the register in which it puts what it loads."""


# --- what changes a register ---


def _mask(found: _Attributes, source: Source) -> Source:
    length, operator = found.number(3), found.number(6)
    mask, other = found.value(4), found.value(5)
    if length != source.width or operator != 0 or len(mask) != length or len(other) != length:
        raise NotOurs("another bitwise")
    if source.masked or source.turned:
        raise NotOurs("changed twice")
    return replace(source, masked=(mask, other))


def _turn(found: _Attributes, source: Source) -> Source:
    operator, length, size = found.number(3), found.number(4), found.number(5)
    if length != source.width or source.masked or source.turned:
        raise NotOurs("another byteorder")
    return replace(source, turned=(operator, size))


_CHANGES = {"bitwise": _mask, "byteorder": _turn}


# --- what uses registers; None for the first half of a range ---


def _use_cmp(machine: _Machine, found: _Attributes) -> Action | None:
    source, operator, data = machine.only(found.number(1)), found.number(2), found.value(3)
    if operator == _GTE:
        machine.low = Between(source, data, b"", False)
        return None
    if operator not in (EQ, NEQ) or len(data) > source.width:
        raise NotOurs("another comparison")
    return Compare(source, data, operator == NEQ)


def _use_range(machine: _Machine, found: _Attributes) -> Action:
    source, operator = machine.only(found.number(1)), found.number(2)
    if operator not in (EQ, NEQ):
        raise NotOurs("another comparison")
    return Between(source, found.value(3), found.value(4), operator == NEQ)


def _use_lookup(machine: _Machine, found: _Attributes) -> Action:
    name, sources = found.text(1), machine.all(found.number(2))
    flags = found.number(5) if found.has(5) else 0
    if flags not in (0, 1):
        raise NotOurs("other flags")
    return Member(sources, name, flags == 1)


def _use_objref(machine: _Machine, found: _Attributes) -> Action:
    if found.has(1):
        if machine.pending:
            raise NotOurs("loaded for nothing")
        return UseNamed(found.number(1), found.text(2))
    return Use(machine.all(found.number(3)), found.text(4))


def _use_meta(machine: _Machine, found: _Attributes) -> Action:
    return Put(META, found.number(2), machine.only(found.number(3)))


def _use_ct(machine: _Machine, found: _Attributes) -> Action:
    return Put(CT, found.number(2), machine.only(found.number(4)))


def _use_dynset(machine: _Machine, found: _Attributes) -> Action:
    name, operator, sources = found.text(1), found.number(3), machine.all(found.number(4))
    if found.number(9) != 0:
        raise NotOurs("other flags")
    return Insert(sources, name, operator, int.from_bytes(found.raw(6), "big"))


def _use_immediate(machine: _Machine, found: _Attributes) -> Action:
    if found.number(1) != 0 or machine.pending:
        raise NotOurs("a value")
    ((kind, content),) = found.nested(2, 2)
    try:
        said = list(attributes(content))
    except ValueError as error:
        raise NotOurs("a broken verdict") from error
    listed = dict(said)
    if len(listed) != len(said) or not set(listed) <= {1, 2} or 1 not in listed or kind != 2:
        raise NotOurs("another verdict")
    code = int.from_bytes(listed[1], "big", signed=True)
    return End(code, text(listed.get(2, b"")))


_USES = {
    "cmp": _use_cmp,
    "range": _use_range,
    "lookup": _use_lookup,
    "objref": _use_objref,
    META: _use_meta,
    CT: _use_ct,
    "dynset": _use_dynset,
    "immediate": _use_immediate,
}
