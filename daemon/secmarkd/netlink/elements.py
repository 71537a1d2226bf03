# SPDX-License-Identifier: GPL-2.0-or-later
"""The elements of a map from the kernel's own messages, packed. Total: what is not exactly ours comes back as foreign.

libnftables takes 20 to 40 microseconds an element, this about a half (2 for ranges in maps of one field). Elements of one
length are told apart and checked all at once, column by column; only what then differs from how nft writes elements of
ours is looked at one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from secmarkd.netlink.codec import NLATTR, TYPE_MASK
from secmarkd.netlink.element import RawElement, foreign_text, good_name, is_tree, read_element
from secmarkd.netlink.groups import by_length
from secmarkd.netlink.layout import Layout, layout_of
from secmarkd.netlink.numbers import Data, List, SetElem
from secmarkd.table.elements import Elements, Field, key_width
from secmarkd.table.foreign import Json, foreign, ordered
from secmarkd.table.table import Map, Table

_PLACES = 1 << 32
"""One more than the greatest place in a mark."""


def fill(table: Table, read: Callable[[Map], tuple[Elements, list[Json]]]) -> Table:
    """The table with elements in its maps: `read` gives those of one map, and what among them is foreign, in nft's JSON."""
    maps, things = [], list(table.foreign)
    for each in table.maps:
        elements, unknown = read(each)
        maps.append(replace(each, elements=elements))
        things += [foreign("element", each.name, one) for one in unknown]
    return replace(table, maps=tuple(maps), foreign=ordered(things))


def parse_elements(fields: tuple[Field, ...], interval: bool, blocks: Iterable[bytes]) -> tuple[Elements, list[Json]]:
    """The elements of a map with these fields, and those that are not exactly a key and an object's name, in nft's JSON.

    `blocks` are contents of NFTA_SET_ELEM_LIST_ELEMENTS, from all messages of a dump. A key that comes twice counts once: a
    dump repeats elements when the map grows meanwhile. ValueError when they are no elements at all.
    """
    reader = _Reader(fields, interval)
    for stride, group in by_length(b"".join(blocks)):
        reader.take(stride, group)
    if reader.marks:
        reader.join_ranges()
    return Elements.packed(key_width(fields, interval), reader.keys, reader.names), reader.foreign


