# SPDX-License-Identifier: GPL-2.0-or-later
"""From the kernel's own messages to the same values that the compiler makes. Total: nothing in our table can hide.

Things are known by their handles. What a name cannot tell apart (a second chain of one name, whose rules name it by that)
is Foreign under a word that no command of nft has, so that nobody tries to put it right by name. Every attribute, flag,
comment and kind of thing that secmarkd does not make nft write is Foreign too. Numbers are the enums of
linux/netfilter/nf_tables.h; what nft 1.0.6 and 1.1.3 write was recorded (tests/golden/raw).

Elements of maps are not read here: `raw_elements.fill` puts them in. Those of a foreign map or set are not read at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from secmarkd.netlink import numbers as nf
from secmarkd.netlink.codec import attributes
from secmarkd.netlink.element import read_element
from secmarkd.netlink.expression import parse_expressions, text
from secmarkd.netlink.rule import OBJECT_KINDS, Surroundings, decode_rule
from secmarkd.netlink.sets import OBJECT_WORDS, RECORDED_TYPEOFS, RawSet, read_set
from secmarkd.netlink.structure import Structure, table_flags
from secmarkd.netlink.words import printable
from secmarkd.table.foreign import ordered
from secmarkd.table.table import BaseHook, Chain, DynamicSet, Foreign, Map, Object, ObjectKind, Rule, Table

_CHAIN_BASES = frozenset({nf.Chain.HOOK, nf.Chain.POLICY, nf.Chain.TYPE})
_CHAIN_WORDS = {nf.Chain.COUNTERS: "counters", nf.Chain.USERDATA: "comment"}
_HOOKS = {0: "prerouting", 1: "input", 2: "forward", 3: "output", 4: "postrouting", 5: "ingress"}
"""NF_INET_*."""
_POLICIES = {0: "drop", 1: "accept"}
_CHAIN_BASE = 1
_RULE_KNOWN = frozenset(
    {nf.OF_TABLE, nf.Rule.CHAIN, nf.Rule.HANDLE, nf.Rule.EXPRESSIONS, nf.Rule.POSITION, nf.Rule.PAD}
)
_COMMENT = 0
"""In user data of tables, chains, rules and objects."""

MANY_CHAINS, MANY_SETS, MANY_OBJECTS = "chains of one name", "sets of one name", "objects of one name"
"""What Foreign calls things that a name does not tell apart. No command of nft knows them, so that they are not put right
one by one."""

Elements = Callable[[str], Iterable[bytes]]
"""The contents of NFTA_SET_ELEM_LIST_ELEMENTS of a set, by its name."""


def decode_table(
    structure: Structure, elements: Elements, typeofs: AbstractSet[bytes] = RECORDED_TYPEOFS
) -> Table | None:
    """The table, its maps empty; None where there is none. `elements` is asked for anonymous sets of rules; `typeofs` as
    `read_set` has it.

    ValueError where the messages are not made of attributes.
    """
    if not structure.tables:
        return None
    reader = _Reader(elements, typeofs)
    for table in structure.tables:
        reader.table(table)
    reader.sets(structure.sets)
    reader.objects(structure.objects)
    reader.chains(structure.chains)
    reader.rules(structure.rules)
    for each in structure.flowtables:
        name = text(dict(attributes(each)).get(nf.Flowtable.NAME, b""))
        reader.foreign.append(Foreign("flowtable", name, "a flowtable"))
    return reader.result()


def foreign_rules(structure: Structure, table: Table) -> tuple[tuple[str, int], ...]:
    """Chain and handle of each rule in which something is foreign; `table` is what the structure was decoded to."""
    waiting = {chain.name: iter(chain.rules) for chain in table.chains}
    found = []
    for message in structure.rules:
        attributes_ = _once(message)
        chain = _text(attributes_, nf.Rule.CHAIN)
        if any(isinstance(each, Foreign) for each in next(waiting.get(chain, iter(())), ())):
            found.append((chain, _int(attributes_[nf.Rule.HANDLE])))
    return tuple(found)


@dataclass(slots=True)
class _Reader:
    """What has been read so far."""

    elements: Elements
    typeofs: AbstractSet[bytes]
    flags: tuple[str, ...] = ()
    known_objects: list[Object] = field(default_factory=list)
    known_maps: dict[str, Map] = field(default_factory=dict)
    known_sets: dict[str, DynamicSet] = field(default_factory=dict)
    anonymous: dict[str, RawSet] = field(default_factory=dict)
    heads: dict[str, BaseHook | None] = field(default_factory=dict)
    strange: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By name, chains that are none of ours, or not alone under their name: what Foreign calls them, and words."""
    bodies: dict[str, list[Rule]] = field(default_factory=dict)
    foreign: list[Foreign] = field(default_factory=list)

    def result(self) -> Table:
        """Everything read, in the order that makes equal tables equal values."""
        chains = [Chain(name, tuple(self.bodies.get(name, ())), base) for name, base in self.heads.items()]
        for name, some in self.strange.items():
            count = len(self.bodies.get(name, ()))
            among = f"{count} rule{'s' if count != 1 else ''}" + (" among them" if len(some) > 1 else "")
            self.foreign += [Foreign(what, name, printable(f"{words}, {among}")) for what, words in some]
        for name in self.bodies.keys() - self.heads.keys() - self.strange.keys():
            self.foreign.append(Foreign("rules", name, f"{len(self.bodies[name])} of a chain that is not there"))
        return Table(
            objects=tuple(sorted(self.known_objects, key=lambda each: (each.name, each.kind))),
            maps=tuple(sorted(self.known_maps.values(), key=lambda each: each.name)),
            chains=tuple(sorted(chains, key=lambda each: each.name)),
            foreign=ordered(self.foreign),
            flags=self.flags,
            sets=tuple(sorted(self.known_sets.values(), key=lambda each: each.name)),
        )

    def table(self, message: bytes) -> None:
        """The message about the table itself."""
        found = _once(message)
        self.flags = table_flags(_int(found.get(nf.Table.FLAGS, b"")))
        known = {nf.OF_TABLE, nf.Table.FLAGS, nf.Table.USE, nf.Table.HANDLE, nf.Table.PAD, nf.Table.OWNER}
        self._extra("table", "", found, known, {nf.Table.USERDATA: "comment"})

    def sets(self, messages: tuple[bytes, ...]) -> None:
        """Maps, sets, and those of single rules."""
        read = [read_set(each, self.typeofs) for each in messages]
        counts = Counter(each.name for each in read)
        for each in read:
            if counts[each.name] > 1:
                self.foreign.append(Foreign(MANY_SETS, each.name, each.word))
            elif each.anonymous:
                self.anonymous[each.name] = each
            else:
                if isinstance(each.ours, Map):
                    self.known_maps[each.name] = each.ours
                elif each.ours is not None:
                    self.known_sets[each.name] = each.ours
                if each.extra:
                    self.foreign.append(Foreign(each.word, each.name, each.extra))

    def objects(self, messages: tuple[bytes, ...]) -> None:
        """Secmarks, counters, and others."""
        read = [_once(each) for each in messages]
        counts = Counter(_object_key(each) for each in read)
        names: set[str] = set()
        for found in read:
            number, name = _object_key(found)
            kind, word = OBJECT_KINDS.get(number), OBJECT_WORDS.get(number, f"object {number}")
            if counts[number, name] > 1:
                self.foreign.append(Foreign(MANY_OBJECTS, name, word))
                continue
            context = _context(found) if kind is ObjectKind.SECMARK else None
            # Objects of different kinds may share a name; the types know one object a name.
            if kind is None or name in names or (kind is ObjectKind.SECMARK and context is None):
                self.foreign.append(Foreign(word, name, word))
                continue
            names.add(name)
            self.known_objects.append(Object(name, kind, context))
            known = {nf.OF_TABLE, nf.Obj.NAME, nf.Obj.TYPE, nf.Obj.DATA, nf.Obj.HANDLE, nf.Obj.PAD}
            self._extra(word, name, found, known, {nf.Obj.USERDATA: "comment"})

    def chains(self, messages: tuple[bytes, ...]) -> None:
        """Heads of chains."""
        read = [_once(each) for each in messages]
        counts = Counter(_text(each, nf.Chain.NAME) for each in read)
        for found in read:
            name, hook = _text(found, nf.Chain.NAME), _hook(found)
            if counts[name] > 1:
                words = f"handle {_int(found.get(nf.Chain.HANDLE, b''))}, {_hook_words(found)}"
                self.strange.setdefault(name, []).append((MANY_CHAINS, words))
            elif hook is None and not found.keys().isdisjoint(_CHAIN_BASES):
                self.strange[name] = [("chain", _hook_words(found))]
            else:
                self.heads[name] = hook
                known = {nf.OF_TABLE, nf.Chain.HANDLE, nf.Chain.NAME, nf.Chain.USE, nf.Chain.PAD, *_CHAIN_BASES}
                if _int(found.get(nf.Chain.FLAGS, b"")) == (_CHAIN_BASE if hook else 0):
                    known.add(nf.Chain.FLAGS)
                self._extra("chain", name, found, known, _CHAIN_WORDS)

    def rules(self, messages: tuple[bytes, ...]) -> None:
        """Rules, in the order of their chains."""
        around = Surroundings(self.known_maps, self.known_sets, self._members)
        seen: dict[bytes, Rule] = {}
        for message in messages:
            found = _once(message)
            content = found.get(nf.Rule.EXPRESSIONS, b"")
            if content not in seen:
                seen[content] = decode_rule(parse_expressions(content), around)
            rule = seen[content]
            rest = found.keys() - _RULE_KNOWN
            for kind in sorted(rest):
                comment = kind == nf.Rule.USERDATA
                words = _comment(found[kind]) if comment else f"attribute {kind} 0x{found[kind].hex()}"
                rule = (*rule, Foreign("rule", "", words))
            self.bodies.setdefault(_text(found, nf.Rule.CHAIN), []).append(rule)

    def _members(self, name: str) -> tuple[bytes, ...] | None:
        """The elements of an anonymous set; None for another set, and for elements that are more than a value."""
        raw = self.anonymous.get(name)
        if raw is None:
            return None
        found = [read_element(each) for block in self.elements(name) for _, each in attributes(block)]
        plain = all(
            each.key is not None
            and not (each.extra or each.key_end is not None or each.target is not None)
            and not (each.is_end or each.is_open or each.catch_all)
            for each in found
        )
        return tuple(each.key or b"" for each in found) if plain and found else None

    def _extra(self, what: str, name: str, found: dict[int, bytes], known: set[int], words: dict[int, str]) -> None:
        """What a known kind of thing has besides what the types say."""
        for kind in sorted(found.keys() - known):
            word = words.get(kind, f"attribute {kind}")
            said = f"{word} 0x{found[kind].hex()}" if found[kind] else word
            said = _comment(found[kind]) if word == "comment" else said
            self.foreign.append(Foreign(what, name, printable(said)))


