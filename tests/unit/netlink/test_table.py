# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says of a table is read as what was written, by any nft; what is changed in it is another table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secmarkd.change.diff import diff
from secmarkd.change.rebuild import rebuildable
from secmarkd.netlink.codec import NLATTR, attributes
from secmarkd.netlink.structure import Structure
from secmarkd.netlink.table import MANY_CHAINS, MANY_OBJECTS, MANY_SETS, decode_table, foreign_rules
from secmarkd.table.elements import Elements
from secmarkd.table.table import Foreign, ObjectKind, Table
from tests.support.paths import GOLDEN
from tests.support.raw_forms import forms_table
from tests.support.raw_netlink import attribute
from tests.support.tables import full_table

RECORDED = GOLDEN / "raw"
VERSIONS = sorted(path.stem for path in RECORDED.glob("nft-*.json"))
CASES = [("nft-1.0.6", "full counter"), ("nft-1.0.6", "forms"), ("nft-1.1.3", "full counter"),
         ("nft-1.1.3", "full secmark"),
    ("nft-1.1.3", "forms")]  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """What the kernel said of one table, and the table that was written."""

    structure: Structure
    elements: dict[str, list[bytes]]
    written: Table

    def decoded(self, structure: Structure | None = None) -> Table | None:
        return decode_table(structure or self.structure, lambda name: self.elements[name])


@cache
def recorded(version: str, name: str) -> Recorded:
    said = json.loads((RECORDED / f"{version}.json").read_text())
    table = said["tables"][name]
    structure = Structure(*(tuple(map(bytes.fromhex, part)) for part in table["structure"]))
    elements = {each: [bytes.fromhex(block) for block in blocks] for each, blocks in table["elements"].items()}
    written = forms_table(said["cgroups"]) if name == "forms" else full_table(ObjectKind(name.split()[1]))
    maps = tuple(replace(each, elements=Elements(each.elements.width)) for each in written.maps)
    return Recorded(structure, elements, replace(written, maps=maps))


@pytest.mark.parametrize(("version", "name"), CASES)
def test_what_was_written_is_read(version: str, name: str) -> None:
    each = recorded(version, name)
    assert each.decoded() == each.written


def test_of_no_table_nothing_is_read() -> None:
    assert decode_table(Structure(), lambda name: []) is None


# --- things that a name does not tell apart, and what types cannot say ---

FULL = recorded("nft-1.0.6", "full counter")


def twice(part: str, place: int) -> Structure:
    """With one thing once more, under another handle."""
    messages = getattr(FULL.structure, part)
    return replace(
        FULL.structure, **{part: (*messages, messages[place].replace(bytes(7) + b"\x0f", bytes(7) + b"\x77"))}
    )


@pytest.mark.parametrize(("part", "what"), [("chains", MANY_CHAINS), ("sets", MANY_SETS), ("objects", MANY_OBJECTS)])
def test_two_things_of_one_name_are_drift_and_are_not_put_right_by_name(part: str, what: str) -> None:
    found = FULL.decoded(twice(part, 0))
    assert found is not None
    assert [each.what for each in found.foreign].count(what) == 2
    assert not rebuildable(found, FULL.written)
    assert any(what in each.name for each in diff(FULL.written, found))


def test_of_chains_of_one_name_the_handles_and_the_rules_among_them_are_said() -> None:
    found = FULL.decoded(twice("chains", 0))
    assert found is not None
    assert [each.text for each in found.foreign] == [
        "handle 119, no base chain, 2 rules among them",
        "handle 15, no base chain, 2 rules among them",
    ]


def number(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4, "big"))


def grown(part: str, place: int, more: bytes) -> Structure:
    """With something more in one message."""
    messages = list(getattr(FULL.structure, part))
    messages[place] += more
    return replace(FULL.structure, **{part: tuple(messages)})


COMMENT = b"\x00\x02x\x00"