@dataclass(slots=True)
class _Reader:
    """What has been read of a map so far."""

    fields: tuple[Field, ...]
    interval: bool
    keys: bytearray = field(default_factory=bytearray)
    """Packed keys of `names`, one after another."""
    names: list[str] = field(default_factory=list)
    marks: list[bytes] = field(default_factory=list)
    """Of an interval map with one field, where ranges end and start: the packed value, a byte that is 1 for a start, and
    the place in `targets`, so that they sort as the kernel takes them; see `join_ranges`."""
    targets: dict[str, int] = field(default_factory=lambda: {"": 0})
    strange: list[RawElement] = field(default_factory=list)
    """Starts with more to them than an object; their places are counted from the highest down."""
    foreign: list[Json] = field(default_factory=list)

    @property
    def tree(self) -> bool:
        """See `is_tree`."""
        return is_tree(self.fields, self.interval)

    @property
    def layout(self) -> Layout:
        return layout_of(self.fields, self.interval)

    def take(self, stride: int, group: bytes) -> None:
        """Elements of `stride` bytes each, one after another."""
        template = self._template()
        head, count = len(template), len(group) // stride
        places = self._places()
        taken = set(places)
        regular = stride > head and all(
            group[place::stride] == template[place : place + 1] * count
            for place in range(NLATTR.size - 2, head)
            if place not in taken
        )
        if not regular:
            for start in range(0, len(group), stride):
                self._one(group[start : start + stride])
            return
        tails = [tail for (tail,) in struct.iter_unpack(f"{head}x{stride - head}s", group)]
        known = {tail: self._tail(tail) for tail in set(tails)}
        if None in known.values() or (Field.INTERFACE in self.fields and not self._good_names(group, stride)):
            group, tails = self._sift(stride, group, tails, known)
        width = len(places)
        keys = bytearray(width * len(tails))
        for place, source in enumerate(places):
            keys[place::width] = group[source::stride]
        if self.tree:
            ends = {tail: self._mark(known[tail] or "") for tail in set(tails)}
            records = struct.iter_unpack(f"{width}s", keys)
            self.marks += [key + ends[tail] for (key,), tail in zip(records, tails, strict=True)]
        else:
            self.keys += keys
            self.names += [known[tail] or "" for tail in tails]  # none is None: those were sifted out

    def _sift(
        self, stride: int, group: bytes, tails: list[bytes], known: dict[bytes, str | None]
    ) -> tuple[bytes, list[bytes]]:
        """Without the elements that have to be looked at one by one, which is done."""
        kept: list[int] = []
        names = {}
        spans = self._name_spans()
        for number, tail in enumerate(tails):
            one = group[number * stride : (number + 1) * stride]
            name = tuple(one[span] for span in spans)
            if name not in names:
                names[name] = self.tree or self._good(name)
            if known[tail] is None or not names[name]:
                self._one(one)
            else:
                kept.append(number)
        return b"".join([group[each * stride : (each + 1) * stride] for each in kept]), [tails[each] for each in kept]

    def _good_names(self, group: bytes, stride: int) -> bool:
        """Whether all interface names are names; those of a tree are looked at as ranges, later."""
        if self.tree:
            return True
        spans = self._name_spans()
        form = f"{spans[0].start}x16s" + (f"{spans[1].start - spans[0].stop}x16s" if len(spans) > 1 else "")
        form += f"{stride - spans[-1].stop}x"
        return all(map(self._good, set(struct.iter_unpack(form, group))))

    def _good(self, name: tuple[bytes, ...]) -> bool:
        return not name or good_name(name[0], name[-1])

    def _name_spans(self) -> list[slice]:
        """Where in an element the interface's name is: none, one place, or that of the first and of the last."""
        if Field.INTERFACE not in self.fields:
            return []
        before = sum(each.width for each in self.fields[: self.fields.index(Field.INTERFACE)])
        places, half = self._places(), len(self.layout.places)
        starts = [places[before]] + ([places[half + before]] if len(places) > half else [])
        return [slice(start, start + Field.INTERFACE.width) for start in starts]

    def _template(self) -> bytes:
        """How nft's elements begin: their head, then their key of zeros."""
        value = bytes(-(-self.layout.width // 4) * 4)
        size = NLATTR.size
        inner = NLATTR.pack(size + self.layout.width, Data.VALUE) + value
        outer = [NLATTR.pack(size + len(inner), each) + inner for each in self._key_kinds()]
        return NLATTR.pack(0, List.ELEM) + b"".join(outer)

    def _places(self) -> list[int]:
        """Where in an element each byte of the packed key is."""
        size, step = NLATTR.size, 2 * NLATTR.size + -(-self.layout.width // 4) * 4
        starts = [3 * size + number * step for number in range(len(self._key_kinds()))]
        return [start + place for start in starts for place in self.layout.places]

    def _key_kinds(self) -> tuple[int, ...]:
        return (SetElem.KEY, SetElem.KEY_END) if self.interval and not self.tree else (SetElem.KEY,)

    def _tail(self, tail: bytes) -> str | None:
        """The object's name in what follows the key, an empty one for the end of a range; None for anything else."""
        each = read_element(tail)
        if each.extra or each.key is not None or each.key_end is not None or each.catch_all:
            return None
        if each.is_end:
            return "" if self.tree and each.target is None and not each.is_open else None
        return each.target or None if not each.is_open or self.tree else None

    def _one(self, data: bytes) -> None:
        """One element by itself."""
        _, kind = NLATTR.unpack_from(data)
        each = read_element(data[NLATTR.size :])
        try:
            if kind & TYPE_MASK != List.ELEM or each.catch_all or each.key is None:
                raise ValueError("no element with a key")
            if self.tree:
                return self._one_mark(each, self.layout.pack(each.key))
            key = self._one_key(each)
        except ValueError:
            self.foreign.append(foreign_text(self.fields, self.interval, each))
        else:
            self.keys += key
            self.names.append(each.target)
        return None

    def _one_key(self, each: RawElement) -> bytes:
        """The packed key of an element that is ours. ValueError for any other."""
        if each.extra or not each.target or each.is_end or each.is_open or (each.key_end and not self.interval):
            raise ValueError("not an element of ours")
        first = self.layout.pack(each.key or b"")
        last = first if each.key_end is None else self.layout.pack(each.key_end)
        place = 0
        for one in self.fields:
            low, high = first[place : place + one.width], last[place : place + one.width]
            if low > high or (one is Field.INTERFACE and not good_name(low, high)):
                raise ValueError("not a key of ours")
            place += one.width
        return first + last if self.interval else first

    def _one_mark(self, each: RawElement, key: bytes) -> None:
        if each.key_end is not None or (each.is_end and (each.extra or each.target is not None or each.is_open)):
            raise ValueError("not a mark of ours")
        if each.is_end or not (each.extra or not each.target):
            self.marks.append(key + self._mark("" if each.is_end else each.target))
        else:
            self.strange.append(each)
            self.marks.append(key + b"\1" + (_PLACES - len(self.strange)).to_bytes(4, "big"))

    def _mark(self, target: str) -> bytes:
        """What follows the value of a mark: of a start with this object, or of an end."""
        place = self.targets.setdefault(target, len(self.targets))
        return (b"\1" if target else b"\0") + place.to_bytes(4, "big")

    def join_ranges(self) -> None:
        """Ranges from marks, as the kernel looks values up: the greatest mark that is not above a value decides, and the
        end of a range comes before the start of the next (nft_set_rbtree.c). A range goes on to the next mark, or to the
        last value; an end by itself, such as nft's at 0, matches nothing."""
        width, named, wild = self.layout.width, len(self.targets), self.fields == (Field.INTERFACE,)
        names = list(self.targets)
        marks = sorted(set(self.marks))
        spans: list[bytes] = []
        for mark, after in zip_longest(marks, marks[1:]):
            if not mark[width]:
                continue
            low, place = mark[:width], int.from_bytes(mark[width + 1 :], "big")
            high = b"\xff" * width if after is None else _before(after[:width])
            if place < named and not (wild and not good_name(low, high)):
                spans += (low, high)
                self.names.append(names[place])
            else:
                each = (
                    RawElement(key=low, target=names[place]) if place < named else self.strange[_PLACES - 1 - place]
                )
                self.foreign.append(foreign_text(self.fields, True, each, high))
        self.keys += b"".join(spans)


def _before(value: bytes) -> bytes:
    """The value before this one, which is not the first."""
    last = value[-1]
    if last:
        return value[:-1] + _BYTES[last - 1]
    return (int.from_bytes(value, "big") - 1).to_bytes(len(value), "big")


_BYTES = [bytes([number]) for number in range(256)]
