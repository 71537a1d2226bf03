# SPDX-License-Identifier: GPL-2.0-or-later
"""Tampering that prints as ours: made by raw netlink, seen, named, and undone by the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from secmarkd.events import DriftDetected, DriftFlood
from secmarkd.model.label_map import Mode
from tests.support.capability import require_bindings
from tests.support.kernel_rig import KernelRig
from tests.support.namespace import Namespace
from tests.support.raw_batch import Clone, expressions, rebuilt, string, with_expressions
from tests.support.raw_netlink import COMMENT, attribute
from tests.support.service_rig import configuration
from tests.support.tables import full_table

Expressions = list[tuple[str, dict[int, bytes]]]
REPLY = b"\x01"


@pytest.fixture
def rig(netns: Namespace) -> Iterator[KernelRig]:
    require_bindings()
    with netns.enter():
        loaded = configuration(80, 443, mode=Mode.REHEARSE)
        rig = KernelRig(netns, replace(loaded, table=full_table()))
        yield rig
        rig.close()


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def test_a_table_that_is_written_again_as_it_was_is_no_drift(rig: KernelRig) -> None:
    before = Clone.of_our_table()
    before.write()
    rig.woken()
    assert [each for each in rig.journal.take() if isinstance(each, DriftDetected | DriftFlood)] == []
    assert Clone.of_our_table().plain() == before.plain()


@dataclass(frozen=True)
class Tampering:
    """One thing changed in a table that is otherwise written as it was."""

    name: str
    part: str
    where: Callable[[bytes], bool]
    change: Callable[[bytes], bytes | None]
    told: str
    """What the journal names."""

    def __str__(self) -> str:
        return self.name


def has(name: str, kind: int, content: bytes) -> Callable[[bytes], bool]:
    """Rules with an expression that has this attribute."""
    return lambda message: any(one == name and found.get(kind) == content for one, found in expressions(message))


def rule(change: Callable[[Expressions], Expressions]) -> Callable[[bytes], bytes]:
    return lambda message: with_expressions(message, change(expressions(message)))


def without(first: int, count: int) -> Callable[[Expressions], Expressions]:
    return lambda listed: listed[:first] + listed[first + count :]


def at(place: int, **changes: bytes) -> Callable[[Expressions], Expressions]:
    """With some attributes of one expression changed."""

    def change(listed: Expressions) -> Expressions:
        name, found = listed[place]
        more = {int(kind[1:]): content for kind, content in changes.items()}
        return [*listed[:place], (name, {**found, **more}), *listed[place + 1 :]]

    return change


def value(data: bytes) -> bytes:
    """NFTA_DATA_VALUE."""
    return attribute(1, data)


def verdict(code: int, chain: str = "") -> bytes:
    inner = attribute(1, code.to_bytes(4, "big", signed=True))
    return attribute(2, inner + (attribute(2, chain.encode() + b"\0") if chain else b""))


TURNED = ("byteorder", {1: u32(1), 2: u32(1), 3: u32(1), 4: u32(4), 5: u32(4)})
BITWISE = ("bitwise", {1: u32(1), 2: u32(1), 3: u32(1), 6: u32(0), 4: value(b"\xff"), 5: value(b"\0")})
NFPROTO, L4PROTO, IIFNAME, SKUID = (u32(each) for each in (15, 16, 6, 10))


def is_named(kind: int, name: str) -> Callable[[bytes], bool]:
    return lambda message: string(message, kind) == name


def of_chain(chain: str, place: int) -> Callable[[bytes], bool]:
    """The rule at a place of a chain: the harness counts."""
    counter = iter(range(1000))
    return lambda message: string(message, 2) == chain and next(counter) == place


def more(attributes: bytes) -> Callable[[bytes], bytes]:
    return lambda message: message + attributes


def noted(kind: int, content: bytes) -> Callable[[bytes], bytes]:
    """With other user data, type, length and value."""
    return lambda message: rebuilt(message, a13=lambda data: data + bytes([kind, len(content)]) + content)


TAMPERINGS = [
    Tampering("without the hidden test of the IP version", "rules", has("objref", 4, b"m_address\0"),
              rule(without(0, 2)), "chain server rule 8"),
    Tampering("with the hidden test of the other IP version", "rules", has("objref", 4, b"m_address\0"),
              rule(at(1, a3=value(b"\x0a"))), "chain server rule 8"),
    Tampering("with the hidden test of the IP version negated", "rules", has("objref", 4, b"m_address\0"),
              rule(at(1, a2=u32(1))), "chain server rule 8"),
    Tampering("without the hidden test of the protocol", "rules", has("payload", 3, u32(13)),
              rule(without(0, 2)), "chain server rule"),
    Tampering("with the hidden test of another protocol", "rules", has("payload", 3, u32(13)),
              rule(at(1, a3=value(b"\x11"))), "chain server rule"),
    Tampering("with a hidden test doubled", "rules", has("payload", 3, u32(13)),
              rule(lambda listed: listed[:2] + listed), "chain server rule"),
    Tampering("with a mask that changes nothing", "rules", has("ct", 2, u32(1)),
              rule(lambda listed: [listed[0], BITWISE, *listed[1:]]), "chain input rule"),
    Tampering("with a mask of other bits", "rules", has("payload", 3, u32(13)),
              rule(at(3, a4=value(b"\x02"))), "chain server rule"),
    Tampering("with a name of which less is compared", "rules", has("cmp", 3, value(b"lo".ljust(16, b"\0"))),
              rule(lambda listed: [(name, {**found, 3: value(b"lo\0")} if found.get(3) == value(b"lo".ljust(16, b"\0"))
                                    else found) for name, found in listed]), "rule"),
    Tampering("with a look-up that is inverted", "rules",
              lambda message: any(one == "lookup" for one, _ in expressions(message)),
              rule(lambda listed: [(name, {**found, 5: u32(1)} if name == "lookup" else found) for name, found in listed]),
              "chain server rule"),
    Tampering("with the source port looked up", "rules", has("objref", 4, b"m_port\0"),
              rule(lambda listed: [(name, {**found, 3: u32(0)} if name == "payload" else found) for name, found in listed]),
              "chain server rule"),
    Tampering("with another base of the same offset", "rules", has("objref", 4, b"m_port\0"),
              rule(lambda listed: [(name, {**found, 2: u32(1)} if name == "payload" else found) for name, found in listed]),
              "chain server rule"),
    Tampering("with what an earlier test has left in a register", "rules", has("objref", 4, b"m_protocol\0"),
              rule(lambda listed: [*listed[:1], ("cmp", {1: u32(1), 2: u32(5), 3: value(b"\0")}), *listed[1:]]),
              "chain server rule"),
    Tampering("with a look-up by another value of the same length", "rules", has("objref", 4, b"m_protocol\0"),
              rule(at(0, a2=NFPROTO)), "chain server rule"),
    Tampering("with another chain to go to", "rules", has("ct", 2, u32(1)),
              rule(at(2, a2=verdict(-4, "done"))), "chain input rule"),
    Tampering("with a verdict that prints nothing", "rules", has("ct", 2, u32(1)),
              rule(lambda listed: [("immediate", {1: u32(0), 2: verdict(-1)}), *listed]), "chain input rule"),
    Tampering("with a constant in a register", "rules", has("ct", 2, u32(1)),
              rule(lambda listed: [("immediate", {1: u32(2), 2: value(b"\0\0\0\0")}), *listed]), "chain input rule"),
    Tampering("with a number turned around that should not be", "rules", has("objref", 4, b"m_user\0"),
              rule(lambda listed: [listed[0], TURNED, *listed[1:]]),
              "chain server rule"),
    Tampering("with a comment on a rule that is no UTF-8", "rules", has("ct", 2, u32(1)),
              more(attribute(7, b"\x00\x03\xff\xfe\x00")), "chain input rule"),
    Tampering("with a comment on a chain", "chains", is_named(3, "done"), more(attribute(12, COMMENT)), "chain done"),
    Tampering("with a comment on the table", "tables", lambda message: True, more(attribute(6, COMMENT)), "table"),
    Tampering("with a comment on a counter", "objects", is_named(2, "s_ssh"), more(attribute(8, COMMENT)), "s_ssh"),
    Tampering("with a map that is slower", "sets", is_named(2, "m_port"), more(attribute(8, u32(1))), "map m_port"),
    Tampering("with a map that is too small", "sets", is_named(2, "m_empty"),
              lambda message: rebuilt(message, a9=lambda _: attribute(1, u32(3))), "map m_empty"),
    Tampering("with a map that prints its key otherwise", "sets", is_named(2, "m_port"),
              lambda message: rebuilt(message, a4=lambda _: u32(0x30E)), "map m_port"),
    Tampering("with a map of which nft has the order of bytes wrong", "sets", is_named(2, "m_protocol"),
              lambda message: rebuilt(message, a13=lambda data: data[:2] + b"\1" + data[3:]), "map m_protocol"),
    Tampering("with a map of which nft knows nothing", "sets", is_named(2, "m_port"),
              lambda message: rebuilt(message, a13=lambda data: None), "map m_port"),
    Tampering("with a map with something noted", "sets", is_named(2, "m_port"), noted(5, b"??"), "map m_port"),
    Tampering("with a map with a timeout", "sets", is_named(2, "m_empty"),
              lambda message: rebuilt(message, a3=lambda _: u32(0x50)) + attribute(11, (3600000).to_bytes(8, "big")),
              "map m_empty"),
    Tampering("with a map whose elements count", "sets", is_named(2, "m_empty"),
              lambda message: rebuilt(message, a3=lambda _: u32(0x140)) + attribute(17, attribute(1, b"counter\0")),
              "map m_empty"),
    Tampering("with a base chain elsewhere", "chains", is_named(3, "input"),
              lambda message: rebuilt(message, a4=lambda _: attribute(1, u32(1)) + attribute(2, u32(51))), "chain input"),
    Tampering("with a base chain that counts", "chains", is_named(3, "input"),
              more(attribute(8, attribute(1, bytes(8)) + attribute(2, bytes(8)))), "chain input"),
    Tampering("with a rule less", "rules", of_chain("server", 3), lambda message: None, "chain server rule 4"),
]  # fmt: skip


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=str)
def test_it_is_seen_named_and_undone(rig: KernelRig, tampering: Tampering) -> None:
    before = Clone.of_our_table()
    changed: list[bytes] = []

    def change(part: str, message: bytes) -> bytes | None:
        if part != tampering.part or changed or not tampering.where(message):
            return message
        changed.append(message)
        return tampering.change(message)

    before.write(change)
    assert changed
    assert Clone.of_our_table().plain() != before.plain()
    rig.woken()
    events = [each for each in rig.journal.take() if isinstance(each, DriftDetected | DriftFlood)]
    said = "\n".join(map(str, events))
    assert tampering.told in said, said
    assert f"by {_this_process()}" in said, said
    assert rig.service.status.state == "in sync"
    assert Clone.of_our_table().plain() == before.plain()


def _this_process() -> str:
    with open("/proc/self/comm") as file:
        return file.read().strip()
