# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `Nft` that behaves as libnftables and the kernel do, as far as the contract suite asks.

Every transaction works on a copy, which is thrown away when a command fails. What others do is done by `change`, what goes
wrong by `fail_next` and `lose_next_answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar, assert_never

from secmarkd.change.early_repair import ElementChange
from secmarkd.errors import (
    Conflict,
    ContextRejected,
    KernelError,
    RelabelDenied,
    SecmarkdError,
    SelinuxInactive,
    TooLarge,
    WorkerFailed,
)
from secmarkd.netlink.element import is_tree
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.nft.render import render_key
from secmarkd.nft.text import encode
from secmarkd.ports import Committed
from secmarkd.table.elements import Elements
from secmarkd.table.generation import successor
from secmarkd.table.table import Chain, DynamicSet, Foreign, Lookup, Map, Mark, Object, ObjectKind, Table, Verdict
from secmarkd.table.transaction import (
    AddElements,
    AddObjects,
    Adopt,
    Command,
    DeleteElements,
    DeleteObjects,
    Rebuild,
    Remove,
    Replace,
    Transaction,
)

_PAIRS = 1_000_000
"""Pairs of interval elements that are compared for overlaps; more are taken on trust."""

_LONGEST = 65531
"""Bytes of elements in one command of `commit_at`."""

DAEMON, OURS, THEIRS = (99, "secmarkd"), (100, "secmarkd-nft"), (200, "nft")
"""Thread and name of those who commit: by `commit_at`, by `commit`, and others."""


class FakeNft:
    """An nftables with our table in it, or none."""

    def __init__(self, table: Table | None = None, *, selinux: bool = True) -> None:
        self.table = table
        self.selinux = selinux
        """Whether secmark objects mean something."""
        self.unknown_contexts: set[str] = set()
        self.denied_contexts: set[str] = set()
        self.largest: int | None = None
        """Elements that a transaction may have."""
        self.commits: list[Transaction] = []
        """Transactions that were carried out."""
        self.hasty = 0
        """How many of them by `commit_at`."""
        self.reads = 0
        self.announce: Callable[[float], None] = lambda _: None
        self.meanwhile: Callable[[], None] = lambda: None
        self.takes = 0.0
        """Seconds after which the answer to a read or a commit is not waited for."""
        self.closed = False
        self.number = 7
        """The generation."""
        self.heard: list[Callable[[Committed, list[ElementChange | None]], None]] = []
        """Called with each commit, and what it changed of our table (see ports.Touched)."""
        self.interlopers: list[Callable[[], None]] = []
        """What others do right after our next commits, one for each."""
        self._failures: dict[str, list[SecmarkdError]] = {}
        self._lose_answer = False

    # --- the port ---

    def read(self) -> Table | None:
        """As ports.Nft."""
        self.reads += 1
        self.announce(self.takes)
        self.meanwhile()
        self._fail("read")
        return self.table

    def commit(self, transaction: Transaction) -> None:
        """As ports.Nft."""
        self.announce(self.takes)
        self.meanwhile()
        self._commit(transaction, OURS)

    def _commit(self, transaction: Transaction, by: tuple[int, str]) -> None:
        self._fail("commit")
        before, self.table = self.table, self._after(transaction, "commit")
        changes = changes_between(before, self.table)
        if not changes and any(isinstance(each, Replace | Rebuild) for each in transaction):
            changes = [None]
        self.commits.append(transaction)
        if changes:
            self._committed(by, changes)
        if self.interlopers:
            self.interlopers.pop(0)()
        if self._lose_answer:
            self._lose_answer = False
            raise WorkerFailed("the answer was lost", operation="commit")

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        """As ports.Nft. What `fail_next` says of a commit holds for this one too, and is not used up by it."""
        self._fail("commit_at")
        for error in self._failures.get("commit", [])[:1]:
            raise error
        for each in transaction:
            if not isinstance(each, AddElements | DeleteElements):
                raise ValueError("no change of elements")
            if len(encode_elements(each.map, each.elements)) > _LONGEST:
                raise ValueError("too many elements")
        if generation != self.number:
            raise Conflict("somebody has changed the ruleset meanwhile", operation="commit")
        self.hasty += 1
        self._commit(transaction, DAEMON)

    def check(self, transaction: Transaction) -> None:
        """As ports.Nft."""
        self._fail("check")
        self._after(transaction, "check")

    def generation(self) -> int:
        """As ports.Nft."""
        self._fail("generation")
        return self.number

    def flags(self) -> tuple[str, ...] | None:
        """As ports.Nft."""
        return None if self.table is None else self.table.flags

    def before_waiting(self, announce: Callable[[float], None]) -> None:
        """As ports.Nft."""
        self.announce = announce

    def while_waiting(self, act: Callable[[], None]) -> None:
        """As ports.Nft."""
        self.meanwhile = act

    def close(self) -> None:
        """As ports.Nft."""
        self.closed = True
        self.lose_owner()

    # --- what tests do to it ---

    def fail_next(self, operation: str, error: SecmarkdError, times: int = 1) -> None:
        """The next calls of `read`, `commit` or `check` raise an error and do nothing."""
        self._failures.setdefault(operation, []).extend([error] * times)

    def lose_next_answer(self) -> None:
        """The next commit is carried out, but raises WorkerFailed."""
        self._lose_answer = True

    def lose_owner(self) -> None:
        """The process that owns our table dies; nobody is told."""
        if self.table is not None and "persist" in self.table.flags:
            self.table = replace(self.table, flags=tuple(each for each in self.table.flags if each != "owner"))

    def change(self, effect: Callable[[Table], Table | None], by: tuple[int, str] = THEIRS) -> None:
        """Someone else changes our table, `by` their thread and its name; nothing happens where there is none."""
        if self.table is not None:
            before, self.table = self.table, effect(self.table)
            self._committed(by, changes_between(before, self.table) or [None])

    def change_elsewhere(self, by: tuple[int, str] = THEIRS) -> None:
        """Someone else changes a table that is not ours."""
        self._committed(by, [])

    def _committed(self, by: tuple[int, str], changes: list[ElementChange | None]) -> None:
        self.number = successor(self.number)
        for hear in self.heard:
            hear(Committed(self.number, *by), changes)

    # --- what nftables does ---

    def _fail(self, operation: str) -> None:
        waiting = self._failures.get(operation)
        if waiting:
            raise waiting.pop(0)

    def _after(self, transaction: Transaction, operation: str) -> Table | None:
        encode(transaction)
        if self.largest is not None and _size(transaction) > self.largest:
            raise TooLarge("too large", operation=operation)
        table = self.table
        for command in transaction:
            table = self._apply(table, command, operation)
        return table

    def _apply(self, table: Table | None, command: Command, operation: str) -> Table | None:
        match command:
            case Replace(new):
                return self._replaced(new, operation)
            case Remove():
                return None
        if table is None:
            raise Conflict("no such table", operation=operation, offender="table secmarkd")
        match command:
            case Rebuild():
                return self._rebuilt(table, command, operation)
            case Adopt(flags):
                if "persist" not in table.flags:
                    raise Conflict("the table was not left behind", operation=operation, offender="table secmarkd")
                return replace(table, flags=flags)
            case AddObjects(objects):
                return self._with_objects(table, objects, operation)
            case DeleteObjects(objects):
                return _without_objects(table, objects, operation)
            case AddElements(map_, elements):
                return _with_map(table, _added(_live(table, map_, operation), elements, table.objects, operation))
            case DeleteElements(map_, elements):
                return _with_map(table, _deleted(_live(table, map_, operation), elements, operation))
            case _:
                assert_never(command)

    def _replaced(self, new: Table, operation: str) -> Table:
        table = self._with_objects(replace(new, objects=()), new.objects, operation)
        for each in new.maps:
            empty = replace(each, elements=Elements(each.elements.width))
            _added(empty, each.elements, table.objects, operation)
        for chain in new.chains:
            _check_references(chain, table, operation)
        return table

    def _rebuilt(self, table: Table, command: Rebuild, operation: str) -> Table:
        """Step by step, as nf_tables carries it out."""
        if command.flush != tuple(sorted({each.name for each in table.chains})):
            raise Conflict("no such chain", operation=operation, offender="table secmarkd")
        table = replace(table, chains=tuple(replace(each, rules=()) for each in table.chains))
        for each in command.shrink:
            table = self._applied(table, each, operation)
        table = _without(table, set(command.delete), operation)
        table = self._with_objects(table, command.objects, operation)
        table = replace(table, sets=_by_name((*table.sets, *command.sets)))
        there = {each.name for each in table.maps}
        for new in command.maps:
            if new.name in there:
                raise Conflict("the map is there", operation=operation, offender=f"map {new.name}")
            empty = replace(new, elements=Elements(new.elements.width))
            full = _added(empty, new.elements, table.objects, operation)
            table = replace(table, maps=_by_name((*table.maps, full)))
        heads = {each.name: each for each in (*table.chains, *command.chains)}
        rules = {each.name: each.rules for each in command.rules}
        order = [each.name for each in command.rules]
        if set(order) != set(heads):
            raise Conflict("no such chain", operation=operation, offender="table secmarkd")
        table = replace(table, chains=tuple(replace(heads[name], rules=rules[name]) for name in order))
        for grown in command.grow:
            table = self._applied(table, grown, operation)
        for chain in table.chains:
            _check_references(chain, table, operation)
        return table

    def _applied(self, table: Table, command: Command, operation: str) -> Table:
        after = self._apply(table, command, operation)
        assert after is not None
        return after

    def _with_objects(self, table: Table, objects: Iterable[Object], operation: str) -> Table:
        there = {(each.name, each.kind): each for each in table.objects}
        for each in objects:
            if each.kind is ObjectKind.SECMARK and (each.name, each.kind) not in there:
                self._check_context(str(each.context), operation)
            # The kernel silently keeps an object that is there, whatever the new one says.
            there.setdefault((each.name, each.kind), each)
        return replace(table, objects=tuple(sorted(there.values(), key=lambda one: (one.name, one.kind))))

    def _check_context(self, context: str, operation: str) -> None:
        if not self.selinux:
            raise SelinuxInactive("no security module", operation=operation, offender=context)
        if context in self.unknown_contexts:
            raise ContextRejected("the policy does not know the context", operation=operation, offender=context)
        if context in self.denied_contexts:
            raise RelabelDenied("relabelto was denied", operation=operation, offender=context)


def changes_between(before: Table | None, after: Table | None) -> list[ElementChange | None]:
    """What the kernel tells of a change: an element each, deletions first; anything else is one None."""
    if before == after:
        return []
    if before is None or after is None or _heads(before) != _heads(after):
        return [None]
    changes: list[ElementChange | None] = []
    for old, new in zip(before.maps, after.maps, strict=True):
        for one, other, added in ((old, new, False), (new, old, True)):
            different = sorted(set(one.elements.items()) - set(other.elements.items()))
            changes += [_change(one, key, name, added) for key, name in different]
    return changes


def _change(map_: Map, key: bytes, name: str, added: bool) -> ElementChange | None:
    if is_tree(map_.key, map_.interval):
        return None
    return ElementChange(map_.name, added, encode_elements(map_, Elements.of(map_.elements.width, {key: name})))


def _heads(table: Table) -> Table:
    return replace(table, maps=tuple(replace(each, elements=Elements(each.elements.width)) for each in table.maps))


def _size(transaction: Transaction) -> int:
    """Elements that it carries."""
    size = 0
    for command in transaction:
        match command:
            case Replace(table):
                size += table.element_count()
            case Rebuild():
                size += command.element_count()
            case AddElements(_, elements) | DeleteElements(_, elements):
                size += len(elements)
    return size


def _live(table: Table, map_: Map, operation: str) -> Map:
    for each in table.maps:
        if each.name == map_.name:
            if (each.key, each.interval) != (map_.key, map_.interval):
                raise KernelError("the map has other keys", operation=operation, offender=f"element {map_.name}")
            return each
    raise Conflict("no such map", operation=operation, offender=f"element {map_.name}")


_Named = TypeVar("_Named", Object, DynamicSet, Map)


def _by_name(things: Iterable[_Named]) -> tuple[_Named, ...]:
    return tuple(sorted(things, key=lambda each: each.name))


def _without(table: Table, gone: set[tuple[str, str]], operation: str) -> Table:
    """The table without what is foreign, or one of the compiler's; each by its kind and name."""
    there = {
        *(("map", each.name) for each in table.maps),
        *(("set", each.name) for each in table.sets),
        *(("chain", each.name) for each in table.chains),
        *((str(each.kind), each.name) for each in table.objects),
        *((each.what, each.name) for each in table.foreign),
    }
    for kind, name in sorted(gone - there):
        raise Conflict(f"no such {kind}", operation=operation, offender=f"{kind} {name}")
    left = replace(
        table,
        maps=tuple(each for each in table.maps if ("map", each.name) not in gone),
        sets=tuple(each for each in table.sets if ("set", each.name) not in gone),
        chains=tuple(each for each in table.chains if ("chain", each.name) not in gone),
        objects=tuple(each for each in table.objects if (each.kind, each.name) not in gone),
        foreign=tuple(each for each in table.foreign if not _goes(each, gone)),
    )
    used = {(str(each.kind), name) for each in left.maps for name in each.elements.objects}
    for kind, name in sorted(gone & used):
        raise Conflict("it is in use", operation=operation, offender=f"{kind} {name}")
    return left


def _goes(each: Foreign, gone: set[tuple[str, str]]) -> bool:
    """Rules go with their chain's, which were flushed; elements with their map."""
    return each.what == "rule" or (each.what, each.name) in gone or ("map", each.name) in gone


def _with_map(table: Table, map_: Map) -> Table:
    return replace(table, maps=tuple(map_ if each.name == map_.name else each for each in table.maps))


def _added(map_: Map, elements: Elements, objects: Iterable[Object], operation: str) -> Map:
    there = map_.elements.as_dict()
    known = {each.name for each in objects if each.kind is map_.kind}
    overlaps = map_.interval and len(elements) * (len(there) + len(elements)) < _PAIRS
    for key, name in elements.items():
        offender = f"{map_.name} {{ {render_key(map_, key)} }}"
        if name not in known:
            raise Conflict("no such object", operation=operation, offender=offender)
        if there.get(key, name) != name or (
            overlaps and any(_overlap(map_, key, other) for other in there if other != key)
        ):
            raise Conflict("the key is there with another object", operation=operation, offender=offender)
        there[key] = name
    return replace(map_, elements=Elements.of(map_.elements.width, there))


def _overlap(map_: Map, one: bytes, other: bytes) -> bool:
    place, half = 0, len(one) // 2
    for field in map_.key:
        low, high = slice(place, place + field.width), slice(half + place, half + place + field.width)
        if one[high] < other[low] or other[high] < one[low]:
            return False
        place += field.width
    return True


def _deleted(map_: Map, elements: Elements, operation: str) -> Map:
    there = map_.elements.as_dict()
    for key, _ in elements.items():
        if map_.interval and len(map_.key) == 1 and key == b"\xff" * len(key):
            continue  # nft 1.0.6 and 1.1.3 silently delete nothing
        if there.pop(key, None) is None:
            offender = f"{map_.name} {{ {render_key(map_, key)} }}"
            raise Conflict("no such element", operation=operation, offender=offender)
    return replace(map_, elements=Elements.of(map_.elements.width, there))


def _without_objects(table: Table, objects: Iterable[Object], operation: str) -> Table:
    left = {(each.name, each.kind): each for each in table.objects}
    used = {(name, each.kind) for each in table.maps for _, name in each.elements.items()}
    used |= {
        (statement.object, statement.kind)
        for chain in table.chains
        for rule in chain.rules
        for statement in rule
        if isinstance(statement, Mark)
    }
    for each in objects:
        offender = f"{each.kind} {each.name}"
        if left.pop((each.name, each.kind), None) is None:
            raise Conflict("no such object", operation=operation, offender=offender)
        if (each.name, each.kind) in used:
            raise Conflict("the object is in use", operation=operation, offender=offender)
    return replace(table, objects=tuple(left.values()))


def _check_references(chain: Chain, table: Table, operation: str) -> None:
    """Every map, object and chain that a rule names has to be there."""
    chains, maps = {each.name for each in table.chains}, {each.name for each in table.maps}
    objects = {(each.name, each.kind) for each in table.objects}
    for rule in chain.rules:
        for statement in rule:
            match statement:
                case Verdict(_, target):
                    found = not target or target in chains
                case Lookup(_, _, map_):
                    found = map_ in maps
                case Mark(kind, name):
                    found = (name, kind) in objects
                case _:
                    found = True
            if not found:
                raise KernelError("no such thing", operation=operation, offender=f"rule {chain.name}")
