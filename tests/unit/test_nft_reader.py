"""A read says what is there, that nothing is there, or that it does not know; libnftables is asked when it has to be."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from secmarkd.errors import StateUnknown
from secmarkd.kernel.netlink_dump import Interrupted, NetlinkDump
from secmarkd.kernel.netlink_gen import Netlink
from secmarkd.kernel.nft_reader import Reader
from secmarkd.ruleset.elements import Field
from secmarkd.ruleset.table import ObjectKind, Table
from tests.support.raw_netlink import KEY, attribute, element, encode_elements, kernel_pair, key, objref
from tests.support.tables import make_map, replace_map

FULL = Table(maps=(make_map("m", (Field.PORT,), ObjectKind.COUNTER, ((80,), "s"), ((81,), "s")),))
EMPTY = replace_map(FULL, "m", type(FULL.maps[0].elements)(2))
SENT = encode_elements((Field.PORT,), False, FULL.maps[0].elements)


class Kernel:
    """Answers to both kinds of questions, and libnftables beside it. Each `oddity` happens once, at a dump of elements."""

    def __init__(self, *oddities: Callable[[Kernel], None]) -> None:
        self.number = 7
        self.flags: tuple[str, ...] | None = ()
        self.structure = b"structure"
        self.listed: Table | None = EMPTY
        self.oddities = list(oddities)
        self.listings = self.opened = self.closed = 0

    def reader(self) -> Reader:
        return Reader(lambda: cast(Netlink, self), self._list, self._open)

    def _open(self) -> NetlinkDump:
        self.opened += 1
        return cast(NetlinkDump, self)

    def _list(self, flags: tuple[str, ...]) -> Table | None:
        self.listings += 1
        return self.listed

    def generation(self) -> int:
        return self.number

    def table_flags(self, name: str) -> tuple[str, ...] | None:
        return self.flags

    def fingerprint(self, table: str) -> bytes:
        return self.structure

    def elements(self, table: str, name: str) -> list[bytes]:
        if self.oddities:
            self.oddities.pop(0)(self)
        return SENT

    def close(self) -> None:
        self.closed += 1


def interrupted(kernel: Kernel) -> None:
    raise Interrupted


def gone(kernel: Kernel) -> None:
    raise FileNotFoundError


def removed(kernel: Kernel) -> None:
    kernel.number, kernel.flags = 8, None
    raise FileNotFoundError


def replaced(kernel: Kernel) -> None:
    kernel.number, kernel.structure = 8, b"another"
    raise FileNotFoundError


def written(kernel: Kernel) -> None:
    kernel.number += 1


def test_libnftables_is_asked_again_only_when_the_structure_has_changed() -> None:
    kernel = Kernel()
    reader = kernel.reader()
    assert [reader.read() for _ in range(3)] == [FULL] * 3
    assert kernel.listings == 1
    kernel.structure = b"another"
    assert reader.read() == FULL
    assert kernel.listings == 2


def test_a_table_that_is_not_there_is_known_to_be_absent_without_libnftables() -> None:
    kernel = Kernel()
    kernel.flags = None
    assert kernel.reader().read() is None
    assert kernel.listings == 0


def test_a_table_that_goes_while_it_is_read_is_absent() -> None:
    assert Kernel(removed).reader().read() is None


def test_a_table_that_is_replaced_while_it_is_read_is_read_again() -> None:
    kernel = Kernel(replaced)
    assert kernel.reader().read() == FULL
    assert kernel.listings == 2


def test_a_read_that_was_overtaken_by_a_commit_is_repeated() -> None:
    kernel = Kernel(written)
    reader = kernel.reader()
    assert reader.read() == FULL
    assert kernel.listings == 2  # what was listed then is not trusted
    assert reader.read() == FULL
    assert kernel.listings == 2


@pytest.mark.parametrize(
    "oddities", [[interrupted], [gone], [written] * 99], ids=["interrupted", "gone", "overtaken"]
)
def test_what_cannot_be_said_is_unknown_and_nothing_of_it_is_kept(oddities: list[Callable[[Kernel], None]]) -> None:
    kernel = Kernel(*oddities)
    reader = kernel.reader()
    with pytest.raises(StateUnknown):
        reader.read()
    assert kernel.closed == 1  # answers to what was asked may still come, to that socket
    kernel.oddities.clear()
    assert reader.read() == FULL
    assert kernel.opened == 2


def test_a_table_that_libnftables_does_not_find_is_unknown() -> None:
    kernel = Kernel()
    kernel.listed = None
    with pytest.raises(StateUnknown, match="cannot be listed"):
        kernel.reader().read()


# --- dumps, from a socket in the place of the kernel's ---

DONE, ERROR, ELEMENTS = 3, 2, 10 << 8 | 12
INTR = 0x10


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, NetlinkDump]]:
    monkeypatch.setattr("secrets.randbelow", lambda _: 1)
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


@pytest.mark.parametrize("at_its_end", [False, True])
def test_a_dump_that_a_commit_interrupted_is_begun_anew(ends: Any, at_its_end: bool) -> None:
    kernel, lists = ends
    kernel.send(a_part(1, ONE, flags=0 if at_its_end else INTR))
    kernel.send(an_end(1, flags=INTR if at_its_end else 0))
    kernel.send(a_part(2, TWO) + an_end(2))
    assert lists.elements("secmarkd", "m") == [TWO]


def test_a_dump_that_is_interrupted_every_time_is_given_up(ends: Any) -> None:
    kernel, lists = ends
    for sequence in range(1, 33):
        kernel.send(an_end(sequence, flags=INTR))
    with pytest.raises(Interrupted):
        lists.elements("secmarkd", "m")


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
