# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule of the kernel as the statements that the compiler writes. Total: whatever is not exactly one is Foreign.

nft adds tests by itself: of the IP version before an address, of the protocol before a port, once a rule. They are no
statements of their own, but where one is missing, doubled, or asks for something else the statement is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from secmarkd.netlink.expression import (
    CT,
    META,
    VERDICTS,
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
    Use,
    UseNamed,
)
from secmarkd.netlink.forms import (
    L4PROTO,
    L4PROTO_SOURCE,
    NFPROTO,
    NFPROTO_SOURCE,
    Fact,
    Form,
    OneOf,
    Test,
    field_of,
    forms_of,
)
from secmarkd.netlink.numbers import ByteorderOp, CtKey, DynsetOp, MetaKey, Object
from secmarkd.netlink.registers import run
from secmarkd.netlink.words import step_words
from secmarkd.selectors.fields import FIELD_OF
from secmarkd.table.elements import Field
from secmarkd.table.table import (
    DynamicSet,
    Foreign,
    InSet,
    Key,
    Lookup,
    Map,
    Mark,
    Match,
    ObjectKind,
    Remember,
    Restore,
    Rule,
    Save,
    Statement,
    Verdict,
)

OBJECT_KINDS = {Object.COUNTER: ObjectKind.COUNTER, Object.SECMARK: ObjectKind.SECMARK}
_META_SECMARK, _CT_SECMARK = Source(META, (MetaKey.SECMARK,), 4), Source(CT, (CtKey.SECMARK,), 4)
_SAVE, _RESTORE = Put(CT, CtKey.SECMARK, _META_SECMARK), Put(META, MetaKey.SECMARK, _CT_SECMARK)
_ENDS = ("accept", "return")
_LEAPS = ("jump", "goto")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules refer to."""

    maps: Mapping[str, Map]
    """The maps that are exactly as ours can be."""
    sets: Mapping[str, DynamicSet]
    """Likewise."""
    members: Callable[[str], tuple[bytes, ...] | None]
    """The elements of an anonymous set by its name; None for one that is not as nft makes it."""


def decode_rule(expressions: tuple[Expression, ...], around: Surroundings) -> Rule:
    """The statements of a rule."""
    if not expressions:
        return (Foreign("statement", "", "no statement"),)
    reader = _Reader(tuple(run(expressions)), around)
    return tuple(reader.statements())


@dataclass(slots=True)
class _Reader:
    steps: tuple[Step, ...]
    around: Surroundings
    known: dict[str, int] = field(default_factory=dict)
    """What has been tested so far in the rule: the IP version, the protocol."""

    def statements(self) -> list[Statement]:
        """In order."""
        found: list[Statement] = []
        for place, step in enumerate(self.steps):
            fact = _fact(step.action)
            if fact is not None and fact[0] not in self.known and fact in self._asked(place + 1):
                self.known[fact[0]] = fact[1]
                continue
            try:
                found.append(self._statement(step.action))
            except NotOurs:
                found.append(Foreign("statement", "", step_words(step)))
            if fact is not None and fact[0] == L4PROTO:
                self.known.setdefault(*fact)
        return found

    def _asked(self, place: int) -> set[Fact]:
        """The facts for which nft writes a test before this step, where none has been written before."""
        action = self.steps[place].action if place < len(self.steps) else None
        match action:
            case Compare() | Between() | Member(sources=(_,)):
                source = action.sources[0] if isinstance(action, Member) else action.source
                return {form.needs for form in forms_of(source) if form.needs is not None}
            case Use(sources) | Member(sources) | Insert(sources):
                fields = [field_of(each) for each in sources]
                return {each[1] for each in fields if each is not None and each[1] is not None}
            case _:
                return set()

    def _statement(self, action: Action) -> Statement:
        match action:
            case Compare() | Between():
                return self._test(action)
            case Member(sources, name, negated):
                return self._member(sources, name, negated)
            case Insert(sources, name, operator, timeout) if (
                operator in (DynsetOp.ADD, DynsetOp.UPDATE) and timeout % 1000 == 0
            ):
                return Remember(self._keys_of(sources, name), name, operator == DynsetOp.UPDATE, timeout // 1000)
            case Use():
                return self._lookup(action)
            case UseNamed(kind, name) if kind in OBJECT_KINDS:
                return Mark(OBJECT_KINDS[kind], name)
            case Put() if action == _SAVE:
                return Save()
            case Put() if action == _RESTORE:
                return Restore()
            case End(code, chain):
                word = VERDICTS.get(code, "")
                if (word in _ENDS and not chain) or (word in _LEAPS and chain):
                    return Verdict(word, chain)
        raise NotOurs("no statement of ours")

    def _test(self, test: Test) -> Match:
        form = self._form(forms_of(test.source))
        return form.match(form.key, test)

    def _member(self, sources: tuple[Source, ...], name: str, negated: bool) -> Match | InSet:
        """A look-up in a set of the rule's own, or in a named one that rules fill."""
        if name in self.around.sets:
            return InSet(self._keys_of(sources, name), name, negated)
        held = self.around.members(name)
        if held is None or len(sources) != 1:
            raise NotOurs("another set")
        return self._test(OneOf(sources[0], held, negated))

    def _keys_of(self, sources: tuple[Source, ...], name: str) -> tuple[Key, ...]:
        """The keys as which a dynamic set is asked or filled."""
        set_ = self.around.sets.get(name)
        if set_ is None or any(each.masked or each.turned for each in sources):
            raise NotOurs("not in a set of ours")
        if isinstance(set_.key, Key):
            forms = forms_of(sources[0]) if len(sources) == 1 else ()
            if not any(form.key is set_.key and form.needs is None for form in forms):
                raise NotOurs("another key")
            return (set_.key,)
        if len(sources) != len(set_.key):
            raise NotOurs("another key")
        return tuple(self._field(source, kind) for source, kind in zip(sources, set_.key, strict=True))

    def _field(self, source: Source, kind: Field) -> Key:
        """The key that a source is, as a field of this kind."""
        found = field_of(source)
        if found is None or FIELD_OF[found[0]] is not kind:
            raise NotOurs("another key")
        key, needs = found
        if needs is not None and self.known.get(needs[0]) != needs[1]:
            raise NotOurs("not tested before what it needs")
        return key

    def _form(self, forms: tuple[Form, ...]) -> Form:
        """The one whose needs are met; the one that needs nothing where nothing is known."""
        for form in forms:
            if form.needs is None or self.known.get(form.needs[0]) == form.needs[1]:
                return form
        raise NotOurs("not tested before what it needs")

    def _lookup(self, use: Use) -> Lookup:
        map_ = self.around.maps.get(use.map)
        if map_ is None or len(map_.key) != len(use.sources):
            raise NotOurs("not in a map of ours")
        keys = tuple(self._key(source, kind, map_) for source, kind in zip(use.sources, map_.key, strict=True))
        return Lookup(map_.kind, keys, use.map)

    def _key(self, source: Source, kind: Field, map_: Map) -> Key:
        if source.turned not in _turns(kind, map_):
            raise NotOurs("another key")
        return self._field(source, kind)


def _turns(kind: Field, map_: Map) -> tuple[tuple[int, int] | None, ...]:
    """How the value of a field may be turned around for a map. In interval maps a number in the machine's order has to be;
    1.0.6 writes that for one byte as well, of which it does nothing."""
    if not map_.interval:
        return (None,)
    if kind.turned:
        return ((ByteorderOp.HTON, kind.width),)
    return (None, (ByteorderOp.HTON, 2)) if kind is Field.PROTOCOL else (None,)


def _fact(action: Action) -> Fact | None:
    """What a test makes known: the IP version or the protocol."""
    match action:
        case Compare(source, data, False) if len(data) == 1 and source in (NFPROTO_SOURCE, L4PROTO_SOURCE):
            return (NFPROTO if source == NFPROTO_SOURCE else L4PROTO), data[0]
        case _:
            return None
