# SPDX-License-Identifier: GPL-2.0-or-later
"""A read says what is there, that nothing is there, or that it does not know."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from secmarkd.adapters.netlink.dump import Interrupted, NetlinkDump
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables.reader import Reader
from secmarkd.errors import StateUnknown
from secmarkd.netlink.structure import Structure
from secmarkd.netlink.table import decode_table
from secmarkd.table.elements import Field
from secmarkd.table.table import ObjectKind, Table
from tests.support.raw_netlink import KEY, attribute, element, encode_elements, kernel_pair, key, objref
from tests.support.tables import make_map

FULL = Table(maps=(make_map("m", (Field.PORT,), ObjectKind.COUNTER, ((80,), "s"), ((81,), "s")),))
SENT = encode_elements((Field.PORT,), False, FULL.maps[0].elements)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4, "big"))


def a_set(name: bytes, notes: bytes = b"") -> bytes:
    """A map from ports to counters."""
    noted = b"\0\4" + struct.pack("=I", 2) + b"\6\4" + bytes(4) + notes
    head = attribute(1, b"secmarkd\0") + attribute(2, name + b"\0")
    return head + number(3, 0x40) + number(4, 13) + number(5, 2) + number(15, 1) + attribute(13, noted)


TABLE = attribute(1, b"secmarkd\0") + number(2, 0)
STRUCTURE = Structure(tables=(TABLE,), sets=(a_set(b"m"),))
ANOTHER = Structure(tables=(TABLE,), sets=(a_set(b"m") + number(16, 9),))
STRANGE = Structure(tables=(TABLE,), sets=(a_set(b"m", b"\3\1?"),))


class Kernel:
    """Answers to questions. Each `oddity` happens once, at a dump of elements."""

    def __init__(self, *oddities: Callable[[Kernel], None]) -> None:
        self.number = 7
        self.structures = STRUCTURE
        self.oddities = list(oddities)
        self.opened = self.closed = 0

    def reader(self) -> Reader:
        return Reader(lambda: cast(Netlink, self), self._open)

    def _open(self) -> NetlinkDump:
        self.opened += 1
        return cast(NetlinkDump, self)

    def generation(self) -> int:
        return self.number

    def structure(self, table: str) -> Structure:
        return self.structures

    def elements(self, table: str, name: str) -> tuple[bytes, ...]:
        if self.oddities:
            self.oddities.pop(0)(self)
        return tuple(SENT)

    def close(self) -> None:
        self.closed += 1


def interrupted(kernel: Kernel) -> None:
    raise Interrupted


def gone(kernel: Kernel) -> None:
    raise FileNotFoundError


def removed(kernel: Kernel) -> None:
    kernel.number, kernel.structures = 8, Structure()
    raise FileNotFoundError


def replaced(kernel: Kernel) -> None:
    kernel.number, kernel.structures = kernel.number + 1, ANOTHER
    raise FileNotFoundError


def written(kernel: Kernel) -> None:
    kernel.number += 1


def rewritten(kernel: Kernel) -> None:
    kernel.number += 1
    kernel.structures = ANOTHER if kernel.structures == STRUCTURE else STRUCTURE


def test_the_structure_is_decoded_again_only_when_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def decode(*arguments: Any) -> Table | None:
        decoded.append(arguments)
        return decode_table(*arguments)

    monkeypatch.setattr("secmarkd.adapters.nftables.reader.decode_table", decode)
    kernel = Kernel()
    reader = kernel.reader()
    assert [reader.read() for _ in range(3)] == [FULL] * 3
    assert len(decoded) == 1
    kernel.structures = ANOTHER
    assert reader.read() == FULL
    assert len(decoded) == 2


@pytest.mark.fault(16)
def test_a_table_that_is_not_there_is_known_to_be_absent() -> None:
    kernel = Kernel()
    kernel.structures = Structure()
    assert kernel.reader().read() is None


def test_a_table_that_goes_while_it_is_read_is_absent() -> None:
    assert Kernel(removed).reader().read() is None


@pytest.mark.parametrize("oddity", [replaced, rewritten])
def test_a_table_that_is_replaced_while_it_is_read_is_read_again(oddity: Callable[[Kernel], None]) -> None:
    assert Kernel(oddity).reader().read() == FULL


def test_commits_to_other_tables_keep_nobody_from_reading_this_one() -> None:
    assert Kernel(*[written] * 99).reader().read() == FULL


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    "oddities", [[interrupted], [gone] * 99, [rewritten] * 99], ids=["interrupted", "gone", "rewritten"]
)
def test_what_cannot_be_said_is_unknown_and_nothing_of_it_is_kept(
    oddities: list[Callable[[Kernel], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secmarkd.adapters.nftables.reader._SECONDS", 0)
    kernel = Kernel(*oddities)
    reader = kernel.reader()
    with pytest.raises(StateUnknown):
        reader.read()
    assert kernel.closed == 1  # answers to what was asked may still come, to that socket
    kernel.oddities.clear()
    assert reader.read() == FULL
    assert kernel.opened == 2


@pytest.mark.fault(16)
def test_what_nobody_can_read_is_unknown() -> None:
    kernel = Kernel()
    kernel.structures = Structure(tables=(b"\1\0\0",))
    with pytest.raises(StateUnknown, match="cannot decode"):
        kernel.reader().read()


@pytest.mark.fault(41)
def test_what_another_libnftables_notes_is_ours_where_we_have_just_written_it_and_strange_elsewhere() -> None:
    kernel = Kernel()
    kernel.structures = STRANGE
    reader = kernel.reader()
    for wrong in (None, 6):
        if wrong is not None:
            reader.written(wrong)
        (foreign,) = cast(Table, reader.read()).foreign
        assert (foreign.what, foreign.name, foreign.text) == ("map", "m", "user data 3 0x3f")
    reader = kernel.reader()
    reader.written(7)
    assert reader.read() == FULL


# --- dumps, from a socket in the place of the kernel's ---

DONE, ERROR, ELEMENTS = 3, 2, 10 << 8 | 12
INTR = 0x10


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, NetlinkDump]]:
    monkeypatch.setattr("secmarkd.adapters.netlink.socket.first_sequence", lambda: 1)
    ours, theirs = kernel_pair()
    with closing(theirs), closing(NetlinkDump(ours)) as lists:
        yield theirs, lists


def message(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def a_part(sequence: int, *elements: bytes, flags: int = 0) -> bytes:
    body = attribute(1, b"secmarkd\0") + attribute(2, b"m\0") + attribute(3, b"".join(elements))
    return message(ELEMENTS, sequence, bytes(4) + body, flags)


def an_end(sequence: int, *, number: int = 0, flags: int = 0) -> bytes:
    return message(DONE, sequence, struct.pack("=i", -number), flags)


ONE, TWO = (element(key(KEY, bytes([0, number])), objref("s")) for number in (1, 2))


def test_a_dump_is_all_its_messages(ends: Any) -> None:
    kernel, lists = ends
    kernel.send(a_part(1, ONE))
    kernel.send(a_part(1, TWO) + an_end(1))
    assert lists.elements("secmarkd", "m") == [ONE, TWO]


@pytest.mark.fault(19)
@pytest.mark.parametrize("at_its_end", [False, True])
def test_a_dump_that_a_commit_interrupted_is_begun_anew(ends: Any, at_its_end: bool) -> None:
    kernel, lists = ends
    kernel.send(a_part(1, ONE, flags=0 if at_its_end else INTR))
    kernel.send(an_end(1, flags=INTR if at_its_end else 0))
    kernel.send(a_part(2, TWO) + an_end(2))
    assert lists.elements("secmarkd", "m") == [TWO]


@pytest.mark.fault(19)
def test_a_dump_that_is_interrupted_every_time_is_given_up(ends: Any) -> None:
    kernel, lists = ends
    for sequence in range(1, 33):
        kernel.send(a_part(sequence, ONE if sequence % 2 else TWO) + an_end(sequence, flags=INTR))
    with pytest.raises(Interrupted):
        lists.elements("secmarkd", "m")


def test_a_dump_that_was_interrupted_and_is_twice_the_same_is_good(ends: Any) -> None:
    kernel, lists = ends
    for sequence, part in enumerate((ONE, TWO, TWO), start=1):
        kernel.send(a_part(sequence, part) + an_end(sequence, flags=INTR))
    assert lists.elements("secmarkd", "m") == [TWO]


def test_answers_to_what_was_asked_before_are_passed_over(ends: Any) -> None:
    kernel, lists = ends
    kernel.send(a_part(0, ONE) + an_end(0))
    kernel.send(a_part(1, TWO) + an_end(1))
    assert lists.elements("secmarkd", "m") == [TWO]


@pytest.mark.parametrize("kind", [DONE, ERROR])
def test_an_error_in_a_dump_is_the_errno(ends: Any, kind: int) -> None:
    kernel, lists = ends
    kernel.send(a_part(1, ONE))
    kernel.send(message(kind, 1, struct.pack("=i", -2)))
    with pytest.raises(FileNotFoundError):
        lists.elements("secmarkd", "m")