@pytest.mark.parametrize(
    ("part", "more", "what", "text"),
    [
        ("tables", attribute(6, COMMENT), "table", 'comment "x"'),
        ("tables", number(99, 1), "table", "attribute 99 0x00000001"),
        ("chains", attribute(12, COMMENT), "chain", 'comment "x"'),
        ("chains", attribute(8, b""), "chain", "counters"),
        ("chains", number(10, 4), "chain", "attribute 10 0x00000004"),
        ("rules", attribute(7, COMMENT), "rule", 'comment "x"'),
        ("rules", number(11, 1), "rule", "attribute 11 0x00000001"),
        ("sets", number(8, 1), "map", "policy 0x00000001"),
        ("sets", attribute(11, bytes(8)), "map", "timeout 0x0000000000000000"),
        ("sets", number(12, 5), "map", "gc-interval 0x00000005"),
        ("objects", attribute(8, COMMENT), "counter", 'comment "x"'),
        ("objects", number(77, 1), "counter", "attribute 77 0x00000001"),
    ],
)
def test_what_a_thing_has_besides_is_foreign(part: str, more: bytes, what: str, text: str) -> None:
    found = FULL.decoded(grown(part, 0, more))
    assert found is not None
    said = [each for chain in found.chains for rule in chain.rules for each in rule if isinstance(each, Foreign)]
    assert [(each.what, each.text) for each in (*found.foreign, *said)] == [(what, text)]


def test_a_flowtable_is_foreign() -> None:
    found = FULL.decoded(replace(FULL.structure, flowtables=(attribute(1, b"secmarkd\0") + attribute(2, b"f\0"),)))
    assert found is not None
    assert [(each.what, each.name) for each in found.foreign] == [("flowtable", "f")]


def with_registers(message: bytes, numbers: dict[int, int]) -> bytes:
    """A rule of a load, a comparison and a verdict in other registers."""
    for old, new in numbers.items():
        message = message.replace(number(1, old), number(1, new))
    return message


@pytest.mark.parametrize("register", [2, 3, 4, 8, 9, 12, 23])
def test_which_register_a_rule_uses_does_not_matter(register: int) -> None:
    place = next(place for place, each in enumerate(FULL.structure.rules) if b"server\0" in each and b"ct\0" in each)
    rules = list(FULL.structure.rules)
    rules[place] = with_registers(rules[place], {1: register})
    assert rules[place] != FULL.structure.rules[place]
    assert FULL.decoded(replace(FULL.structure, rules=tuple(rules))) == FULL.written


def test_rules_with_something_foreign_are_known_by_their_handles() -> None:
    structure = grown("rules", 1, attribute(7, COMMENT))
    found = FULL.decoded(structure)
    assert found is not None
    assert foreign_rules(structure, found) == (("done", 0x15),)
    assert foreign_rules(FULL.structure, FULL.written) == ()


# --- nothing in a message can be changed without being seen, but for what says nothing ---

Path_ = tuple[int, ...]


def nested(content: bytes) -> list[tuple[int, int, bytes]] | None:
    """Place, kind and content of the attributes that content is made of; None where it is made of none."""
    place, found = 0, []
    while place < len(content):
        if place + NLATTR.size > len(content):
            return None
        length, kind = NLATTR.unpack_from(content, place)
        if length < NLATTR.size or place + length > len(content) or kind & 0x3FFF > 64 or kind & 0x3FFF == 0:
            return None
        found.append((place, kind, content[place + NLATTR.size : place + length]))
        place += length + 3 & ~3
    return found or None


def leaves(content: bytes, start: int, above: Path_) -> Iterator[tuple[Path_, int, int]]:
    """Kinds from the outside in, place and length of each value in a message."""
    for place, kind, inner in nested(content) or []:
        path, begin = (*above, kind & 0x3FFF), start + place + NLATTR.size
        if nested(inner) is not None:
            yield from leaves(inner, begin, path)
        elif inner:
            yield path, begin, len(inner)


MEANINGLESS: dict[str, Callable[[Path_], bool]] = {
    # handles, how often a thing is used, the owner's port, positions: the kernel's own numbers
    "tables": lambda path: path[0] in (3, 4),
    "chains": lambda path: path[0] in (2, 6),
    "rules": lambda path: path[0] in (3, 6),
    "sets": lambda path: path[0] in (16,),
    "objects": lambda path: path[0] in (6,),
}
TABLE_NAME = 1


