# SPDX-License-Identifier: GPL-2.0-or-later
"""The port `Nft`: libnftables, which lives in a process of its own, and raw sockets for what it need not be asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from secmarkd.adapters.netlink.batch import NetlinkBatch
from secmarkd.adapters.netlink.errors import refused_batch, typed_errors
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables.reader import Reader
from secmarkd.adapters.nftables.requests import MODULE, Commit
from secmarkd.change.early_repair import ElementChange
from secmarkd.errors import WorkerDied
from secmarkd.netlink.elements_write import encode_elements
from secmarkd.table.generation import successor
from secmarkd.table.table import NAME, Table
from secmarkd.table.transaction import AddElements, Command, DeleteElements, Rebuild, Replace, Transaction
from secmarkd.workers import trace
from secmarkd.workers.parent import Child

WRITE_SECONDS = 10.0
"""A transaction takes milliseconds; to cut one off leaves open whether it happened, so this is generous."""
WRITE_SECONDS_PER_ELEMENT = 0.0005
"""A transaction takes 8 microseconds an element in hash maps, 31 in interval maps."""

_HINT = (
    "it looks at all tables before it writes, and a rule in one of them, as of a newer nft, can crash it; "
    "`nft list ruleset` then crashes too"
)


class LibNft:
    """Our table through libnftables. Starts its process when that is needed, in the caller's network namespace.

    CapabilityMissing where libnftables is not installed; otherwise the errors of `ports.Nft`.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        """`at_once`: start the process now. That takes a tenth of a second, for which nobody has to wait."""
        self._child = Child(MODULE, "libnftables", hint=_HINT)
        self._reader = Reader(self._connected)
        self._announce: Callable[[float], None] = lambda _: None
        self._meanwhile: Callable[[], None] = lambda: None
        self._netlink: Netlink | None = None
        self._batch: NetlinkBatch | None = None
        if at_once:
            with contextlib.suppress(OSError):  # the first request says it
                self._child.start()

    @property
    def pid(self) -> int | None:
        """The process that holds libnftables; None while there is none."""
        return self._child.pid

    def read(self) -> Table | None:
        """The live table; None when it is known to be absent. StateUnknown when neither can be said."""
        self._meanwhile()
        with trace.timed("read", "table"), typed_errors("read"):
            return self._reader.read()

    def commit(self, transaction: Transaction) -> None:
        """Carry out a transaction wholly or, with a KernelError, not at all; WorkerFailed: nobody knows, so read."""
        before = self.generation()
        rewriting = any(isinstance(each, Replace | Rebuild) for each in transaction)
        try:
            self._ask(Commit(transaction), _write_deadline(transaction), "commit")
        except WorkerDied:
            # libnftables looks at all rules before it writes, and may die of one in our table, which has to go anyway.
            if not rewriting or not self._without_foreign_rules():
                raise
            before = self.generation()
            self._ask(Commit(transaction), _write_deadline(transaction), "commit")
        after = self.generation()
        if after == successor(before) and rewriting:
            self._reader.written(after)

    def commit_at(self, transaction: Transaction, generation: int) -> None:
        """See ports.Nft. By raw netlink, in this process: libnftables would take longer, and could not promise it."""
        changes = [_element_change(each) for each in transaction]
        try:
            batch = self._batch or NetlinkBatch()
            self._batch = None
            try:
                with trace.timed("netlink", f"{len(changes)} changes of elements at generation {generation}"):
                    batch.commit(NAME, changes, generation)
            except BaseException:
                batch.close()
                raise
        except OSError as error:
            raise refused_batch(error, (each.map for each in changes)) from error
        self._batch = batch

    def _without_foreign_rules(self) -> bool:
        """Delete the rules of our table that are not ours, by raw netlink; whether that was done to any."""
        rules = self._reader.foreign_rules()
        if not rules:
            return False
        with suppress(OSError), closing(NetlinkBatch()) as batch:  # they may have gone meanwhile
            batch.delete_rules(NAME, rules)
            return True
        return False

    def check(self, transaction: Transaction) -> None:
        """Have the kernel validate a transaction, contexts and permissions included, without carrying it out."""
        self._ask(Commit(transaction, dry=True), _write_deadline(transaction), "check")

    def generation(self) -> int:
        """The number of the ruleset's last transaction, by whomever."""
        with typed_errors("generation"):
            return self._connected().generation()

    def flags(self) -> tuple[str, ...] | None:
        """Our table's flags, sorted; None when it is known to be absent."""
        with typed_errors("flags"):
            return self._connected().table_flags(NAME)

    def before_waiting(self, announce: Callable[[float], None]) -> None:
        """See ports.Nft."""
        self._announce = announce

    def while_waiting(self, act: Callable[[], None]) -> None:
        """See ports.Nft."""
        self._meanwhile = act

    def close(self) -> None:
        """End the process. The table stays, unless it has the flag `owner` without `persist`."""
        self._child.close()
        self._reader.close()
        if self._batch is not None:
            self._batch.close()
            self._batch = None
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _ask(self, question: Commit, deadline: float, operation: str) -> Any:
        self._announce(deadline)
        self._meanwhile()
        return self._child.request(question, deadline, operation=operation, meanwhile=self._meanwhile)

    def _connected(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink()
        return self._netlink


def _element_change(command: Command) -> ElementChange:
    match command:
        case AddElements(map_, elements):
            return ElementChange(map_.name, True, encode_elements(map_, elements))
        case DeleteElements(map_, elements):
            return ElementChange(map_.name, False, encode_elements(map_, elements, keys_only=True))
        case _:
            raise ValueError(f"{type(command).__name__} is no change of elements")


def _write_deadline(transaction: Transaction) -> float:
    return WRITE_SECONDS + WRITE_SECONDS_PER_ELEMENT * _element_count(transaction)


def _element_count(transaction: Transaction) -> int:
    count = 0
    for command in transaction:
        match command:
            case Replace(table):
                count += table.element_count()
            case Rebuild():
                count += command.element_count()
            case AddElements(_, elements) | DeleteElements(_, elements):
                count += len(elements)
    return count
