# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake of the port `Nft` that behaves as libnftables and the kernel do, as far as the contract suite asks.

Every transaction works on a copy, which is thrown away when a command fails. What others do is done by `change`, what goes
wrong by `fail_next` and `lose_next_answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import assert_never

from secmarkd.change.early_repair import ElementChange
from secmarkd.errors import (
    Conflict,
    ContextRejected,
    RelabelDenied,
    SecmarkdError,
    SelinuxInactive,
    TooLarge,
    WorkerFailed,
)
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.nft.text import encode
from secmarkd.ports import Committed
from secmarkd.table.elements import Elements
from secmarkd.table.generation import successor
from secmarkd.table.table import Object, ObjectKind, Table
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
from tests.fakes.nft_state import (
    changes_between,
    check_references,
    live_map,
    sorted_by_name,
    transaction_size,
    with_fewer_elements,
    with_map,
    with_more_elements,
    without_objects,
    without_things,
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
        if self.largest is not None and transaction_size(transaction) > self.largest:
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
                return without_objects(table, objects, operation)
            case AddElements(map_, elements):
                return with_map(
                    table, with_more_elements(live_map(table, map_, operation), elements, table.objects, operation)
                )
            case DeleteElements(map_, elements):
                return with_map(table, with_fewer_elements(live_map(table, map_, operation), elements, operation))
            case _:
                assert_never(command)

    def _replaced(self, new: Table, operation: str) -> Table:
        table = self._with_objects(replace(new, objects=()), new.objects, operation)
        for each in new.maps:
            empty = replace(each, elements=Elements(each.elements.width))
            with_more_elements(empty, each.elements, table.objects, operation)
        for chain in new.chains:
            check_references(chain, table, operation)
        return table

    def _rebuilt(self, table: Table, command: Rebuild, operation: str) -> Table:
        """Step by step, as nf_tables carries it out."""
        if command.flush != tuple(sorted({each.name for each in table.chains})):
            raise Conflict("no such chain", operation=operation, offender="table secmarkd")
        table = replace(table, chains=tuple(replace(each, rules=()) for each in table.chains))
        for each in command.shrink:
            table = self._applied(table, each, operation)
        table = without_things(table, set(command.delete), operation)
        table = self._with_objects(table, command.objects, operation)
        table = replace(table, sets=sorted_by_name((*table.sets, *command.sets)))
        there = {each.name for each in table.maps}
        for new in command.maps:
            if new.name in there:
                raise Conflict("the map is there", operation=operation, offender=f"map {new.name}")
            empty = replace(new, elements=Elements(new.elements.width))
            full = with_more_elements(empty, new.elements, table.objects, operation)
            table = replace(table, maps=sorted_by_name((*table.maps, full)))
        heads = {each.name: each for each in (*table.chains, *command.chains)}
        rules = {each.name: each.rules for each in command.rules}
        order = [each.name for each in command.rules]
        if set(order) != set(heads):
            raise Conflict("no such chain", operation=operation, offender="table secmarkd")
        table = replace(table, chains=tuple(replace(heads[name], rules=rules[name]) for name in order))
        for grown in command.grow:
            table = self._applied(table, grown, operation)
        for chain in table.chains:
            check_references(chain, table, operation)
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