def _once(message: bytes) -> dict[int, bytes]:
    """The attributes of a message by kind; with an attribute 0 where one of them comes twice."""
    found: dict[int, bytes] = {}
    for kind, content in attributes(message):
        if kind in found and kind != 0:
            found[0] = found.get(0, b"") + bytes([kind])
        found[kind] = content
    return found


def _int(content: bytes) -> int:
    return int.from_bytes(content, "big")


def _text(found: dict[int, bytes], kind: int) -> str:
    return text(found.get(kind, b""))


def _object_key(found: dict[int, bytes]) -> tuple[int, str]:
    return _int(found.get(nf.Obj.TYPE, b"")), _text(found, nf.Obj.NAME)


def _context(found: dict[int, bytes]) -> str | None:
    """A secmark's context; None where there is anything else."""
    data = list(attributes(found.get(nf.Obj.DATA, b"")))
    return text(data[0][1]) if [kind for kind, _ in data] == [nf.Secmark.CTX] else None


def _hook(found: dict[int, bytes]) -> BaseHook | None:
    """Where a chain hangs, if that is one of the hooks and nothing else."""
    listed = list(attributes(found.get(nf.Chain.HOOK, b"")))
    hook = dict(listed)
    name = _HOOKS.get(_int(hook.get(nf.Hook.HOOKNUM, b"\xff")))
    policy = _POLICIES.get(_int(found.get(nf.Chain.POLICY, b"\xff")))
    if len(listed) != 2 or hook.keys() != {nf.Hook.HOOKNUM, nf.Hook.PRIORITY} or name is None or policy is None:
        return None
    priority = int.from_bytes(hook[nf.Hook.PRIORITY], "big", signed=True)
    return BaseHook(name, priority, policy, _text(found, nf.Chain.TYPE))


def _hook_words(found: dict[int, bytes]) -> str:
    """Where a chain of any kind hangs, for people."""
    if nf.Chain.HOOK not in found:
        return "no base chain"
    hook = dict(attributes(found[nf.Chain.HOOK]))
    number = _int(hook.get(nf.Hook.HOOKNUM, b""))
    priority = int.from_bytes(hook.get(nf.Hook.PRIORITY, b""), "big", signed=True)
    devices = "".join(
        f" device {text(hook[each])}" for each in hook if each not in (nf.Hook.HOOKNUM, nf.Hook.PRIORITY)
    )
    policy = _POLICIES.get(_int(found.get(nf.Chain.POLICY, b"\xff")), "")
    said = f"type {_text(found, nf.Chain.TYPE)} hook {_HOOKS.get(number, number)}{devices} priority {priority}"
    return f"{said} policy {policy}" if policy else said


def _comment(userdata: bytes) -> str:
    """A comment in user data, or what else they are."""
    if len(userdata) >= 2 and userdata[0] == _COMMENT and len(userdata) == 2 + userdata[1]:
        return f'comment "{text(userdata[2:])}"'
    return f"user data 0x{userdata.hex()}"