@cache
def places(version: str, name: str) -> tuple[tuple[str, int, Path_, int, int], ...]:
    """Every value of every message that says something."""
    each = recorded(version, name)
    return tuple(
        (part, number, path, begin, length)
        for part, meaningless in MEANINGLESS.items()
        for number, message in enumerate(getattr(each.structure, part))
        for path, begin, length in leaves(message, 0, ())
        if path[0] != TABLE_NAME and not meaningless(path)
    )


def _of_an_anonymous_set(each: Recorded, part: str, message: bytes, path: Path_) -> bool:
    """What is noted of the key of an anonymous set, into which nobody can write: its type, and user data; and how many
    elements it was made for, which 1.1.3 does not say."""
    if part != "sets":
        return False
    name = dict(attributes(message))[2].rstrip(b"\0").decode(errors="replace")
    return name in each.elements and path[0] in (4, 5, 9, 13)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_bit_that_is_changed_anywhere_is_seen(data: st.DataObject) -> None:
    version, name = data.draw(st.sampled_from(CASES))
    each = recorded(version, name)
    part, number, path, begin, length = data.draw(st.sampled_from(places(version, name)))
    messages = list(getattr(each.structure, part))
    message = bytearray(messages[number])
    place = begin + data.draw(st.integers(0, length - 1))
    message[place] ^= 1 << data.draw(st.integers(0, 7))
    messages[number] = bytes(message)
    if _of_an_anonymous_set(each, part, bytes(message), path):
        return
    assert _decoded(each, replace(each.structure, **{part: tuple(messages)})) != each.written


def _decoded(each: Recorded, structure: Structure) -> Any:
    """What is read; the error where nobody can read it."""
    try:
        return decode_table(structure, lambda name: each.elements.get(name, []))
    except ValueError as error:
        return error


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_an_expression_that_is_left_out_doubled_or_moved_is_seen(data: st.DataObject) -> None:
    version, name = data.draw(st.sampled_from(CASES))
    each = recorded(version, name)
    number = data.draw(st.integers(0, len(each.structure.rules) - 1))
    found = list(attributes(each.structure.rules[number]))
    (content,) = [inner for kind, inner in found if kind == 4]
    expressions = [attribute(1, inner) for _, inner in attributes(content)]
    place, to = (data.draw(st.integers(0, len(expressions) - 1)) for _ in range(2))
    changed = list(expressions)
    match data.draw(st.sampled_from(["left out", "doubled", "moved"])):
        case "left out":
            if _turns_one_byte(expressions[place]):
                return  # it does nothing, and 1.1.3 does not write it
            del changed[place]
        case "doubled":
            changed.insert(to, expressions[place])
        case _:
            changed.insert(to, changed.pop(place))
    if changed == expressions:
        return
    inner = b"".join(changed)
    message = b"".join(attribute(kind, inner if kind == 4 else other) for kind, other in found)
    rules = (*each.structure.rules[:number], message, *each.structure.rules[number + 1 :])
    assert _decoded(each, replace(each.structure, rules=rules)) != each.written


def _turns_one_byte(expression: bytes) -> bool:
    """`byteorder` of a value of one byte."""
    return b"byteorder\0" in expression and number(4, 1) in expression


@pytest.mark.parametrize("part", ["chains", "rules", "sets", "objects"])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_thing_that_is_missing_is_seen(part: str, data: st.DataObject) -> None:
    messages = list(getattr(FULL.structure, part))
    del messages[data.draw(st.integers(0, len(messages) - 1))]
    assert _decoded(FULL, replace(FULL.structure, **{part: tuple(messages)})) != FULL.written


@given(st.binary(max_size=200))
def test_whatever_a_message_is_reading_it_is_a_table_or_a_value_error(noise: bytes) -> None:
    for part in MEANINGLESS:
        _decoded(FULL, replace(FULL.structure, **{part: (*getattr(FULL.structure, part), noise)}))
