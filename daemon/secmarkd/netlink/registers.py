# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule's expressions, carried out on symbols.

nf_tables keeps values in registers of 4 bytes. Here a register holds not a value but what it is the value of (a Source) and
which 4 bytes of it, so that neither the numbers of registers matter nor how an expression writes them (NFT_REG_1 is
NFT_REG32_00), while a value that another expression has left there, one that is cut short, or one that is masked is
another thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from secmarkd.netlink.arguments import Arguments, number_of
from secmarkd.netlink.codec import attributes
from secmarkd.netlink.expression import (
    CT,
    META,
    Action,
    Between,
    Compare,
    End,
    Expression,
    Insert,
    Member,
    NotOurs,
    Put,
    Source,
    Step,
    Unknown,
    Use,
    UseNamed,
    text,
)
from secmarkd.netlink.loads import CHANGES, DESTINATIONS, LOADS
from secmarkd.netlink.numbers import (
    Bitwise,
    Cmp,
    CmpOp,
    Ct,
    Data,
    Dynset,
    Immediate,
    Lookup,
    LookupFlag,
    Meta,
    Objref,
    Range,
    RangeOp,
    Reg,
    Reg32,
    Verdict,
)

_WORDS_EACH = Reg.SIZE // Reg32.SIZE
_REG32_00, _REG32_15 = 8, 23
"""enum nft_registers."""
_WORDS = 20
"""Of the register file: the verdict's register and 16 of data."""


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
            elif each.name in LOADS and (source := LOADS[each.name](Arguments(each))) is not None:
                self._load(number_of(dict(each.attributes)[DESTINATIONS[each.name]]), source)
            elif each.name in CHANGES:
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
        words = range(first, first + -(-source.width // Reg32.SIZE))
        if words.stop > _WORDS:
            raise NotOurs("past the last register")
        for number, word in enumerate(words):
            self.registers[word] = source, number
        self.pending.append(source)

    def _change(self, each: Expression) -> None:
        """`bitwise` or `byteorder`, whose registers have the same numbers: what was loaded last, changed in place."""
        found = Arguments(each)
        source_register, register = found.number(Bitwise.SREG), found.number(Bitwise.DREG)
        source = self._whole(source_register)
        if register != source_register or not self.pending or source is not self.pending[-1]:
            raise NotOurs("not what was loaded last")
        changed = CHANGES[each.name](found, source)
        found.done()
        self.pending.pop()
        self._load(register, changed)

    def _use(self, each: Expression) -> Iterator[Step]:
        if each.name not in _USES:
            raise NotOurs(each.name)
        found = Arguments(each)
        action = _USES[each.name](self, found)
        found.done()
        if action is not None:
            yield self._step(action)

    def _upper(self, each: Expression, low: Between) -> Between:
        """The second half of a range."""
        found = Arguments(each)
        register, operator, data = found.number(Cmp.SREG), found.number(Cmp.OP), found.value(Cmp.DATA)
        found.done()
        if (
            each.name != "cmp"
            or operator != CmpOp.LTE
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
        for number in range(-(-source.width // Reg32.SIZE)):
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
            if first >= _WORDS or self._whole(first - _WORDS_EACH + _REG32_00) is not source:
                raise NotOurs("not what was loaded for it")
            found.append(source)
            first += -(-source.width // Reg32.SIZE)
        if not found:
            raise NotOurs("nothing was loaded for it")
        return tuple(found)


def _word(register: int) -> int:
    """nft_parse_register."""
    if 0 < register <= _WORDS // _WORDS_EACH - 1:
        return register * _WORDS_EACH
    if _REG32_00 <= register <= _REG32_15:
        return register - _REG32_00 + _WORDS_EACH
    raise NotOurs("no register of data")


# --- what uses registers; None for the first half of a range ---


def _use_cmp(machine: _Machine, found: Arguments) -> Action | None:
    source, operator, data = machine.only(found.number(Cmp.SREG)), found.number(Cmp.OP), found.value(Cmp.DATA)
    if operator == CmpOp.GTE:
        machine.low = Between(source, data, b"", False)
        return None
    if operator not in (CmpOp.EQ, CmpOp.NEQ) or len(data) > source.width:
        raise NotOurs("another comparison")
    return Compare(source, data, operator == CmpOp.NEQ)


def _use_range(machine: _Machine, found: Arguments) -> Action:
    source, operator = machine.only(found.number(Range.SREG)), found.number(Range.OP)
    if operator not in (RangeOp.EQ, RangeOp.NEQ):
        raise NotOurs("another comparison")
    return Between(source, found.value(Range.FROM_DATA), found.value(Range.TO_DATA), operator == RangeOp.NEQ)


def _use_lookup(machine: _Machine, found: Arguments) -> Action:
    name, sources = found.text(Lookup.SET), machine.all(found.number(Lookup.SREG))
    flags = found.number(Lookup.FLAGS) if found.has(Lookup.FLAGS) else 0
    if flags not in (0, LookupFlag.INV):
        raise NotOurs("other flags")
    return Member(sources, name, flags == LookupFlag.INV)


def _use_objref(machine: _Machine, found: Arguments) -> Action:
    if found.has(Objref.IMM_TYPE):
        if machine.pending:
            raise NotOurs("loaded for nothing")
        return UseNamed(found.number(Objref.IMM_TYPE), found.text(Objref.IMM_NAME))
    return Use(machine.all(found.number(Objref.SET_SREG)), found.text(Objref.SET_NAME))


def _use_meta(machine: _Machine, found: Arguments) -> Action:
    return Put(META, found.number(Meta.KEY), machine.only(found.number(Meta.SREG)))


def _use_ct(machine: _Machine, found: Arguments) -> Action:
    return Put(CT, found.number(Ct.KEY), machine.only(found.number(Ct.SREG)))


def _use_dynset(machine: _Machine, found: Arguments) -> Action:
    name, operator = found.text(Dynset.SET_NAME), found.number(Dynset.OP)
    sources = machine.all(found.number(Dynset.SREG_KEY))
    if found.number(Dynset.FLAGS) != 0:
        raise NotOurs("other flags")
    return Insert(sources, name, operator, int.from_bytes(found.raw(Dynset.TIMEOUT), "big"))


def _use_immediate(machine: _Machine, found: Arguments) -> Action:
    if found.number(Immediate.DREG) != Reg.VERDICT or machine.pending:
        raise NotOurs("a value")
    ((_, content),) = found.nested(Immediate.DATA, Data.VERDICT)
    try:
        said = list(attributes(content))
    except ValueError as error:
        raise NotOurs("a broken verdict") from error
    listed = dict(said)
    if len(listed) != len(said) or not {Verdict.CODE} <= set(listed) <= {Verdict.CODE, Verdict.CHAIN}:
        raise NotOurs("another verdict")
    code = int.from_bytes(listed[Verdict.CODE], "big", signed=True)
    return End(code, text(listed.get(Verdict.CHAIN, b"")))


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
