"""The port `Nft` over libnftables, which lives in a process of its own."""

from __future__ import annotations

from secmarkd.kernel.child import Child
from secmarkd.kernel.nft_worker import Commit, Read
from secmarkd.ruleset.table import Table
from secmarkd.ruleset.transaction import AddElements, DeleteElements, Replace, Transaction

READ_SECONDS = 20.0
"""A read takes milliseconds; others' transactions can hold it up (3.7 s seen under two tight writers), and the first one waits
for the process to start (over 5 s seen on a busy emulated machine)."""
READ_SECONDS_PER_ELEMENT = 0.0002
"""A read takes 15 to 30 microseconds an element; this leaves a machine ten times as slow its time."""
WRITE_SECONDS = 10.0
"""A transaction takes milliseconds; to cut one off leaves open whether it happened, so this is generous."""
WRITE_SECONDS_PER_ELEMENT = 0.0005
"""A transaction takes 8 microseconds an element in hash maps, 31 in interval maps."""

_HINT = "a rule that a newer nft wrote can crash an older libnftables; `nft list ruleset` then crashes too"


class LibNft:
    """Our table through libnftables. Starts its process with the first call, in the caller's network namespace.

    CapabilityMissing where libnftables is not installed; otherwise the errors of `ports.Nft`.
    """

    def __init__(self) -> None:
        self._child = Child("secmarkd.kernel.nft_worker", "libnftables", hint=_HINT)
        self._elements = 0

    @property
    def pid(self) -> int | None:
        """The process that holds libnftables; None while there is none."""
        return self._child.pid

    def read(self) -> Table | None:
        """The live table; None when it is known to be absent. StateUnknown when neither can be said."""
        deadline = READ_SECONDS + READ_SECONDS_PER_ELEMENT * self._elements
        table: Table | None = self._child.request(Read(), deadline, operation="read")
        self._elements = 0 if table is None else table.element_count()
        return table

    def commit(self, transaction: Transaction) -> None:
        """Carry out a transaction wholly or, with a KernelError, not at all; WorkerFailed: nobody knows, so read."""
        count = _element_count(transaction)
        self._elements += count
        self._child.request(Commit(transaction), _write_deadline(count), operation="commit")

    def check(self, transaction: Transaction) -> None:
        """Have the kernel validate a transaction, contexts and permissions included, without carrying it out."""
        deadline = _write_deadline(_element_count(transaction))
        self._child.request(Commit(transaction, dry=True), deadline, operation="check")

    def close(self) -> None:
        """End the process. The table stays, unless it has the flag `owner` without `persist`."""
        self._child.close()


def _write_deadline(elements: int) -> float:
    return WRITE_SECONDS + WRITE_SECONDS_PER_ELEMENT * elements


def _element_count(transaction: Transaction) -> int:
    count = 0
    for command in transaction:
        match command:
            case Replace(table):
                count += table.element_count()
            case AddElements(_, elements) | DeleteElements(_, elements):
                count += len(elements)
    return count
